//! Who a client is: an id derived from its key, and the request with which it introduces itself.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use der::asn1::{AnyRef, BitStringRef};
use der::oid::db::rfc5912::SHA_256_WITH_RSA_ENCRYPTION;
use der::pem::{LineEnding, PemLabel};
use der::{Decode, Encode, Tag, TagNumber};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use spki::AlgorithmIdentifierRef;
use x509_cert::request::{CertReq, CertReqInfo};

use crate::error::{EnrolFault, IdFault, KeyFault};
use crate::limits::CSR_BYTES;
use crate::name::{self, CommonName};
use crate::rsa::{PrivateKey, PublicKey};
use crate::signed_der::{SignedDer, sequence};

/// A client's name: `C.` and sixteen lower-case hexadecimal digits of a hash of its public key.
///
/// [`ClientId::of`] is the only way to learn who sent something; parsing one from text names a client and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId([u8; Self::LENGTH]);

impl ClientId {
    const PREFIX: [u8; 2] = *b"C.";
    /// Characters of an id.
    pub const LENGTH: usize = 18;
    /// Bytes of the hash that the id shows.
    const HASHED: usize = 8;

    /// The id of the holder of `key` (docs/protocol.md section 2.1).
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self::of_modulus(key.modulus())
    }

    /// The id for a modulus, big-endian without leading zeros. The exponent has no part in it.
    #[must_use]
    pub fn of_modulus(modulus: &[u8]) -> Self {
        // An SSH-style number: the zero byte is there whether or not the top bit is set, and it is counted.
        let counted = u32::try_from(modulus.len()).unwrap_or(u32::MAX).saturating_add(1);
        let hash = Sha256::new()
            .chain_update(counted.to_be_bytes())
            .chain_update([0])
            .chain_update(modulus)
            .finalize();
        let digits = hash.iter().take(Self::HASHED).flat_map(|byte| [byte >> 4, byte & 0x0f]);
        let mut text = [0; Self::LENGTH];
        for (slot, byte) in text.iter_mut().zip(Self::PREFIX.into_iter().chain(digits.map(digit))) {
            *slot = byte;
        }
        Self(text)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`IdFault`] for anything but `C.` and sixteen lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, IdFault> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| IdFault)?;
        let digits = bytes.strip_prefix(&Self::PREFIX).ok_or(IdFault)?;
        if digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(bytes))
        } else {
            Err(IdFault)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both ways to make one leave ASCII only.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0'.saturating_add(nibble),
        _ => b'a'.saturating_add(nibble.saturating_sub(10)),
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClientId {
    type Err = IdFault;

    fn from_str(text: &str) -> Result<Self, IdFault> {
        Self::parse(text)
    }
}

/// The request with which the holder of `key` enrols: PKCS#10 in PEM, common name = its id (docs/protocol.md section 5.1).
///
/// # Errors
/// [`KeyFault::Signing`] when the key fails; [`KeyFault::Encoding`] never happens for an acceptable key.
pub fn request_pem(rng: &mut dyn CryptoRng, key: &dyn PrivateKey) -> Result<String, KeyFault> {
    let body = request_body(key.public()).map_err(|_| KeyFault::Encoding)?;
    let signature = key.sign_pkcs1_sha256(rng, &body)?;
    let der = signed_request(&body, &signature).map_err(|_| KeyFault::Encoding)?;
    der::pem::encode_string(CertReq::PEM_LABEL, LineEnding::LF, &der)
        .map_err(|_| KeyFault::Encoding)
}

/// `CertificationRequestInfo` (RFC 2986 section 4.1): version 0, name, key, no attributes.
fn request_body(key: &PublicKey) -> der::Result<Vec<u8>> {
    const ATTRIBUTES: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    let name = name::of_common_name(ClientId::of(key).as_str())?;
    let key = key.to_spki_der().map_err(|_| Tag::Sequence.value_error())?;
    sequence(&[&0_u8.to_der()?, &name, &key, &AnyRef::new(ATTRIBUTES, &[])?.to_der()?])
}

/// `CertificationRequest` (RFC 2986 section 4.2).
fn signed_request(body: &[u8], signature: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm =
        AlgorithmIdentifierRef { oid: SHA_256_WITH_RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    let signature = BitStringRef::from_bytes(signature)?;
    sequence(&[body, &algorithm.to_der()?, &signature.to_der()?])
}

/// A request that was signed by the key in it and names the id of that key. Who *sent* it is another question.
#[derive(Clone, Debug)]
pub struct Request {
    id: ClientId,
    key: PublicKey,
}

impl Request {
    /// Checks a PEM request: RSA key of acceptable strength, its own signature, common name = id of the key.
    ///
    /// # Errors
    /// [`EnrolFault`] says which of these failed.
    pub fn check(pem: &[u8]) -> Result<Self, EnrolFault> {
        if pem.len() > CSR_BYTES {
            return Err(EnrolFault::TooLarge);
        }
        let der = match der::pem::decode_vec(pem) {
            Ok((CertReq::PEM_LABEL, der)) => der,
            _ => return Err(EnrolFault::Encoding),
        };
        let signed = SignedDer::parse(&der).map_err(|_| EnrolFault::Encoding)?;
        let info = CertReqInfo::from_der(signed.body()).map_err(|_| EnrolFault::Encoding)?;
        let spki = info.public_key.to_der().map_err(|_| EnrolFault::Encoding)?;
        let key = PublicKey::from_spki_der(&spki).map_err(EnrolFault::Key)?;
        signed.verify(&key).map_err(|_| EnrolFault::Signature)?;
        let id = ClientId::of(&key);
        let subject = info.subject.to_der().map_err(|_| EnrolFault::Encoding)?;
        let name = CommonName::of(&subject).map_err(|_| EnrolFault::Encoding)?;
        if name.into_text().as_deref() != Some(id.as_str()) {
            return Err(EnrolFault::Name);
        }
        Ok(Self { id, key })
    }

    /// The id of the key in the request.
    #[must_use]
    pub fn id(&self) -> ClientId {
        self.id
    }

    /// The key in the request.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let text = "C.5170dd5921551ec7";
        assert_eq!(ClientId::parse(text).unwrap().as_str(), text);
        for bad in [
            "",
            "C.",
            "c.5170dd5921551ec7",
            "C.5170DD5921551EC7",
            "C.5170dd5921551ec",
            "C.5170dd5921551ec77",
            "C.5170dd5921551ecg",
            "C-5170dd5921551ec7",
            "C.5170dd5921551ec7-O123",
            "C.../../../../../",
            "server",
        ] {
            assert_eq!(ClientId::parse(bad), Err(IdFault), "{bad}");
        }
    }
}
