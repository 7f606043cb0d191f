//! Certificates of any shape, sound or not, written as DER by hand: a builder would refuse to make most of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};

use crate::keys::{ca_key, rng};

pub const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
pub const SHA1_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
pub const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
pub const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
pub const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
pub const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
pub const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANISATION: &[u8] = &[0x55, 4, 10];

/// digitalSignature and keyEncipherment.
pub const USES_OF_A_LEAF: u8 = 0b1010_0000;
/// The same and keyCertSign.
pub const USES_OF_A_CA: u8 = 0b1010_0100;

/// What goes into a certificate; the fields are DER.
#[derive(Clone)]
pub struct Plan {
    pub version: Option<u8>,
    pub algorithm: &'static [u8],
    pub outer_algorithm: &'static [u8],
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub validity: (&'static str, &'static str),
    pub spki: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
}

/// The CA as the original server makes it: no common name, an underscore in its SAN, extended usages on itself.
pub fn ca() -> Plan {
    let name = organisation("Velociraptor CA");
    Plan {
        version: Some(2),
        algorithm: SHA256_WITH_RSA,
        outer_algorithm: SHA256_WITH_RSA,
        issuer: name.clone(),
        subject: name,
        validity: ("200101000000Z", "491231235959Z"),
        spki: ca_key().public().to_spki_der().unwrap(),
        extensions: vec![
            key_usage(USES_OF_A_CA),
            extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]),
            basic_constraints(true),
            alternative_name("Velociraptor_ca.velocidex.com"),
        ],
    }
}

/// A server's certificate as the original makes it.
pub fn leaf(name: &str, key: &PublicKey) -> Plan {
    Plan {
        subject: [organisation_part("Velociraptor"), common_name_part(name)].concat(),
        issuer: organisation("Velociraptor CA"),
        validity: ("260101000000Z", "280101000000Z"),
        spki: key.to_spki_der().unwrap(),
        extensions: vec![
            key_usage(USES_OF_A_LEAF),
            extended_key_usage(&[SERVER_AUTH, CLIENT_AUTH]),
            basic_constraints(false),
            alternative_name(name),
        ],
        ..ca()
    }
    .with_sequence_of_names()
}

impl Plan {
    fn with_sequence_of_names(mut self) -> Self {
        self.subject = sequence(&[&self.subject]);
        self
    }

    /// Replaces the extension with this identifier, or adds it.
    pub fn with(mut self, id: &[u8], extension: Vec<u8>) -> Self {
        self = self.without(id);
        self.extensions.push(extension);
        self
    }

    pub fn without(mut self, id: &[u8]) -> Self {
        let id = tlv(0x06, id);
        self.extensions.retain(|extension| !extension.windows(id.len()).any(|w| w == id));
        self
    }

    /// DER of the certificate, signed by `key`.
    pub fn sign(&self, key: &SoftKey) -> Vec<u8> {
        let algorithm = |id| sequence(&[&tlv(0x06, id), &tlv(0x05, &[])]);
        let version = self.version.map(|v| tlv(0xa0, &tlv(0x02, &[v]))).unwrap_or_default();
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            tlv(0xa3, &tlv(0x30, &self.extensions.concat()))
        };
        let body = sequence(&[
            &version,
            &tlv(0x02, &[1, 2, 3, 4]),
            &algorithm(self.algorithm),
            &self.issuer,
            &sequence(&[
                &tlv(0x17, self.validity.0.as_bytes()),
                &tlv(0x17, self.validity.1.as_bytes()),
            ]),
            &self.subject,
            &self.spki,
            &extensions,
        ]);
        let signature = key.sign_pkcs1_sha256(&mut rng(9), &body).unwrap();
        let signature = tlv(0x03, &[&[0], signature.as_slice()].concat());
        sequence(&[&body, &algorithm(self.outer_algorithm), &signature])
    }
}

pub fn organisation(text: &str) -> Vec<u8> {
    sequence(&[&organisation_part(text)])
}

pub fn organisation_part(text: &str) -> Vec<u8> {
    name_part(ORGANISATION, text)
}

pub fn common_name_part(text: &str) -> Vec<u8> {
    name_part(COMMON_NAME, text)
}

fn name_part(id: &[u8], text: &str) -> Vec<u8> {
    tlv(0x31, &sequence(&[&tlv(0x06, id), &tlv(0x0c, text.as_bytes())]))
}

pub fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    sequence(&[&tlv(0x06, id), &critical, &tlv(0x04, value)])
}

pub fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap();
    extension(KEY_USAGE, true, &tlv(0x03, &[unused, bits]))
}

pub fn extended_key_usage(ids: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<u8> = ids.iter().flat_map(|id| tlv(0x06, id)).collect();
    extension(EXTENDED_KEY_USAGE, false, &tlv(0x30, &ids))
}

pub fn basic_constraints(ca: bool) -> Vec<u8> {
    let value = if ca { tlv(0x01, &[0xff]) } else { Vec::new() };
    extension(BASIC_CONSTRAINTS, true, &tlv(0x30, &value))
}

pub fn alternative_name(dns: &str) -> Vec<u8> {
    extension(ALTERNATIVE_NAMES, false, &sequence(&[&tlv(0x82, dns.as_bytes())]))
}

/// An RSA key with the given modulus and exponent, as it stands in a certificate.
pub fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let modulus = tlv(0x02, &[&[0], modulus].concat());
    let key = sequence(&[&modulus, &tlv(0x02, exponent)]);
    let algorithm = sequence(&[&tlv(0x06, RSA_ENCRYPTION), &tlv(0x05, &[])]);
    sequence(&[&algorithm, &tlv(0x03, &[&[0], key.as_slice()].concat())])
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short @ 0..0x80] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head.as_slice(), content].concat()
}

pub fn pem(der: &[u8]) -> String {
    armour("CERTIFICATE", der)
}

pub fn armour(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
