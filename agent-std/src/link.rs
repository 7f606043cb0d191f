//! The agent's two connections, as the core wants them: opened, filled, emptied and closed without waiting.
//!
//! A [`Socket`] is polled by the one task of the program; it spawns nothing and holds one buffer in each direction.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use troodon_core::agent::{Connection, Down, Link};
use troodon_core::http::url::{BaseUrl, Transport};

use crate::limits::{READ_LEN_MAX, UNSENT_LEN_MAX};

/// How long a closed connection may take to send what it took.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Opens connections.
pub struct Dialer {
    tls: TlsConnector,
    /// In self-signed mode the name in the certificate, which is also the one that is asked for.
    tls_name: Option<ServerName<'static>>,
    fallback: BTreeMap<String, String>,
}

impl Dialer {
    /// A dialer. `tls_name` replaces the host name of the URL in the handshake; `fallback` maps `host:port` to the address to
    /// dial when the host cannot be reached (`Client.fallback_addresses`).
    pub fn new(
        tls: ClientConfig,
        tls_name: Option<ServerName<'static>>,
        fallback: BTreeMap<String, String>,
    ) -> Self {
        Self { tls: TlsConnector::from(Arc::new(tls)), tls_name, fallback }
    }

    /// Begins to open a connection to the server of a URL.
    pub fn dial(&self, url: &BaseUrl) -> Socket {
        let target = (url.host().to_owned(), url.port());
        let fallback = self.fallback.get(&format!("{}:{}", url.host(), url.port())).cloned();
        let tcp = async move {
            match (TcpStream::connect(target).await, fallback) {
                (Ok(stream), _) => Ok(stream),
                (Err(_), Some(address)) => TcpStream::connect(address).await,
                (Err(error), None) => Err(error),
            }
        };
        let opening: Opening = match url.transport() {
            Transport::Plain => Box::pin(async move { open(tcp.await?).map(boxed) }),
            Transport::Tls => {
                let connector = self.tls.clone();
                let name = self.tls_name.clone().map_or_else(
                    || ServerName::try_from(url.host().to_owned()).map_err(io::Error::other),
                    Ok,
                );
                Box::pin(async move {
                    let stream = open(tcp.await?)?;
                    connector.connect(name?, stream).await.map(boxed)
                })
            }
        };
        Socket { state: State::Opening(opening), unsent: Vec::new(), sent: 0, is_full: false }
    }
}

fn open(stream: TcpStream) -> io::Result<TcpStream> {
    // Requests are written whole, so waiting for more to send only delays them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn boxed(stream: impl Stream + 'static) -> Box<dyn Stream> {
    Box::new(stream)
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Happened {
    /// It is gone, or was never made.
    Down(Down),
    /// It takes bytes again.
    Drained,
    /// This many bytes are in the buffer.
    Received(usize),
    /// It is open.
    Up,
}

/// One connection.
pub struct Socket {
    state: State,
    unsent: Vec<u8>,
    sent: usize,
    /// Bytes were refused, so that the core waits to hear of room.
    is_full: bool,
}

/// The connections of one agent, at most one on each link.
#[derive(Default)]
pub struct Sockets {
    reader: Option<(Connection, Socket)>,
    control: Option<(Connection, Socket)>,
}

impl Sockets {
    /// Holds a connection, in place of the one before on its link.
    pub fn hold(&mut self, connection: Connection, socket: Socket) {
        *self.slot(connection.link) = Some((connection, socket));
    }

    /// Takes bytes to send, and says how many; none for a connection that is not held.
    pub fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        let held = self.slot(connection.link).as_mut().filter(|(held, _)| *held == connection);
        held.map_or(0, |(_, socket)| socket.send(bytes))
    }

    /// Closes a connection, after what was taken has left.
    pub fn close(&mut self, connection: Connection) {
        let held = self.slot(connection.link).take_if(|(held, _)| *held == connection);
        if let Some((_, socket)) = held {
            socket.close();
        }
    }

    /// Forgets the connection of a link without a farewell, and says which it was.
    pub fn lose(&mut self, link: Link) -> Option<Connection> {
        self.slot(link).take().map(|(connection, _)| connection)
    }

    /// The next thing that happens on either connection; bytes that came are put into `into`.
    pub async fn happening(&mut self, into: &mut [u8; READ_LEN_MAX]) -> (Connection, Happened) {
        poll_fn(|cx| {
            for (connection, socket) in [&mut self.reader, &mut self.control].into_iter().flatten()
            {
                if let Poll::Ready(happened) = socket.poll(cx, into) {
                    return Poll::Ready((*connection, happened));
                }
            }
            Poll::Pending
        })
        .await
    }

    fn slot(&mut self, link: Link) -> &mut Option<(Connection, Socket)> {
        match link {
            Link::Reader => &mut self.reader,
            Link::Control => &mut self.control,
        }
    }
}

enum State {
    Opening(Opening),
    Open(Box<dyn Stream>),
    Gone,
}

impl Socket {
    /// Takes bytes to send, and says how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        if !matches!(self.state, State::Open(_)) || !self.unsent.is_empty() {
            self.is_full = true;
            return 0;
        }
        let taken = bytes.get(..UNSENT_LEN_MAX).unwrap_or(bytes);
        self.unsent.extend_from_slice(taken);
        taken.len()
    }

    /// Closes the connection, after what was taken has left.
    pub fn close(self) {
        let Self { state: State::Open(mut stream), unsent, sent, .. } = self else { return };
        tokio::spawn(timeout(FAREWELL_MAX, async move {
            let rest = unsent.get(sent..).unwrap_or_default();
            // Who does not take the rest, or the farewell, is gone.
            let _written = stream.write_all(rest).await;
            let _closed = stream.shutdown().await;
        }));
    }

    /// Says what happened next; bytes that came are put into `into`.
    pub fn poll(&mut self, cx: &mut Context<'_>, into: &mut [u8; READ_LEN_MAX]) -> Poll<Happened> {
        match &mut self.state {
            State::Gone => Poll::Pending,
            State::Opening(opening) => match opening.as_mut().poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(stream)) => {
                    self.state = State::Open(stream);
                    Poll::Ready(Happened::Up)
                }
                Poll::Ready(Err(error)) => self.gone(why_not(&error)),
            },
            State::Open(_) => self.poll_open(cx, into),
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>, into: &mut [u8; READ_LEN_MAX]) -> Poll<Happened> {
        if self.poll_write(cx).is_err() {
            return self.gone(Down::Closed);
        }
        if self.is_full && self.unsent.is_empty() {
            self.is_full = false;
            return Poll::Ready(Happened::Drained);
        }
        let State::Open(stream) = &mut self.state else { return Poll::Pending };
        let mut buffer = ReadBuf::new(into);
        match Pin::new(stream).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                Poll::Ready(Happened::Received(buffer.filled().len()))
            }
            Poll::Ready(_) => self.gone(Down::Closed),
        }
    }

    /// Writes what can be written; an error means that the connection is gone.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let State::Open(stream) = &mut self.state else { return Ok(()) };
        let mut stream = Pin::new(stream);
        while let Some(rest) = self.unsent.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match stream.as_mut().poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        if self.sent > 0 {
            self.unsent.clear();
            self.sent = 0;
        }
        match stream.poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    fn gone(&mut self, down: Down) -> Poll<Happened> {
        self.state = State::Gone;
        self.unsent = Vec::new();
        Poll::Ready(Happened::Down(down))
    }
}

/// Whether TLS refused the other end, or there was no other end.
fn why_not(error: &io::Error) -> Down {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => Down::Untrusted,
        _ => Down::Unreachable,
    }
}
