//! Accepts connections of programs, and reads who they are from their certificates.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::generated::api_server::ApiServer;
use super::{Api, Settings, caller};
use crate::frontend::{FrontendError, Shown, TlsWishes, server_tls};
use crate::limits;
use crate::services::Services;

/// Why the API does not start.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be bound.
    #[error("API: cannot listen on {address}: {cause}")]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// Certificate, key or authority cannot be used.
    #[error("API: {0}")]
    Tls(#[from] FrontendError),
}

/// An API whose address is bound.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    calls: ApiServer<Api>,
}

impl Bound {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// The address is taken, or the certificate cannot be used.
    pub async fn bind(settings: &Settings, services: Services) -> Result<Self, ApiError> {
        let tls = server_tls(&TlsWishes {
            shown: Arc::new(Shown::new(&settings.certificate, &settings.key_pem)?),
            callers: Some(&settings.callers),
            protocols: &["h2"],
        })?;
        let fault = |cause| ApiError::Bind { address: settings.bind, cause };
        let listener = TcpListener::bind(settings.bind).await.map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let calls = ApiServer::new(Api::new(services));
        Ok(Self { listener, address, tls: TlsAcceptor::from(tls), calls })
    }

    /// The address in use; tells the port when the settings left it to the system.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped.
    pub async fn serve(self) {
        let room = Arc::new(Semaphore::new(limits::API_CONNECTIONS));
        loop {
            // A permit of a semaphore that is never closed.
            let turn = Arc::clone(&room).acquire_owned().await.ok();
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "API: cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(limits::WATCH_MS)).await;
                    continue;
                }
            };
            let (tls, calls) = (self.tls.clone(), self.calls.clone());
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = connection_of(stream, tls, calls).await {
                    tracing::debug!(%peer, %error, "API: a connection ended");
                }
            });
        }
    }
}

async fn connection_of(
    stream: TcpStream,
    tls: TlsAcceptor,
    calls: ApiServer<Api>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let patience = Duration::from_secs(limits::HANDSHAKE_SECONDS);
    let stream = timeout(patience, tls.accept(stream)).await??;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let holder = certificates.first().and_then(|certificate| caller::name_in(certificate));
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(holder) = &holder {
            request.extensions_mut().insert(holder.clone());
        }
        hyper::service::Service::call(&TowerToHyperService::new(calls.clone()), request)
    });
    let ping = Duration::from_secs(limits::H2_PING_SECONDS);
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping);
    builder.serve_connection(TokioIo::new(stream), service).await
}
