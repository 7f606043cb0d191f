//! Which server key may be trusted: one under the embedded CA and with the pinned name (docs/protocol.md section 4.3).
//!
//! The CA of a deployment is unusual but legal X.509: no common name, an underscore in its SAN, extended key usages on
//! itself (docs/protocol.md section 4.1). There are no intermediates, no revocation lists and no system roots.

mod certificate;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use self::certificate::{Certificate, Span};
use crate::error::PinFault;
use crate::limits::PEM_BYTES;
use crate::rsa::PublicKey;
use crate::time::UnixTime;

/// The certificate authority that the agent was built or configured with.
pub struct Anchor {
    der: Vec<u8>,
    /// Its name in DER.
    subject: Vec<u8>,
    key: PublicKey,
    validity: Span,
}

impl Anchor {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`PinFault::NotAnchor`] when it is no CA that may sign certificates for servers; else what is wrong with the text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PinFault> {
        let der = first_certificate(pem)?;
        let certificate = Certificate::parse(&der)?;
        certificate.check_anchor()?;
        let (subject, validity) = (certificate.subject().to_vec(), certificate.validity());
        let key = certificate.key()?;
        Ok(Self { der, subject, key, validity })
    }

    /// DER of the certificate: the only root that TLS may accept in pinned mode (docs/protocol.md section 4.4).
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    /// Checks a server.pem against this CA and the pinned name. Other text, and blocks after the first certificate, are
    /// ignored.
    ///
    /// `now` is `None` on a device that does not know the time yet. Dates are not checked then; that an old certificate of
    /// the right server is accepted is the price, and whoever could use it holds that server's key.
    ///
    /// # Errors
    /// [`PinFault`] says which check failed.
    pub fn check(
        &self,
        server_pem: &[u8],
        pinned_name: &str,
        now: Option<UnixTime>,
    ) -> Result<Pinned<ServerKey>, PinFault> {
        let der = first_certificate(server_pem)?;
        let certificate = Certificate::parse(&der)?;
        if certificate.issuer() != self.subject {
            return Err(PinFault::OtherIssuer);
        }
        certificate.check_signature(&self.key)?;
        certificate.check_server()?;
        let name = certificate.name().filter(|name| name == pinned_name);
        let name = name.ok_or(PinFault::OtherName)?;
        if let Some(now) = now {
            certificate.validity().check(now)?;
            self.validity.check(now).map_err(|_| PinFault::AnchorTime)?;
        }
        let (begins, expires) = (certificate.validity().begin(), certificate.validity().end());
        Ok(Pinned(ServerKey { name, key: certificate.key()?, begins, expires }))
    }
}

impl fmt::Debug for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anchor").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a check against the embedded CA and the pinned name let through. Only [`Anchor::check`] makes one.
#[derive(Clone, Debug)]
pub struct Pinned<T>(T);

/// The server's public key and its name.
#[derive(Clone, Debug)]
pub struct ServerKey {
    name: String,
    key: PublicKey,
    begins: UnixTime,
    expires: UnixTime,
}

impl Pinned<ServerKey> {
    /// The name in the certificate, equal to the pinned one: the only sender whose messages count.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The key that messages to the server are encrypted to, and that messages of the server are signed by.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// From when on the certificate is valid: the world is not younger.
    #[must_use]
    pub fn begins(&self) -> UnixTime {
        self.0.begins
    }

    /// When the certificate ends.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.0.expires
    }
}

/// The DER of the first PEM block that is labelled as a certificate, wherever in the text it is.
fn first_certificate(text: &[u8]) -> Result<Vec<u8>, PinFault> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    const END: &[u8] = b"-----END CERTIFICATE-----";
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(PinFault::Empty);
    }
    if text.len() > PEM_BYTES {
        return Err(PinFault::TooLarge);
    }
    let begin = find(text, BEGIN).ok_or(PinFault::NotPem)?;
    let block = text.get(begin..).ok_or(PinFault::NotPem)?;
    let length = find(block, END).ok_or(PinFault::NotPem)?.saturating_add(END.len());
    let block = block.get(..length).ok_or(PinFault::NotPem)?;
    let (_, der) = der::pem::decode_vec(block).map_err(|_| PinFault::NotPem)?;
    Ok(der)
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}
