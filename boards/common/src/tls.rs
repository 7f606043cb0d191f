//! TLS under the agent: what the network of a board needs of it, whatever makes it.
//!
//! TLS hides the traffic and keeps strangers out early. It is not what makes a server the right one: `server.pem` is
//! pinned by the core whatever is accepted here.
//!
//! Who is trusted: the embedded authority, for a certificate with the pinned name that it signed itself; and the further
//! roots of the provisioning, for the name in the URL. Nobody else: boards have no public roots.
//!
//! When certificates are valid is judged by a clock that may have no better source than a floor: the later of the moment of
//! provisioning and the begin of the validity of the server certificate that was pinned last, and from there the time since
//! reset. The clock of such a board is late, never early: a certificate that has expired may be taken for valid until the
//! floor has passed its end, and one that is not yet valid is refused.

#[cfg(feature = "tls-embedded")]
pub mod embedded_client;
#[cfg(feature = "tls")]
mod incoming;
#[cfg(feature = "tls")]
mod random;
#[cfg(feature = "tls-rustls")]
pub mod rustls_client;
#[cfg(feature = "tls")]
mod signature;
#[cfg(feature = "tls")]
mod trust;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use troodon_core::config::Secret;
use troodon_core::time::UnixTime;

/// Whom a board trusts, and how it shows itself. All in PEM.
#[derive(Debug, Default)]
pub struct TlsSettings {
    /// The embedded authority.
    pub ca_certificate: String,
    /// The name in the certificates that it signs.
    pub pinned_name: String,
    /// Further roots; may be empty.
    pub root_certs: String,
    /// The certificate for a server that asks; may be empty.
    pub client_certificate: String,
    /// Its RSA key.
    pub client_certificate_private_key: Secret,
}

/// What time it is, as far as the board knows.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The world's time.
    fn now(&self) -> UnixTime;
}

/// What makes connections secure.
pub trait Tls: Send {
    /// Begins a connection to the server whose URL names `host`. What it wants to say lies in [`Session::outgoing`].
    ///
    /// # Errors
    ///
    /// [`TlsFault`].
    fn begin(&self, host: &str) -> Result<Box<dyn Session>, TlsFault>;
}

/// One connection. It moves no bytes itself.
pub trait Session: Send {
    /// Takes what came from the server, and gives what was sealed in it to `take`, record by record.
    ///
    /// # Errors
    ///
    /// [`TlsFault`]: the connection is of no use any more.
    fn receive(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault>;

    /// The proof that the server is one that the board trusts; `None` until that is known.
    fn proof(&self) -> Option<Authenticated>;

    /// Seals bytes for the server behind [`Session::outgoing`]. Only who has the proof can ask.
    ///
    /// # Errors
    ///
    /// [`TlsFault`].
    fn seal(&mut self, proof: &Authenticated, plain: &[u8]) -> Result<(), TlsFault>;

    /// Says that nothing more follows.
    fn finish(&mut self);

    /// Bytes for the server; whoever sends them removes them.
    fn outgoing(&mut self) -> &mut Vec<u8>;
}

/// No TLS in this firmware: every attempt is refused, and nothing leaves.
#[derive(Debug)]
pub struct NoTls;

impl Tls for NoTls {
    fn begin(&self, _: &str) -> Result<Box<dyn Session>, TlsFault> {
        Err(TlsFault::Refused)
    }
}

/// A server that showed a certificate that the board trusts, and has its key. Made by verifiers in this module only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Authenticated(());

/// Why there is no secure connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificates or the key of the provisioning cannot be used.
    Settings(&'static str),
    /// The name in the URL is none that a certificate can have.
    Name,
    /// No random numbers.
    Entropy,
    /// The server sent more than a record, and no end of it.
    Oversized,
    /// The server's certificate is not trusted.
    Certificate,
    /// The server does not keep to the protocol, or speaks an old one.
    Protocol,
    /// The server closed the connection.
    Closed,
    /// The server refused, or this firmware has no TLS.
    Refused,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(what) => write!(f, "TLS cannot use the {what} of the provisioning"),
            Self::Name => f.write_str("the server's URL has a name that no certificate can have"),
            Self::Entropy => f.write_str("the source of random numbers failed"),
            Self::Oversized => f.write_str("the server sent a record that is too long"),
            Self::Certificate => f.write_str("the server's certificate is not trusted"),
            Self::Protocol => f.write_str("the server does not keep to TLS 1.3"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Refused => f.write_str("the connection was refused"),
        }
    }
}

/// The TLS of this firmware.
///
/// # Errors
///
/// [`TlsFault::Settings`].
pub fn tls(
    settings: &TlsSettings,
    clock: Arc<dyn Clock>,
    seed: [u8; 32],
) -> Result<Box<dyn Tls>, TlsFault> {
    #[cfg(feature = "tls-rustls")]
    return Ok(Box::new(rustls_client::RustlsTls::new(settings, clock, seed)?));
    #[cfg(all(feature = "tls-embedded", not(feature = "tls-rustls")))]
    return Ok(Box::new(embedded_client::EmbeddedTls::new(settings, clock, seed)?));
    #[cfg(not(any(feature = "tls-embedded", feature = "tls-rustls")))]
    {
        let _no_use = (settings, clock, seed);
        Ok(Box::new(NoTls))
    }
}
