//! `parse_x509()`: the certificates of a text in DER (RFC 5280).
//!
//! Nothing is verified here: what a certificate says of itself is shown.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use der::asn1::{ObjectIdentifier, UintRef};
use der::oid::AssociatedOid;
use der::{Decode, Reader, SliceReader};
use troodon_vql::{Arg, Fault, Function, Kind, RowBuilder, Time, Value};
use x509_cert::Certificate;

use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::limits::X509_MAX;

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "parse_x509",
    "The certificates in a text of DER, one behind the other. Nothing is verified.",
    &[Arg::required("data", Kind::String, "The text.")],
    |cx, _, args| {
        let data = args.text("data").cloned().unwrap_or_default();
        crate::xml::charge(cx, data.len())?;
        parse(&data).map_err(Fault::note)
    },
)];

/// A list of certificates.
///
/// # Errors
///
/// What is wrong with one of them, and where.
pub fn parse(data: &[u8]) -> Result<Value, String> {
    let wrong = |why: der::Error| format!("no certificate: {why}");
    let mut reader = SliceReader::new(data).map_err(wrong)?;
    let mut list = Vec::new();
    while !reader.is_finished() {
        if list.len() == X509_MAX {
            return Err(format!("more than {X509_MAX} certificates"));
        }
        list.push(shown(&Certificate::decode(&mut reader).map_err(wrong)?));
    }
    Ok(list.into())
}

fn shown(certificate: &Certificate) -> Value {
    let inner = certificate.tbs_certificate();
    let validity = inner.validity();
    let mut row = RowBuilder::new();
    row.set("SerialNumber", serial(inner.serial_number().as_bytes()))
        .set("SignatureAlgorithm", algorithm(certificate.signature_algorithm().oid))
        .set("Subject", name(inner.subject()))
        .set("Issuer", name(inner.issuer()))
        .set("NotBefore", time(validity.not_before))
        .set("NotAfter", time(validity.not_after))
        .set("PublicKey", public_key(inner.subject_public_key_info()))
        .set("Extensions", extensions(inner.extensions().map_or(&[][..], |list| list)));
    row.build().into()
}

/// Without the zeros that keep a number from looking negative.
fn serial(bytes: &[u8]) -> String {
    let digits = hex(bytes, "");
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0".to_owned() } else { trimmed.to_owned() }
}

fn hex(bytes: &[u8], separator: &str) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(separator)
}

fn time(time: x509_cert::time::Time) -> Value {
    let seconds = time.to_unix_duration().as_secs();
    i64::try_from(seconds).map_or(Value::Null, |seconds| Value::Time(Time::from_seconds(seconds)))
}

/// The names that people know signatures by; the number of others.
fn algorithm(oid: ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5-RSA",
        "1.2.840.113549.1.1.5" => "SHA1-RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "SHA256-RSA",
        "1.2.840.113549.1.1.12" => "SHA384-RSA",
        "1.2.840.113549.1.1.13" => "SHA512-RSA",
        "1.2.840.10045.4.1" => "ECDSA-SHA1",
        "1.2.840.10045.4.3.2" => "ECDSA-SHA256",
        "1.2.840.10045.4.3.3" => "ECDSA-SHA384",
        "1.2.840.10045.4.3.4" => "ECDSA-SHA512",
        "1.3.101.112" => "Ed25519",
        other => return other.to_owned(),
    }
    .to_owned()
}

/// `C=…, O=…` in the certificate's order.
fn name(name: &Name) -> String {
    let parts = name.iter().map(|part| {
        let oid = part.oid.to_string();
        let label = match oid.as_str() {
            "2.5.4.3" => "CN",
            "2.5.4.4" => "SURNAME",
            "2.5.4.5" => "SN",
            "2.5.4.6" => "C",
            "2.5.4.7" => "L",
            "2.5.4.8" => "ST",
            "2.5.4.9" => "STREET",
            "2.5.4.10" => "O",
            "2.5.4.11" => "OU",
            "2.5.4.12" => "T",
            "2.5.4.17" => "POSTALCODE",
            "0.9.2342.19200300.100.1.1" => "UID",
            "0.9.2342.19200300.100.1.25" => "DC",
            "1.2.840.113549.1.9.1" => "E",
            other => other,
        };
        format!("{label}={}", String::from_utf8_lossy(part.value.value()))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn public_key(key: &SubjectPublicKeyInfoOwned) -> String {
    let bits = key.subject_public_key.raw_bytes();
    let text = match key.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => rsa(bits),
        "1.2.840.10045.2.1" => elliptic(bits, key),
        _ => None,
    };
    text.unwrap_or_else(|| "Unknown public key type".to_owned())
}

/// RSAPublicKey of RFC 8017 appendix A.1.1.
fn rsa(bits: &[u8]) -> Option<String> {
    let mut reader = SliceReader::new(bits).ok()?;
    let numbers = reader.sequence(|inner: &mut SliceReader<'_>| {
        Ok::<_, der::Error>((UintRef::decode(inner)?, UintRef::decode(inner)?))
    });
    let (modulus, exponent) = numbers.ok()?;
    let modulus = modulus.as_bytes();
    let bytes = exponent.as_bytes();
    let exponent = bytes
        .iter()
        .try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)))?;
    let mut text = headed("RSA", bit_len(modulus));
    block(&mut text, "Modulus", modulus);
    let _written = writeln!(text, "{INDENT}Exponent: {exponent} ({exponent:#x})");
    Some(text)
}

/// An uncompressed point of SEC 1 section 2.3.3.
fn elliptic(bits: &[u8], key: &SubjectPublicKeyInfoOwned) -> Option<String> {
    let (form, point) = bits.split_first()?;
    let (x, y) = point.split_at(point.len() / 2);
    if *form != 4 || x.len() != y.len() {
        return None;
    }
    let curve: ObjectIdentifier = key.algorithm.parameters.as_ref()?.decode_as().ok()?;
    let (curve, len) = match curve.to_string().as_str() {
        "1.3.132.0.33" => ("P-224", 224),
        "1.2.840.10045.3.1.7" => ("P-256", 256),
        "1.3.132.0.34" => ("P-384", 384),
        "1.3.132.0.35" => ("P-521", 521),
        _ => return None,
    };
    let mut text = headed("ECDSA", len);
    block(&mut text, "X", x);
    block(&mut text, "Y", y);
    let _written = writeln!(text, "{INDENT}Curve: {curve}");
    Some(text)
}

const INDENT: &str = "                ";

fn headed(kind: &str, len: usize) -> String {
    format!("{kind}\n{INDENT}Public-Key: ({len} bit)\n")
}

fn bit_len(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |byte| byte.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(zeros).unwrap_or(0))
}

/// Digits in lines of fifteen bytes.
fn block(text: &mut String, title: &str, bytes: &[u8]) {
    let lines: Vec<_> =
        bytes.chunks(15).map(|line| format!("{INDENT}    {}", hex(line, ":"))).collect();
    let _written = writeln!(text, "{INDENT}{title}:\n{}", lines.join(":\n"));
}

fn extensions(list: &[Extension]) -> Value {
    let mut row = RowBuilder::new();
    for extension in list {
        let mut entry = RowBuilder::new();
        entry.set("Critical", extension.critical);
        let known = described(extension, &mut entry);
        let title = match known {
            Some(Ok(title)) => title.to_owned(),
            Some(Err(why)) => {
                entry.set("Error", why.to_string());
                extension.extn_id.to_string()
            }
            // The meaning is not known here; the original leaves such extensions out.
            None => {
                entry.set("Value", extension.extn_value.as_bytes());
                extension.extn_id.to_string()
            }
        };
        row.set(title, entry.build());
    }
    row.build().into()
}

/// Adds what an extension says, and answers its name; nothing for one that is not known.
fn described(extension: &Extension, entry: &mut RowBuilder) -> Option<der::Result<&'static str>> {
    let bytes = extension.extn_value.as_bytes();
    Some(match extension.extn_id {
        SubjectKeyIdentifier::OID => SubjectKeyIdentifier::from_der(bytes).map(|id| {
            entry.set("Value", hex(id.0.as_bytes(), ":").to_uppercase());
            "SubjectKeyId"
        }),
        AuthorityKeyIdentifier::OID => AuthorityKeyIdentifier::from_der(bytes).map(|id| {
            let id = id.key_identifier.map(|id| hex(id.as_bytes(), ":").to_uppercase());
            entry.set("KeyId", id.unwrap_or_default());
            "AuthorityKeyIdentifier"
        }),
        BasicConstraints::OID => BasicConstraints::from_der(bytes).map(|constraints| {
            let len = constraints.path_len_constraint.map_or(-1, i64::from);
            entry.set("IsCA", constraints.ca).set("MaxPathLen", len);
            "BasicConstraints"
        }),
        SubjectAltName::OID => SubjectAltName::from_der(bytes).map(|names| {
            alternatives(&names.0, entry);
            "SubjectAlternativeName"
        }),
        KeyUsage::OID => KeyUsage::from_der(bytes).map(|usage| {
            entry.set("KeyUsage", usages(usage));
            "KeyUsage"
        }),
        ExtendedKeyUsage::OID => ExtendedKeyUsage::from_der(bytes).map(|usage| {
            entry.set("KeyUsage", usage.0.iter().map(|oid| purpose(*oid)).collect::<Vec<_>>());
            "Extended Key Usage"
        }),
        CrlDistributionPoints::OID => CrlDistributionPoints::from_der(bytes).map(|points| {
            entry.set("URI", addresses(&points));
            "CRLDistributionPoints"
        }),
        CertificatePolicies::OID => CertificatePolicies::from_der(bytes).map(|policies| {
            let policies = policies.0.iter().map(|policy| policy.policy_identifier.to_string());
            entry.set("Policy", policies.map(Value::from).collect::<Vec<_>>());
            "CertificatePolicies"
        }),
        _ => return None,
    })
}

fn alternatives(names: &[GeneralName], entry: &mut RowBuilder) {
    let listed = |pick: fn(&GeneralName) -> Option<String>| {
        let found: Vec<Value> = names.iter().filter_map(pick).map(Value::from).collect();
        if found.is_empty() { Value::Null } else { found.into() }
    };
    entry
        .set(
            "DNS",
            listed(|name| match name {
                GeneralName::DnsName(name) => Some(name.to_string()),
                _ => None,
            }),
        )
        .set(
            "Email",
            listed(|name| match name {
                GeneralName::Rfc822Name(name) => Some(name.to_string()),
                _ => None,
            }),
        )
        .set(
            "IP",
            listed(|name| match name {
                GeneralName::IpAddress(bytes) => Some(address(bytes.as_bytes())),
                _ => None,
            }),
        );
}

fn address(bytes: &[u8]) -> String {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(bytes).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Ipv6Addr::from(bytes).to_string(),
        Err(_) => hex(bytes, ":"),
    }
}

fn addresses(points: &CrlDistributionPoints) -> Vec<Value> {
    let names = points.0.iter().filter_map(|point| match &point.distribution_point {
        Some(DistributionPointName::FullName(names)) => Some(names),
        _ => None,
    });
    names
        .flatten()
        .filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(address) => Some(address.as_str().into()),
            _ => None,
        })
        .collect()
}

fn usages(usage: KeyUsage) -> Vec<Value> {
    let names = [
        (KeyUsages::DigitalSignature, "Digital Signature"),
        (KeyUsages::NonRepudiation, "Content Commitment"),
        (KeyUsages::KeyEncipherment, "Key Encipherment"),
        (KeyUsages::DataEncipherment, "Data Encipherment"),
        (KeyUsages::KeyAgreement, "Key Agreement"),
        (KeyUsages::KeyCertSign, "Certificate Sign"),
        (KeyUsages::CRLSign, "CRL Sign"),
        (KeyUsages::EncipherOnly, "Encipher Only"),
        (KeyUsages::DecipherOnly, "Decipher Only"),
    ];
    let set = names.into_iter().filter(|(flag, _)| usage.0.contains(*flag));
    set.map(|(_, name)| name.into()).collect()
}

/// RFC 5280 section 4.2.1.12; the number of other purposes.
fn purpose(oid: ObjectIdentifier) -> Value {
    match oid.to_string().as_str() {
        "2.5.29.37.0" => "Any",
        "1.3.6.1.5.5.7.3.1" => "TLS Web Server Authentication",
        "1.3.6.1.5.5.7.3.2" => "TLS Web Client Authentication",
        "1.3.6.1.5.5.7.3.3" => "Code Signing",
        "1.3.6.1.5.5.7.3.4" => "E-mail Protection",
        "1.3.6.1.5.5.7.3.8" => "Time Stamping",
        "1.3.6.1.5.5.7.3.9" => "OCSP Signing",
        other => return other.into(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use troodon_vql::json;

    use super::*;

    /// A certificate on P-256 with names of several kinds.
    const ELLIPTIC: &[u8] = include_bytes!("../tests/elliptic.der");
    const RSA: &[u8] = include_bytes!("../tests/rsa.der");

    fn shown(data: &[u8]) -> Result<String, String> {
        parse(data).map(|value| json::to_string(&value))
    }

    #[test]
    fn a_certificate_says_who_what_and_until_when() {
        let text = shown(ELLIPTIC).unwrap();
        for part in [
            r#""SignatureAlgorithm":"ECDSA-SHA256","Subject":"CN=ec.example, SN=5, OU=a""#,
            r#"Public-Key: (256 bit)\n                X:\n"#,
            r#"Curve: P-256\n""#,
            r#""BasicConstraints":{"Critical":false,"IsCA":false,"MaxPathLen":-1}"#,
            r#""CRLDistributionPoints":{"Critical":false,"URI":["http://x/y.crl"]}"#,
            r#""CertificatePolicies":{"Critical":false,"Policy":["1.2.3.4"]}"#,
            r#""SubjectAlternativeName":{"Critical":false,"DNS":["q"],"Email":null,"IP":null}"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let text = shown(RSA).unwrap();
        for part in [
            r#""SignatureAlgorithm":"SHA256-RSA""#,
            r#""PublicKey":"RSA\n                Public-Key: (2048 bit)\n                Modulus:\n"#,
            r#"Exponent: 65537 (0x10001)\n""#,
            r#""DNS":["host.example"],"Email":["a@b.c"],"IP":["10.0.0.1"]"#,
            r#""KeyUsage":["Digital Signature","Certificate Sign"]"#,
            r#""Extended Key Usage":{"Critical":false,"KeyUsage":["TLS Web Server Authentication"]}"#,
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn certificates_stand_one_behind_the_other() {
        let Value::List(list) = parse(&[ELLIPTIC, RSA].concat()).unwrap() else {
            panic!("no list")
        };
        assert_eq!(list.len(), 2);
        assert_eq!(shown(b"").unwrap(), "[]");
    }

    #[test]
    fn damaged_certificates_are_refused() {
        for cut in 1..ELLIPTIC.len() {
            assert!(shown(&ELLIPTIC[..cut]).is_err(), "{cut}");
        }
        assert!(shown(b"-----BEGIN CERTIFICATE-----").is_err());
    }

    #[test]
    fn as_many_certificates_as_fit_are_too_many() {
        let many = ELLIPTIC.repeat(X509_MAX + 1);
        assert!(shown(&many).unwrap_err().contains("more than"));
    }
}
