//! TLS 1.3 by `embedded-tls`, which takes less flash than `rustls` and believes more. It is held from three sides:
//!
//! - `filter` lets no record in that has no place where it comes, and looks into ServerHello,
//! - `cipher`, which opens records for it, lets no message out that is not the next one, nor one with loose ends: some of
//!   them would make the crate panic, others it would take without a certificate,
//! - `verifier` says who the server is, and alone makes the proof.
//!
//! Its interface is asynchronous; a [`Session`] polls it whenever bytes come, and never waits.

mod cipher;
mod filter;
mod message;
mod verifier;
mod wire;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use embedded_io_async::ErrorKind;
use embedded_tls::{TlsConfig, TlsConnection, TlsContext, TlsError};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use self::cipher::Suite;
use self::verifier::Provider;
use self::wire::{Wanted, Wire};
use super::signature::ClientKey;
use super::trust::{Trust, certificates};
use super::{Authenticated, Clock, Session, Tls, TlsFault, TlsSettings, random};
use crate::limits::{
    TLS_CLIENT_CERTIFICATE_LEN_MAX, TLS_RECORD_LEN_MAX, TLS_RECORDS_MAX, TLS_WRITE_LEN,
};

/// The configuration of every connection.
#[derive(Debug)]
pub struct EmbeddedTls(Arc<Configuration>);

#[derive(Debug)]
struct Configuration {
    trust: Trust,
    clock: Arc<dyn Clock>,
    /// What is shown to a server that asks.
    identity: Option<(CertificateDer<'static>, ClientKey)>,
}

impl EmbeddedTls {
    /// Reads certificates and key. `seed` is for the keys of connections, and comes from the board's source.
    ///
    /// # Errors
    ///
    /// [`TlsFault::Settings`] says which. Of client certificates this back end can show one, without others that lead to it.
    pub fn new(
        settings: &TlsSettings,
        clock: Arc<dyn Clock>,
        seed: [u8; 32],
    ) -> Result<Self, TlsFault> {
        random::seed(seed);
        let (trust, identity) = (Trust::new(settings)?, identity(settings)?);
        Ok(Self(Arc::new(Configuration { trust, clock, identity })))
    }
}

fn identity(
    settings: &TlsSettings,
) -> Result<Option<(CertificateDer<'static>, ClientKey)>, TlsFault> {
    let what = "client certificate";
    if settings.client_certificate.is_empty() {
        return Ok(None);
    }
    let mut chain = certificates(&settings.client_certificate, what)?;
    let (Some(leaf), true) = (chain.pop(), chain.is_empty()) else {
        return Err(TlsFault::Settings("chain of client certificates"));
    };
    if leaf.len() > TLS_CLIENT_CERTIFICATE_LEN_MAX {
        return Err(TlsFault::Settings("long client certificate"));
    }
    let key = settings.client_certificate_private_key.expose();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok();
    let key = key.and_then(|key| ClientKey::parse(&key)).ok_or(TlsFault::Settings(what))?;
    Ok(Some((leaf, key)))
}

impl Tls for EmbeddedTls {
    fn begin(&self, host: &str) -> Result<Box<dyn Session>, TlsFault> {
        let name = ServerName::try_from(host).map_err(|_| TlsFault::Name)?.to_owned();
        let wire = Wire::default();
        let provider = Provider::new(Arc::clone(&self.0), name.clone(), wire.clone())?;
        // Addresses are not sent as names (RFC 6066 section 3).
        let shown = matches!(name, ServerName::DnsName(_)).then(|| String::from(host));
        let conversation = Box::pin(converse(wire.clone(), provider, shown));
        let (outgoing, sealed, fault) = (Vec::new(), 0, None);
        let mut session =
            EmbeddedSession { wire, conversation: Some(conversation), outgoing, sealed, fault };
        session.advance(&mut |_| ())?;
        Ok(Box::new(session))
    }
}

/// What a connection is until it ends; [`End`] says how.
type Conversation = Pin<Box<dyn Future<Output = End> + Send>>;

/// How a connection ended.
enum End {
    /// One side said that nothing more follows.
    Closed,
    Fault(TlsFault),
}

/// All that is said over a connection, in the crate's words.
async fn converse(wire: Wire, provider: Provider, shown: Option<String>) -> End {
    let (mut read, mut write) = (vec![0; TLS_RECORD_LEN_MAX], vec![0; TLS_WRITE_LEN]);
    let config = match &shown {
        Some(name) => TlsConfig::new().with_server_name(name),
        None => TlsConfig::new(),
    };
    let mut connection = TlsConnection::new(wire.clone(), &mut read, &mut write);
    if let Err(error) = connection.open(TlsContext::new(&config, provider)).await {
        return wire.end(&error);
    }
    wire.open();
    loop {
        let result = match wire.wanted().await {
            Wanted::Read => take(&mut connection, &wire),
            Wanted::Seal(plain) => seal(&mut connection, &plain).await,
            Wanted::Finish => {
                // A server that is gone needs no farewell.
                let _best_effort = connection.close().await;
                return End::Closed;
            }
        };
        if let Err(error) = result {
            return wire.end(&error);
        }
    }
}

type Connection<'a> = TlsConnection<'a, Wire, Suite>;

/// Opens what is there. After the handshake the wire never lets anyone wait, so that to ask once is enough.
fn take(connection: &mut Connection<'_>, wire: &Wire) -> Result<(), TlsError> {
    let reading = pin!(connection.read_buffered());
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(mut plain)) => wire.opened(plain.pop_all()),
        // No whole record is left: what came held no data.
        Poll::Ready(Err(TlsError::Io(ErrorKind::Interrupted))) => {}
        Poll::Ready(Err(error)) => return Err(error),
        Poll::Pending => return Err(TlsError::InternalError),
    }
    Ok(())
}

async fn seal(connection: &mut Connection<'_>, mut plain: &[u8]) -> Result<(), TlsError> {
    while !plain.is_empty() {
        let len = connection.write(plain).await?;
        plain = plain.get(len..).filter(|_| len > 0).ok_or(TlsError::InternalError)?;
    }
    connection.flush().await
}

/// A connection.
struct EmbeddedSession {
    wire: Wire,
    /// `None` when it has ended.
    conversation: Option<Conversation>,
    outgoing: Vec<u8>,
    /// Portions sealed so far.
    sealed: u32,
    fault: Option<TlsFault>,
}

impl EmbeddedSession {
    /// Lets the conversation go on as far as it can with what is there.
    fn advance(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault> {
        let Some(conversation) = &mut self.conversation else { return Ok(()) };
        let polled = conversation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.wire.take_plain(take);
        if let Poll::Ready(end) = polled {
            self.conversation = None;
            if let End::Fault(fault) = end {
                return Err(self.give_up(fault));
            }
        }
        self.wire.take_outgoing(&mut self.outgoing);
        Ok(())
    }

    /// Ends the session, without a word to a server that is not trusted.
    fn give_up(&mut self, fault: TlsFault) -> TlsFault {
        self.conversation = None;
        self.fault = Some(fault);
        fault
    }
}

impl Session for EmbeddedSession {
    fn receive(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault> {
        self.fault.map_or(Ok(()), Err)?;
        self.wire.receive(bytes).map_err(|fault| self.give_up(fault))?;
        self.advance(take)
    }

    fn proof(&self) -> Option<Authenticated> {
        self.fault.map_or_else(|| self.wire.proof(), |_| None)
    }

    fn seal(&mut self, _: &Authenticated, plain: &[u8]) -> Result<(), TlsFault> {
        self.fault.map_or(Ok(()), Err)?;
        if self.conversation.is_none() {
            return Err(TlsFault::Closed);
        }
        self.sealed = self.sealed.saturating_add(1);
        if self.sealed > TLS_RECORDS_MAX {
            return Err(self.give_up(TlsFault::Protocol));
        }
        self.wire.want_sealed(plain);
        self.advance(&mut |_| ())
    }

    fn finish(&mut self) {
        if self.fault.is_none() && self.wire.proof().is_some() {
            self.wire.want_finish();
            let _best_effort = self.advance(&mut |_| ());
        }
    }

    fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }
}

impl fmt::Debug for EmbeddedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedSession").field("fault", &self.fault).finish_non_exhaustive()
    }
}
