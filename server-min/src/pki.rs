//! The internal authority and the certificates that it issues (docs/protocol.md sections 4.1 and 4.2).
//!
//! All keys are RSA with 2048 bits, since that is what Velociraptor's clients expect; private keys are PKCS#1 PEM.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Decode, DecodePem, Encode};

use crate::config::Secret;

/// The authority's own certificate is valid for ten years.
const AUTHORITY_DAYS: u64 = 3650;
/// Random bytes of a serial number: 128 bits cannot be guessed and never repeat.
const SERIAL_BYTES: usize = 16;
/// The authority's alternative name, the same in every deployment.
const AUTHORITY_DNS: &str = "Velociraptor_ca.velocidex.com";

/// What goes wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The key is needed and is not there.
    #[error(
        "CA.private_key is not in this configuration, and only it can sign certificates; \
         run the command where the authority's key is kept, with a configuration that holds it"
    )]
    NoAuthorityKey,
    /// A PEM text could not be read.
    #[error("{what} is not readable: {why}")]
    Unreadable {
        /// Which key of the configuration.
        what: &'static str,
        /// What the parser said.
        why: String,
    },
    /// The key is another one's.
    #[error(
        "CA.private_key does not belong to Client.ca_certificate; take both from one configuration"
    )]
    Mismatch,
    /// The name cannot stand in a certificate.
    #[error("`{0}` cannot be the name of a certificate; use letters, digits and @ . - _ # +")]
    Name(String),
    /// Making a key or a signature failed.
    #[error("no certificate could be made: {0}")]
    Making(String),
}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error.to_string())
    }
}

/// A certificate with the key that belongs to it.
#[derive(Debug)]
pub struct Issued {
    /// PEM.
    pub certificate: String,
    /// PEM (PKCS#1).
    pub private_key: Secret,
}

/// When the first certificate of a PEM text ends, in microseconds since 1970; `None` for what is none.
#[must_use]
pub fn end_us(pem: &str) -> Option<u64> {
    let first = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    validity_us(&first).map(|(_, end)| end)
}

/// When a certificate (DER) begins and ends, in microseconds since 1970; `None` for what is none.
#[must_use]
pub fn validity_us(der: &[u8]) -> Option<(u64, u64)> {
    let certificate = Certificate::from_der(der).ok()?;
    let validity = certificate.tbs_certificate().validity();
    let us = |time: x509_cert::time::Time| u64::try_from(time.to_unix_duration().as_micros()).ok();
    Some((us(validity.not_before)?, us(validity.not_after)?))
}

/// The serial number of a certificate (DER), without zeros at its beginning; `None` for what is none.
#[must_use]
pub fn serial(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    let serial = certificate.tbs_certificate().serial_number().as_bytes();
    Some(serial.iter().copied().skip_while(|byte| *byte == 0).collect())
}

/// The public key (DER) in the first certificate of a PEM text; `None` for what is none.
#[must_use]
pub fn key_of(pem: &str) -> Option<Vec<u8>> {
    key_in(&CertificateDer::from_pem_slice(pem.as_bytes()).ok()?)
}

/// The public key (DER) in a certificate (DER); `None` for what is none.
#[must_use]
pub fn key_in(der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

/// The one common name in the subject of a certificate (DER).
#[must_use]
pub fn common_name(der: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(der).ok()?;
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|one| one.oid == CN);
    let (Some(name), None) = (names.next(), names.next()) else { return None };
    let utf8 = name.value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let text = utf8.or_else(|_| {
        name.value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned())
    });
    text.ok()
}

/// The internal authority, able to sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes an authority; what to keep of it is in the second value.
    pub fn generate() -> Result<(Self, Issued), PkiError> {
        let key = generate_key()?;
        let params = authority_params()?;
        let issued =
            Issued { certificate: params.self_signed(&key)?.pem(), private_key: pkcs1_pem(&key)? };
        Ok((Self { issuer: Issuer::new(params, key) }, issued))
    }

    /// Takes an authority from a configuration.
    pub fn load(certificate: &str, private_key: &Secret) -> Result<Self, PkiError> {
        if private_key.is_empty() {
            return Err(PkiError::NoAuthorityKey);
        }
        let key = read_key("CA.private_key", private_key)?;
        let unreadable = |why: String| PkiError::Unreadable { what: "Client.ca_certificate", why };
        let parsed = Certificate::from_pem(certificate).map_err(|e| unreadable(e.to_string()))?;
        let bound = parsed.tbs_certificate().subject_public_key_info().to_der();
        if bound.map_err(|e| unreadable(e.to_string()))? != key.subject_public_key_info() {
            return Err(PkiError::Mismatch);
        }
        let issuer =
            Issuer::from_ca_cert_pem(certificate, key).map_err(|e| unreadable(e.to_string()))?;
        Ok(Self { issuer })
    }

    /// A certificate for a new key.
    pub fn issue(&self, name: &str, days: u64) -> Result<Issued, PkiError> {
        let key = generate_key()?;
        Ok(Issued { certificate: self.sign(name, days, &key)?, private_key: pkcs1_pem(&key)? })
    }

    /// A certificate for a key that exists; `what` names the key in errors.
    pub fn reissue(
        &self,
        name: &str,
        days: u64,
        what: &'static str,
        private_key: &Secret,
    ) -> Result<String, PkiError> {
        self.sign(name, days, &read_key(what, private_key)?)
    }

    fn sign(&self, name: &str, days: u64, key: &KeyPair) -> Result<String, PkiError> {
        Ok(leaf_params(name, days)?.signed_by(key, &self.issuer)?.pem())
    }
}

fn authority_params() -> Result<CertificateParams, PkiError> {
    let mut params = params(AUTHORITY_DAYS)?;
    params.distinguished_name.push(DnType::OrganizationName, "Velociraptor CA");
    params.subject_alt_names.push(SanType::DnsName(AUTHORITY_DNS.try_into()?));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    Ok(params)
}

fn leaf_params(name: &str, days: u64) -> Result<CertificateParams, PkiError> {
    let bad_name = || PkiError::Name(name.to_owned());
    if name.is_empty()
        || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"@.-_#+:".contains(&b))
    {
        return Err(bad_name());
    }
    let mut params = params(days)?;
    params.distinguished_name.push(DnType::OrganizationName, "Velociraptor");
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names.push(match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().map_err(|_| bad_name())?),
    });
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// What all certificates have in common.
fn params(days: u64) -> Result<CertificateParams, PkiError> {
    let mut serial = [0; SERIAL_BYTES];
    getrandom::fill(&mut serial).map_err(|error| PkiError::Making(error.to_string()))?;
    // A serial number is a positive integer (RFC 5280 section 4.1.2.2).
    serial[0] &= 0x7f;
    let days = i64::try_from(days).ok().and_then(|days| days.checked_mul(24 * 60 * 60));
    let too_long = || PkiError::Making("the validity is too long".into());
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = now;
    params.not_after =
        days.and_then(|s| now.checked_add(Duration::seconds(s))).ok_or_else(too_long)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

fn generate_key() -> Result<KeyPair, PkiError> {
    Ok(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?)
}

/// Reads PKCS#1 or PKCS#8.
fn read_key(what: &'static str, private_key: &Secret) -> Result<KeyPair, PkiError> {
    let unreadable = |why: String| PkiError::Unreadable { what, why };
    let der = PrivateKeyDer::from_pem_slice(private_key.expose().as_bytes())
        .map_err(|error| unreadable(error.to_string()))?;
    KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256)
        .map_err(|error| unreadable(error.to_string()))
}

/// The PKCS#1 text of a key that was generated here, hence is PKCS#8 in memory.
fn pkcs1_pem(key: &KeyPair) -> Result<Secret, PkiError> {
    let failed = |error: pkcs8::Error| PkiError::Making(error.to_string());
    let outer = pkcs8::PrivateKeyInfoRef::try_from(key.serialized_der()).map_err(failed)?;
    let pem = der::pem::encode_string(
        "RSA PRIVATE KEY",
        der::pem::LineEnding::LF,
        outer.private_key.as_bytes(),
    )
    .map_err(|error| PkiError::Making(error.to_string()))?;
    Ok(Secret::new(pem))
}
