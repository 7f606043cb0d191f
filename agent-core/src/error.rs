//! Errors by blame: whose fault it is decides what happens next.
//!
//! [`PeerFault`]: the other end sent something that must not be believed. [`PinFault`]: a server.pem, or the CA that it
//! is checked against, is not what the agent was told to trust. [`KeyFault`]: a key of ours, or one on record, is unusable.
//! [`EnrolFault`]: a stranger's request to be let in is refused.

use core::fmt;

/// Why an envelope was refused (docs/protocol.md section 2.5). Nothing in it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerFault {
    /// The body is no `ClientCommunication`.
    Body,
    /// A part of the envelope is missing; the field number says which.
    Missing(u32),
    /// A part of the envelope has an impossible length: field number and bytes.
    Length {
        /// Field of `ClientCommunication`.
        field: u32,
        /// What came, in bytes.
        bytes: usize,
    },
    /// The peer speaks a version that is not accepted; below 4 the rules differ.
    ApiVersion(u32),
    /// The session keys were not encrypted to us, or not by OAEP-SHA1.
    SessionKeys,
    /// The session keys decrypted to something that is no `CipherProperties` with three values of 16 bytes.
    Properties,
    /// The session asks for a cipher that we do not have.
    Cipher(Excerpt),
    /// The HMAC does not match.
    Mac,
    /// The PKCS#7 padding is wrong, or the sealed text is not a whole number of blocks.
    Padding,
    /// The metadata of the session is no `CipherMetadata`.
    Metadata,
    /// The packet is no `PackedMessageList`.
    Packet,
    /// The packet is for another deployment.
    Nonce,
    /// The sender's name is none that may send here.
    Sender,
    /// The session is not signed by its sender.
    Signature,
    /// A message list is no zlib stream, or one with something behind its end.
    Inflate,
    /// A message list inflates to more than this number of bytes.
    InflatedTooLarge(usize),
    /// More message lists than this number.
    TooManyLists(usize),
    /// A message list or a message in it is no protobuf of its kind.
    Message,
    /// A message has more fields than this number.
    TooManyFields(usize),
    /// More messages than this number.
    TooManyMessages(usize),
    /// The key that would have to open the envelope failed.
    OwnKey(KeyFault),
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body => f.write_str("the body is no envelope"),
            Self::Missing(field) => write!(f, "the envelope lacks its field {field}"),
            Self::Length { field, bytes } => {
                write!(f, "field {field} of the envelope has an impossible length of {bytes} bytes")
            }
            Self::ApiVersion(version) => write!(f, "api_version {version} is not accepted"),
            Self::SessionKeys => f.write_str("the session keys are not encrypted to this key"),
            Self::Properties => f.write_str("the session keys are malformed"),
            Self::Cipher(name) => write!(f, "unknown cipher \"{name}\", only aes_128_cbc is known"),
            Self::Mac => f.write_str("the HMAC does not match"),
            Self::Padding => f.write_str("the padding is wrong"),
            Self::Metadata => f.write_str("the session metadata is malformed"),
            Self::Packet => f.write_str("the packet is malformed"),
            Self::Nonce => f.write_str("the nonce is of another deployment"),
            Self::Sender => f.write_str("the sender's name is not acceptable"),
            Self::Signature => f.write_str("the session is not signed by its sender"),
            Self::Inflate => f.write_str("a message list is no zlib stream"),
            Self::InflatedTooLarge(limit) => {
                write!(f, "a message list inflates to more than {limit} bytes")
            }
            Self::TooManyLists(limit) => write!(f, "more than {limit} message lists in a packet"),
            Self::Message => f.write_str("a message is malformed"),
            Self::TooManyFields(limit) => write!(f, "a message has more than {limit} fields"),
            Self::TooManyMessages(limit) => write!(f, "more than {limit} messages in a packet"),
            Self::OwnKey(fault) => write!(f, "cannot open envelopes: {fault}"),
        }
    }
}

impl core::error::Error for PeerFault {}

/// Why a packet could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealFault {
    /// The packet is longer than [`crate::limits::SEALED_BYTES`], or than the address space.
    TooLarge,
    /// The sender's name is empty or longer than [`crate::limits::NAME_BYTES`].
    Source,
    /// A key failed.
    Key(KeyFault),
}

impl fmt::Display for SealFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the packet is too large to be sealed"),
            Self::Source => f.write_str("the sender's name is empty or too long"),
            Self::Key(fault) => write!(f, "cannot seal: {fault}"),
        }
    }
}

impl core::error::Error for SealFault {}

impl From<KeyFault> for SealFault {
    fn from(fault: KeyFault) -> Self {
        Self::Key(fault)
    }
}

/// Why a certificate is not pinned (docs/protocol.md section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinFault {
    /// Nothing came.
    Empty,
    /// More than [`crate::limits::PEM_BYTES`].
    TooLarge,
    /// No complete PEM block of a certificate in the text: a captive portal's page, for example.
    NotPem,
    /// The PEM block holds no X.509 version 3 certificate.
    NotCertificate,
    /// A critical extension that is not understood, or one that appears twice.
    Extension,
    /// The embedded certificate is no CA that may sign certificates.
    NotAnchor,
    /// Issued by another CA.
    OtherIssuer,
    /// A signature algorithm other than sha256WithRSAEncryption.
    Algorithm,
    /// Names our CA as issuer but is not signed by it.
    Signature,
    /// The name in the certificate is not the pinned one.
    OtherName,
    /// No longer valid.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// The embedded CA is outside its own validity.
    AnchorTime,
    /// The certificate may not be used by a server, or is a CA itself.
    Usage,
    /// The key is not RSA, or unusable.
    Key(KeyFault),
}

impl fmt::Display for PinFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing came instead of a certificate"),
            Self::TooLarge => f.write_str("the text is too long for a certificate"),
            Self::NotPem => f.write_str("no PEM certificate in the text"),
            Self::NotCertificate => f.write_str("the PEM block is no X.509 certificate"),
            Self::Extension => f.write_str("an extension is repeated, or critical and unknown"),
            Self::NotAnchor => f.write_str("the embedded certificate is no CA"),
            Self::OtherIssuer => f.write_str("issued by another CA"),
            Self::Algorithm => f.write_str("not signed with sha256WithRSAEncryption"),
            Self::Signature => f.write_str("the CA's signature does not verify"),
            Self::OtherName => f.write_str("the certificate is for another name"),
            Self::Expired => f.write_str("the certificate has expired"),
            Self::NotYetValid => f.write_str("the certificate is not valid yet"),
            Self::AnchorTime => f.write_str("the embedded CA is not valid at this time"),
            Self::Usage => f.write_str("the certificate is not for a server"),
            Self::Key(fault) => write!(f, "the certificate's key: {fault}"),
        }
    }
}

impl core::error::Error for PinFault {}

/// Why an RSA key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// Not PEM or DER of an RSA key (private: PKCS#1; public: PKCS#1 or SubjectPublicKeyInfo).
    Encoding,
    /// A modulus of this many bits, outside [`crate::limits::RSA_BITS_MIN`] to [`crate::limits::RSA_BITS_MAX`].
    Bits(u32),
    /// A public exponent other than 65537.
    Exponent,
    /// An even modulus.
    Modulus,
    /// Key generation failed.
    Generation,
    /// Signing failed.
    Signing,
    /// Encryption failed: the text is too long for the key.
    Encryption,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoding => f.write_str("not an encoded RSA key"),
            Self::Bits(bits) => write!(f, "an RSA modulus of {bits} bits is not accepted"),
            Self::Exponent => f.write_str("the public exponent is not 65537"),
            Self::Modulus => f.write_str("the modulus is even"),
            Self::Generation => f.write_str("key generation failed"),
            Self::Signing => f.write_str("signing failed"),
            Self::Encryption => f.write_str("encryption failed"),
        }
    }
}

impl core::error::Error for KeyFault {}

/// The signature was not made over these bytes by this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature does not verify")
    }
}

impl core::error::Error for BadSignature {}

/// The bytes do not decrypt with this key. One error for every reason: a second one would be an oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCiphertext;

impl fmt::Display for BadCiphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes do not decrypt")
    }
}

impl core::error::Error for BadCiphertext {}

/// Why a stranger is not enrolled (docs/protocol.md section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnrolFault {
    /// The envelope carries no certificate request.
    NoRequest,
    /// The request is longer than [`crate::limits::CSR_BYTES`].
    TooLarge,
    /// The request is no PEM PKCS#10.
    Encoding,
    /// The request's key is unusable.
    Key(KeyFault),
    /// The request is not signed by its own key with SHA-256.
    Signature,
    /// The request's common name is not the id of its key.
    Name,
    /// The envelope was not made by the key in the request: a request of somebody else.
    NotSender,
    /// The envelope cannot be read.
    Envelope(PeerFault),
}

impl fmt::Display for EnrolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRequest => f.write_str("no certificate request"),
            Self::TooLarge => f.write_str("the certificate request is too long"),
            Self::Encoding => f.write_str("the certificate request is malformed"),
            Self::Key(fault) => write!(f, "the key of the certificate request: {fault}"),
            Self::Signature => f.write_str("the certificate request is not signed by its key"),
            Self::Name => f.write_str("the certificate request is for another client id"),
            Self::NotSender => f.write_str("the sender does not hold the key of the request"),
            Self::Envelope(fault) => write!(f, "the envelope of the request: {fault}"),
        }
    }
}

impl core::error::Error for EnrolFault {}

impl From<PeerFault> for EnrolFault {
    fn from(fault: PeerFault) -> Self {
        Self::Envelope(fault)
    }
}

/// Not a client id: `C.` and sixteen lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdFault;

impl fmt::Display for IdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a client id (\"C.\" and sixteen lower-case hexadecimal digits)")
    }
}

impl core::error::Error for IdFault {}

/// Up to 32 bytes of a peer's text, safe to print: what is not printable ASCII shows as `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Self::BYTES],
    used: usize,
}

impl Excerpt {
    const BYTES: usize = 32;

    /// The beginning of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; Self::BYTES];
        let mut used: usize = 0;
        for (slot, byte) in bytes.iter_mut().zip(text.bytes()) {
            *slot = if byte.is_ascii_graphic() || byte == b' ' { byte } else { b'?' };
            used = used.saturating_add(1);
        }
        Self { bytes, used }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.bytes.get(..self.used).unwrap_or_default();
        f.write_str(core::str::from_utf8(shown).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn an_unknown_cipher_is_named_without_its_control_characters() {
        let fault = PeerFault::Cipher(Excerpt::of("des\r\n\u{1b}[2J"));
        assert_eq!(fault.to_string(), "unknown cipher \"des???[2J\", only aes_128_cbc is known");
    }

    #[test]
    fn an_excerpt_stops_at_its_limit() {
        assert_eq!(Excerpt::of(&"x".repeat(1000)).to_string().len(), Excerpt::BYTES);
    }
}
