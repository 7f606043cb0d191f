//! Accepts connections, and ends them when they are silent, too many or no longer wanted.

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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Frontend, FrontendError, Hooks, Settings, Shared, routes, tls, watch as queue_watch};
use crate::limits;
use crate::store::Store;

/// A frontend whose address is bound.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

impl Frontend {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// The address is taken, or the certificate cannot be used.
    pub async fn bind(
        settings: Settings,
        store: Store,
        hooks: Arc<dyn Hooks>,
    ) -> Result<Bound, FrontendError> {
        let tls = match settings.plain_http {
            true => None,
            false => Some(TlsAcceptor::from(tls::config(&settings)?)),
        };
        let wanted = settings.bind;
        let listener = TcpListener::bind(wanted)
            .await
            .map_err(|source| FrontendError::Bind { address: wanted, source })?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::new(settings, store, hooks, stopped));
        Ok(Bound { listener, address, tls, shared, stop })
    }
}

impl Bound {
    /// The address in use; tells the port when the settings left it to the system.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then lets open requests end.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), FrontendError> {
        queue_watch::start(Arc::clone(&self.shared))?;
        let router = routes::router(Arc::clone(&self.shared));
        let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
        let mut stop = std::pin::pin!(stop);
        loop {
            let connection = async {
                // A permit of a semaphore that is never closed.
                let turn = Arc::clone(&room).acquire_owned().await.ok();
                (turn, self.listener.accept().await)
            };
            let (turn, accepted) = tokio::select! {
                connection = connection => connection,
                () = &mut stop => break,
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
            let (tls, router) = (self.tls.clone(), router.clone());
            let stop = self.shared.stop.clone();
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = connection_of(stream, peer, tls, router, stop).await {
                    tracing::debug!(%peer, %error, "a connection ended");
                }
            });
        }
        drop(self.listener);
        self.stop.send_replace(true);
        let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
        let patience = Duration::from_secs(limits::STOP_SECONDS);
        if timeout(patience, room.acquire_many(all)).await.is_err() {
            tracing::info!("some connections were cut off");
        }
        Ok(())
    }
}

/// Serves one connection until it ends or the frontend stops.
async fn connection_of(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    // Pads that nobody acknowledges show that an agent is gone (docs/protocol.md section 9, P14).
    sockopt::set_tcp_user_timeout(&stream, limits::UNACKNOWLEDGED_MS)?;
    match tls {
        None => http(stream, peer, router, stop).await,
        Some(tls) => {
            let patience = Duration::from_secs(limits::HANDSHAKE_SECONDS);
            let stream = timeout(patience, tls.accept(stream)).await??;
            http(stream, peer, router, stop).await
        }
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
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

/// A runtime for [`Bound::serve`]: few threads with small stacks, since thousands of polls only wait.
///
/// # Errors
/// The threads cannot be started.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(1, usize::from))
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .thread_stack_size(limits::STACK_BYTES)
        .enable_all()
        .build()
}

/// Allows as many open files as the system lets this process have; each agent takes one or two.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

/// Ready when the process is asked to end: SIGINT or SIGTERM.
///
/// # Errors
/// The signals cannot be watched.
pub fn termination() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
