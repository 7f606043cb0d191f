//! The common outside of certificates and certificate requests: a body, an algorithm, a signature over the body's bytes.

use alloc::vec::Vec;

use der::asn1::{AnyRef, BitStringRef};
use der::oid::db::rfc5912::SHA_256_WITH_RSA_ENCRYPTION;
use der::{Decode, Encode, Reader, SliceReader, Tag};
use spki::AlgorithmIdentifierRef;

use crate::error::BadSignature;
use crate::rsa::PublicKey;

/// `SEQUENCE { body, algorithm, signature }`, cut but not verified. Keeps the body as it came: the signature is over those
/// bytes, not over an encoding of what was understood of them.
pub(crate) struct SignedDer<'a> {
    body: &'a [u8],
    algorithm: AlgorithmIdentifierRef<'a>,
    signature: &'a [u8],
}

impl<'a> SignedDer<'a> {
    /// Cuts `der`; refuses trailing bytes.
    pub(crate) fn parse(der: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let signed = reader.sequence(|reader| -> der::Result<Self> {
            let body = reader.tlv_bytes()?;
            let algorithm = AlgorithmIdentifierRef::decode(reader)?;
            let signature = BitStringRef::decode(reader)?;
            let signature = signature.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
            Ok(Self { body, algorithm, signature })
        })?;
        reader.finish()?;
        Ok(signed)
    }

    /// The signed bytes: one DER value.
    pub(crate) fn body(&self) -> &'a [u8] {
        self.body
    }

    /// What the signature claims to be.
    pub(crate) fn algorithm(&self) -> &AlgorithmIdentifierRef<'a> {
        &self.algorithm
    }

    /// Checks that `key` signed the body with sha256WithRSAEncryption, the only algorithm in use here.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        if !is_sha256_with_rsa(&self.algorithm) {
            return Err(BadSignature);
        }
        key.verify_pkcs1_sha256(self.body, self.signature)
    }
}

/// A DER sequence of parts that are DER already.
pub(crate) fn sequence(parts: &[&[u8]]) -> der::Result<Vec<u8>> {
    AnyRef::new(Tag::Sequence, &parts.concat())?.to_der()
}

/// RFC 4055 section 5: the parameters are NULL; some write nothing instead.
pub(crate) fn is_sha256_with_rsa(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    algorithm.oid == SHA_256_WITH_RSA_ENCRYPTION
        && algorithm.parameters.is_none_or(|parameters| parameters.is_null())
}
