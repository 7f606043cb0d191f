//! One X.509 certificate and the questions that pinning asks it.
//!
//! Cut with the library's reader, field by field: its own type of a certificate copies every field, and reads names and
//! extensions that are of no use here, for 20 KB of code.

use alloc::string::String;
use alloc::vec::Vec;

use der::asn1::{AnyRef, IntRef, OctetStringRef};
use der::oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_NAME_CONSTRAINTS, ID_CE_SUBJECT_ALT_NAME, ID_KP_SERVER_AUTH,
};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use spki::AlgorithmIdentifierRef;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::time::Validity;

use crate::error::PinFault;
use crate::limits::CERTIFICATE_EXTENSIONS;
use crate::name::CommonName;
use crate::rsa::PublicKey;
use crate::signed_der::{SignedDer, is_sha256_with_rsa};
use crate::time::UnixTime;

/// Extensions whose meaning is honoured here; any other critical one refuses the certificate (RFC 5280 section 4.2).
const UNDERSTOOD: [ObjectIdentifier; 4] =
    [ID_CE_BASIC_CONSTRAINTS, ID_CE_KEY_USAGE, ID_CE_EXT_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME];
/// The content of `[0] EXPLICIT Version`: version 3, the one with extensions.
const VERSION_3: [u8; 3] = [2, 1, 2];
/// The tag of the extensions, the last field; before them there may be two that nobody uses.
const EXTENSIONS: TagNumber = TagNumber(3);
/// `dNSName` among the choices of `GeneralName`.
const DNS_NAME: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber(2) };

/// A certificate that was parsed; nothing about it is trusted.
pub(super) struct Certificate<'a> {
    signed: SignedDer<'a>,
    algorithm: AlgorithmIdentifierRef<'a>,
    issuer: &'a [u8],
    validity: Span,
    subject: &'a [u8],
    common_name: CommonName,
    key: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

struct Extension<'a> {
    id: ObjectIdentifier,
    is_critical: bool,
    value: &'a [u8],
}

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy)]
pub(super) struct Span {
    begin: UnixTime,
    end: UnixTime,
}

impl<'a> Certificate<'a> {
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, PinFault> {
        let signed = SignedDer::parse(der).map_err(|_| PinFault::NotCertificate)?;
        let certificate = Self::cut(signed).map_err(|_| PinFault::NotCertificate)?;
        certificate.check_extensions()?;
        Ok(certificate)
    }

    /// `TBSCertificate` (RFC 5280 section 4.1).
    fn cut(signed: SignedDer<'a>) -> der::Result<Self> {
        let mut reader = SliceReader::new(signed.body())?;
        let certificate = reader.sequence(|body| -> der::Result<Self> {
            let version = AnyRef::decode(body)?;
            if version.tag() != explicit(TagNumber(0)) || version.value() != VERSION_3 {
                return Err(version.tag().value_error().into());
            }
            IntRef::decode(body)?;
            let algorithm = AlgorithmIdentifierRef::decode(body)?;
            let issuer = body.tlv_bytes()?;
            CommonName::of(issuer)?;
            let validity = Span::of(Validity::decode(body)?);
            let subject = body.tlv_bytes()?;
            let common_name = CommonName::of(subject)?;
            let key = body.tlv_bytes()?;
            let extensions = read_extensions(body)?;
            Ok(Self { signed, algorithm, issuer, validity, subject, common_name, key, extensions })
        })?;
        reader.finish()?;
        Ok(certificate)
    }

    /// The subject's name in DER.
    pub(super) fn subject(&self) -> &'a [u8] {
        self.subject
    }

    /// The issuer's name in DER.
    pub(super) fn issuer(&self) -> &'a [u8] {
        self.issuer
    }

    pub(super) fn validity(&self) -> Span {
        self.validity
    }

    pub(super) fn key(&self) -> Result<PublicKey, PinFault> {
        PublicKey::from_spki_der(self.key).map_err(PinFault::Key)
    }

    /// The subject's name: its common name, else the first DNS name among the alternatives (docs/protocol.md section 2.2).
    /// A subject with several common names, or one that is no text, has none.
    pub(super) fn name(&self) -> Option<String> {
        match &self.common_name {
            CommonName::Absent => {
                let names = self.extensions.iter().find(|one| one.id == ID_CE_SUBJECT_ALT_NAME)?;
                first_dns_name(names.value).ok()?
            }
            other => other.clone().into_text(),
        }
    }

    /// Whether the holder of `key` issued this certificate.
    pub(super) fn check_signature(&self, key: &PublicKey) -> Result<(), PinFault> {
        // RFC 5280 section 4.1.1.2: the algorithm inside the signed part is the one outside.
        if self.algorithm != *self.signed.algorithm() || !is_sha256_with_rsa(&self.algorithm) {
            return Err(PinFault::Algorithm);
        }
        self.signed.verify(key).map_err(|_| PinFault::Signature)
    }

    /// Whether this may be the root: a CA that signs certificates, of servers too, without name constraints (which are not
    /// honoured here and must therefore not be there).
    pub(super) fn check_anchor(&self) -> Result<(), PinFault> {
        let is_ca = self.extension::<BasicConstraints>()?.is_some_and(|basic| basic.ca);
        let may_sign = self.extension::<KeyUsage>()?.is_none_or(|usage| usage.key_cert_sign());
        let constrained = self.extensions.iter().any(|one| one.id == ID_CE_NAME_CONSTRAINTS);
        if is_ca && may_sign && !constrained && self.allows_servers()? {
            Ok(())
        } else {
            Err(PinFault::NotAnchor)
        }
    }

    /// Whether this may be a server's: no CA, and every usage that is written down fits.
    pub(super) fn check_server(&self) -> Result<(), PinFault> {
        let is_ca = self.extension::<BasicConstraints>()?.is_some_and(|basic| basic.ca);
        let fits = self
            .extension::<KeyUsage>()?
            .is_none_or(|usage| usage.digital_signature() && usage.key_encipherment());
        if !is_ca && fits && self.allows_servers()? { Ok(()) } else { Err(PinFault::Usage) }
    }

    fn allows_servers(&self) -> Result<bool, PinFault> {
        Ok(self.extension::<ExtendedKeyUsage>()?.is_none_or(|ExtendedKeyUsage(usages)| {
            usages.iter().any(|usage| [ID_KP_SERVER_AUTH, ANY_EXTENDED_KEY_USAGE].contains(usage))
        }))
    }

    fn check_extensions(&self) -> Result<(), PinFault> {
        if self.extensions.len() > CERTIFICATE_EXTENSIONS {
            return Err(PinFault::Extension);
        }
        for Extension { id, is_critical, .. } in &self.extensions {
            let alone = self.extensions.iter().filter(|other| other.id == *id).nth(1).is_none();
            if !alone || (*is_critical && !UNDERSTOOD.contains(id)) {
                return Err(PinFault::Extension);
            }
        }
        Ok(())
    }

    fn extension<T: AssociatedOid + for<'d> Decode<'d>>(&self) -> Result<Option<T>, PinFault> {
        let Some(extension) = self.extensions.iter().find(|one| one.id == T::OID) else {
            return Ok(None);
        };
        T::from_der(extension.value).map(Some).map_err(|_| PinFault::NotCertificate)
    }
}

const fn explicit(number: TagNumber) -> Tag {
    Tag::ContextSpecific { constructed: true, number }
}

/// What follows the key: fields in the order of their tags, of which the extensions are the last.
fn read_extensions<'a>(body: &mut SliceReader<'a>) -> der::Result<Vec<Extension<'a>>> {
    let mut extensions = Vec::new();
    let mut before = TagNumber(0);
    while !body.is_finished() {
        let field = AnyRef::decode(body)?;
        let number = field.tag().number();
        if !field.tag().is_context_specific() || number <= before || number > EXTENSIONS {
            return Err(field.tag().unexpected_error(None).into());
        }
        before = number;
        if field.tag() == explicit(EXTENSIONS) {
            let mut reader = SliceReader::new(field.value())?;
            reader.sequence(|all| -> der::Result<()> {
                while !all.is_finished() {
                    extensions.push(all.sequence(Extension::read)?);
                }
                Ok(())
            })?;
            reader.finish()?;
        }
    }
    Ok(extensions)
}

impl<'a> Extension<'a> {
    /// `Extension` (RFC 5280 section 4.1).
    fn read(reader: &mut SliceReader<'a>) -> der::Result<Self> {
        let id = ObjectIdentifier::decode(reader)?;
        let is_critical = Option::<bool>::decode(reader)?.unwrap_or_default();
        let value = <&OctetStringRef>::decode(reader)?.as_bytes();
        Ok(Self { id, is_critical, value })
    }
}

fn first_dns_name(names: &[u8]) -> der::Result<Option<String>> {
    let mut reader = SliceReader::new(names)?;
    let mut first = None;
    reader.sequence(|names| -> der::Result<()> {
        while !names.is_finished() {
            let name = AnyRef::decode(names)?;
            if name.tag() == DNS_NAME && first.is_none() {
                first = Some(name.value());
            }
        }
        Ok(())
    })?;
    reader.finish()?;
    let text =
        first.filter(|name| name.is_ascii()).and_then(|name| core::str::from_utf8(name).ok());
    Ok(text.map(String::from))
}

impl Span {
    fn of(validity: Validity) -> Self {
        Self {
            begin: UnixTime::from_secs(validity.not_before.to_unix_duration().as_secs()),
            end: UnixTime::from_secs(validity.not_after.to_unix_duration().as_secs()),
        }
    }

    pub(super) fn begin(self) -> UnixTime {
        self.begin
    }

    pub(super) fn end(self) -> UnixTime {
        self.end
    }

    pub(super) fn check(self, now: UnixTime) -> Result<(), PinFault> {
        if now < self.begin {
            Err(PinFault::NotYetValid)
        } else if now.as_seconds() > self.end.as_seconds() {
            Err(PinFault::Expired)
        } else {
            Ok(())
        }
    }
}
