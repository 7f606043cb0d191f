//! Accepts connections for a router, and ends them when they are silent, too many or no longer wanted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::acme::Answers;
use crate::limits;

/// How connections are protected.
#[derive(Debug, Clone)]
pub struct Tls {
    /// For every connection.
    pub config: Arc<ServerConfig>,
    /// For those of an authority that looks whose name it is.
    pub answers: Option<Arc<Answers>>,
}

/// What opened a connection, checked by TLS (DER); an extension of its requests.
#[derive(Debug, Clone)]
pub struct PeerCertificate(pub Arc<CertificateDer<'static>>);

/// A bound address, with TLS or without.
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Listener {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// The address is taken, or is none of this machine.
    pub async fn bind(wanted: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        let socket = TcpListener::bind(wanted).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, tls })
    }

    /// The address in use.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` holds `true` or its sender is gone, then lets open requests end.
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let most = connections(getrlimit(Resource::Nofile).current);
        let room = Arc::new(Semaphore::new(most));
        loop {
            let connection = async {
                // A permit of a semaphore that is never closed.
                let turn = Arc::clone(&room).acquire_owned().await.ok();
                (turn, self.socket.accept().await)
            };
            let (turn, accepted) = tokio::select! {
                connection = connection => connection,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for example: others must close first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(limits::WATCH_MS)).await;
                    continue;
                }
            };
            let (tls, router, stop) = (self.tls.clone(), router.clone(), stop.clone());
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = connection_of(stream, peer, tls, router, stop).await {
                    tracing::debug!(%peer, %error, "a connection ended");
                }
            });
        }
        drop(self.socket);
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        let patience = Duration::from_secs(limits::STOP_SECONDS);
        if timeout(patience, room.acquire_many(all)).await.is_err() {
            tracing::info!("some connections were cut off");
        }
    }
}

/// How many connections may be open in a process that the system lets open so many files: the store keeps its own.
fn connections(files: Option<u64>) -> usize {
    let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
    files.saturating_sub(limits::FILES_KEPT).clamp(1, limits::CONNECTIONS)
}

/// Serves one connection until it ends or the frontend stops.
async fn connection_of(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    router: Router,
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    // Pads that nobody acknowledges show that an agent is gone (docs/protocol.md section 9, P14).
    sockopt::set_tcp_user_timeout(&stream, limits::UNACKNOWLEDGED_MS)?;
    match tls {
        None => http(stream, (peer, None), router, stop).await,
        Some(tls) => {
            let patience = Duration::from_secs(limits::HANDSHAKE_SECONDS);
            match timeout(patience, greet(stream, &tls)).await?? {
                Some(stream) => {
                    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let shown =
                        shown.map(|one| PeerCertificate(Arc::new(one.clone().into_owned())));
                    http(stream, (peer, shown), router, stop).await
                }
                None => Ok(()),
            }
        }
    }
}

/// A handshake; `None` when it was all that the other side wanted.
async fn greet(stream: TcpStream, tls: &Tls) -> io::Result<Option<TlsStream<TcpStream>>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let answers = tls.answers.as_ref();
    match answers.and_then(|answers| answers.handshake(&hello.client_hello())) {
        Some(answer) => hello.into_stream(answer).await?.shutdown().await.map(|()| None),
        None => hello.into_stream(Arc::clone(&tls.config)).await.map(Some),
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (peer, shown): (SocketAddr, Option<PeerCertificate>),
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(shown) = &shown {
            request.extensions_mut().insert(shown.clone());
        }
        hyper::service::Service::call(&TowerToHyperService::new(router.clone()), request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_SECONDS))
        .max_buf_size(limits::HEAD_BYTES);
    let ping = Duration::from_secs(limits::H2_PING_SECONDS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::STREAM_WINDOW_BYTES.saturating_mul(limits::STREAMS))
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_store_its_files() {
        assert_eq!(connections(None), limits::CONNECTIONS);
        assert_eq!(connections(Some(1 << 20)), limits::CONNECTIONS);
        assert_eq!(connections(Some(20_000)), 20_000 - limits::FILES_KEPT);
        assert_eq!(connections(Some(64)), 1);
    }
}
