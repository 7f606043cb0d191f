//! TLS 1.3 by `rustls`, without its standard library parts: every byte goes through its unbuffered interface.

mod cipher;
mod client_key;
mod exchange;
mod provider;
mod verifier;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error};

use super::incoming::Incoming;
use super::trust::{Trust, certificates, moment};
use super::{Authenticated, Clock, Session, Tls, TlsFault, TlsSettings, random};

/// The configuration of every connection.
#[derive(Debug)]
pub struct RustlsTls {
    config: Arc<ClientConfig>,
}

impl RustlsTls {
    /// Reads certificates and key. `seed` is for the keys of connections, and comes from the board's source.
    ///
    /// # Errors
    ///
    /// [`TlsFault::Settings`] says which.
    pub fn new(
        settings: &TlsSettings,
        clock: Arc<dyn Clock>,
        seed: [u8; 32],
    ) -> Result<Self, TlsFault> {
        random::seed(seed);
        let provider = Arc::new(provider::provider());
        let verifier = Arc::new(verifier::Verifier(Arc::new(Trust::new(settings)?)));
        let time = Arc::new(Time(clock));
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|_| TlsFault::Settings("algorithms"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = if settings.client_certificate.is_empty() {
            builder.with_no_client_auth()
        } else {
            let bad = |_| TlsFault::Settings("client certificate");
            let chain = certificates(&settings.client_certificate, "client certificate")?;
            let key = settings.client_certificate_private_key.expose();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|_| TlsFault::Settings("client certificate"))?;
            builder.with_client_auth_cert(chain, key).map_err(bad)?
        };
        // Tickets would be kept in RAM, and a board has one connection that lasts.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }
}

impl Tls for RustlsTls {
    fn begin(&self, host: &str) -> Result<Box<dyn Session>, TlsFault> {
        let name = ServerName::try_from(host).map_err(|_| TlsFault::Name)?.to_owned();
        let inner = UnbufferedClientConnection::new(Arc::clone(&self.config), name);
        let inner = inner.map_err(|error| fault(&error))?;
        let (incoming, outgoing) = (Incoming::default(), Vec::new());
        let mut session = RustlsSession { inner, incoming, outgoing, proof: None, fault: None };
        session.advance(&mut |_| ())?;
        Ok(Box::new(session))
    }
}

/// A connection.
struct RustlsSession {
    inner: UnbufferedClientConnection,
    /// From the server, as far as it could not be used yet.
    incoming: Incoming,
    outgoing: Vec<u8>,
    proof: Option<Authenticated>,
    /// Why it is of no use any more; rustls is not asked again then.
    fault: Option<TlsFault>,
}

impl RustlsSession {
    /// Lets rustls do what it can with what is there.
    fn advance(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault> {
        self.steps(take).map_err(|fault| self.give_up(fault))
    }

    /// Ends the session. The server gets no alert: rustls would have to be asked for it, and panics when it is asked again
    /// after what some servers say (`tests/tls`).
    fn give_up(&mut self, fault: TlsFault) -> TlsFault {
        self.proof = None;
        self.incoming = Incoming::default();
        self.fault = Some(fault);
        fault
    }

    fn steps(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault> {
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.inner.process_tls_records(self.incoming.bytes());
            let goes_on = match state.map_err(|error| fault(&error))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|error| fault(&error))?;
                        discard = discard.saturating_add(record.discard);
                        take(record.payload);
                    }
                    true
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(&mut self.outgoing, |room| match data.encode(room) {
                        Ok(len) => Ok(Ok(len)),
                        Err(EncodeError::InsufficientSize(size)) => Ok(Err(size.required_size)),
                        Err(EncodeError::AlreadyEncoded) => Err(TlsFault::Protocol),
                    })?;
                    true
                }
                ConnectionState::TransmitTlsData(data) => {
                    // What was encoded is in `outgoing`, from which it leaves.
                    data.done();
                    true
                }
                ConnectionState::PeerClosed => true,
                ConnectionState::WriteTraffic(_) => {
                    // rustls comes here when the handshake is done: certificate, its signature and both ends of it.
                    self.proof = Some(Authenticated(()));
                    false
                }
                ConnectionState::BlockedHandshake | ConnectionState::Closed => false,
                _ => return Err(TlsFault::Protocol),
            };
            self.incoming.remove(discard);
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Writes, where rustls lets it.
    fn write(
        &mut self,
        mut encode: impl FnMut(
            &mut rustls::unbuffered::WriteTraffic<'_, ClientConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> Result<(), TlsFault> {
        self.fault.map_or(Ok(()), Err)?;
        let status = self.inner.process_tls_records(&mut []);
        let ConnectionState::WriteTraffic(mut traffic) =
            status.state.map_err(|error| fault(&error))?
        else {
            return Err(TlsFault::Protocol);
        };
        append(&mut self.outgoing, |room| match encode(&mut traffic, room) {
            Ok(len) => Ok(Ok(len)),
            Err(EncryptError::InsufficientSize(size)) => Ok(Err(size.required_size)),
            Err(EncryptError::EncryptExhausted) => Err(TlsFault::Protocol),
        })
    }
}

impl Session for RustlsSession {
    fn receive(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<(), TlsFault> {
        self.fault.map_or(Ok(()), Err)?;
        self.incoming.add(bytes).map_err(|fault| self.give_up(fault))?;
        self.advance(take)
    }

    fn proof(&self) -> Option<Authenticated> {
        self.proof
    }

    fn seal(&mut self, _: &Authenticated, plain: &[u8]) -> Result<(), TlsFault> {
        self.write(|traffic, room| traffic.encrypt(plain, room))
    }

    fn finish(&mut self) {
        // A connection that never was has nothing to say.
        let _best_effort = self.write(|traffic, room| traffic.queue_close_notify(room));
    }

    fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }
}

/// Appends what `encode` writes; it is asked again with as much room as it says.
fn append(
    buffer: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<Result<usize, usize>, TlsFault>,
) -> Result<(), TlsFault> {
    let begin = buffer.len();
    let mut room = 0;
    for _ in 0..2 {
        buffer.resize(begin.saturating_add(room), 0);
        match encode(buffer.get_mut(begin..).unwrap_or_default())? {
            Ok(len) => {
                buffer.truncate(begin.saturating_add(len));
                return Ok(());
            }
            Err(required) => room = required,
        }
    }
    buffer.truncate(begin);
    Err(TlsFault::Protocol)
}

fn fault(error: &Error) -> TlsFault {
    match error {
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented => TlsFault::Certificate,
        Error::FailedToGetRandomBytes => TlsFault::Entropy,
        Error::AlertReceived(_) => TlsFault::Refused,
        _ => TlsFault::Protocol,
    }
}

/// The board's clock as rustls asks for it.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(moment(self.0.as_ref()))
    }
}
