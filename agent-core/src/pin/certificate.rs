//! One X.509 certificate and the questions that pinning asks it.

use alloc::string::String;

use der::oid::db::rfc4519::CN;
use der::oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_NAME_CONSTRAINTS, ID_CE_SUBJECT_ALT_NAME, ID_KP_SERVER_AUTH,
};
use der::oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode};
use spki::AlgorithmIdentifierRef;
use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::name::Name;

use crate::error::PinFault;
use crate::identity::subject_common_name;
use crate::limits::CERTIFICATE_EXTENSIONS;
use crate::rsa::PublicKey;
use crate::signed_der::{SignedDer, is_sha256_with_rsa};
use crate::time::UnixTime;

/// Extensions whose meaning is honoured here; any other critical one refuses the certificate (RFC 5280 section 4.2).
const UNDERSTOOD: [ObjectIdentifier; 4] =
    [ID_CE_BASIC_CONSTRAINTS, ID_CE_KEY_USAGE, ID_CE_EXT_KEY_USAGE, ID_CE_SUBJECT_ALT_NAME];

/// A certificate that was parsed; nothing about it is trusted.
pub(super) struct Certificate<'a> {
    signed: SignedDer<'a>,
    tbs: TbsCertificate,
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
        let tbs = TbsCertificate::from_der(signed.body()).map_err(|_| PinFault::NotCertificate)?;
        if tbs.version() != Version::V3 {
            return Err(PinFault::NotCertificate);
        }
        let certificate = Self { signed, tbs };
        certificate.check_extensions()?;
        Ok(certificate)
    }

    pub(super) fn subject(&self) -> &Name {
        self.tbs.subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.tbs.issuer()
    }

    pub(super) fn validity(&self) -> Span {
        let validity = self.tbs.validity();
        Span {
            begin: UnixTime::from_secs(validity.not_before.to_unix_duration().as_secs()),
            end: UnixTime::from_secs(validity.not_after.to_unix_duration().as_secs()),
        }
    }

    pub(super) fn key(&self) -> Result<PublicKey, PinFault> {
        let spki = self.tbs.subject_public_key_info();
        let der = spki.to_der().map_err(|_| PinFault::NotCertificate)?;
        PublicKey::from_spki_der(&der).map_err(PinFault::Key)
    }

    /// The subject's name: its common name, else the first DNS name among the alternatives (docs/protocol.md section 2.2).
    /// A subject with several common names, or one that is no text, has none.
    pub(super) fn name(&self) -> Option<String> {
        if self.tbs.subject().iter().any(|attribute| attribute.oid == CN) {
            return subject_common_name(self.tbs.subject());
        }
        let SubjectAltName(names) = self.extension().ok()??;
        names.iter().find_map(|name| match name {
            GeneralName::DnsName(name) => Some(String::from(name.as_str())),
            _ => None,
        })
    }

    /// Whether the holder of `key` issued this certificate.
    pub(super) fn check_signature(&self, key: &PublicKey) -> Result<(), PinFault> {
        let inside = self.tbs.signature().to_der().map_err(|_| PinFault::NotCertificate)?;
        let inside =
            AlgorithmIdentifierRef::from_der(&inside).map_err(|_| PinFault::NotCertificate)?;
        // RFC 5280 section 4.1.1.2: the algorithm inside the signed part is the one outside.
        if inside != *self.signed.algorithm() || !is_sha256_with_rsa(&inside) {
            return Err(PinFault::Algorithm);
        }
        self.signed.verify(key).map_err(|_| PinFault::Signature)
    }

    /// Whether this may be the root: a CA that signs certificates, of servers too, without name constraints (which are not
    /// honoured here and must therefore not be there).
    pub(super) fn check_anchor(&self) -> Result<(), PinFault> {
        let is_ca = self.extension::<BasicConstraints>()?.is_some_and(|basic| basic.ca);
        let may_sign = self.extension::<KeyUsage>()?.is_none_or(|usage| usage.key_cert_sign());
        let constrained = self.extensions().iter().any(|e| e.extn_id == ID_CE_NAME_CONSTRAINTS);
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
        let extensions = self.extensions();
        if extensions.len() > CERTIFICATE_EXTENSIONS {
            return Err(PinFault::Extension);
        }
        for extension in extensions {
            let id = extension.extn_id;
            let alone = extensions.iter().filter(|other| other.extn_id == id).nth(1).is_none();
            if !alone || (extension.critical && !UNDERSTOOD.contains(&id)) {
                return Err(PinFault::Extension);
            }
        }
        Ok(())
    }

    fn extension<T: AssociatedOid + for<'d> Decode<'d>>(&self) -> Result<Option<T>, PinFault> {
        let mut extensions = self.extensions().iter();
        let Some(extension) = extensions.find(|extension| extension.extn_id == T::OID) else {
            return Ok(None);
        };
        let value = T::from_der(extension.extn_value.as_bytes());
        value.map(Some).map_err(|_| PinFault::NotCertificate)
    }

    fn extensions(&self) -> &[Extension] {
        self.tbs.extensions().map_or(&[], |extensions| extensions.as_slice())
    }
}

impl Span {
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
