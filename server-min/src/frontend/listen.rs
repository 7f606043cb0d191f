//! The frontend on its address, and what the process needs around it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::sync::watch;

use super::{Frontend, FrontendError, Hooks, Realm, Realms, Settings, Shared, routes, tls};
use crate::limits;
use crate::listener::Listener;
use crate::store::{Store, StoreError};

/// A frontend whose address is bound.
pub struct Bound {
    listener: Listener,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    guests: Option<Router>,
}

impl Frontend {
    /// Binds the address of the settings, for the agents of one organisation.
    ///
    /// # Errors
    /// Those of [`Frontend::bind_all`].
    pub async fn bind(
        settings: Settings,
        store: Store,
        hooks: Arc<dyn Hooks>,
    ) -> Result<Bound, FrontendError> {
        let only = Realm { nonce: settings.nonce.clone(), store: store.clone(), hooks };
        Self::bind_all(settings, store, Arc::new(only)).await
    }

    /// Binds the address of the settings, for the agents of all organisations. `store` is the root's.
    ///
    /// # Errors
    /// The address is taken, or the certificate cannot be used.
    pub async fn bind_all(
        settings: Settings,
        store: Store,
        realms: Arc<dyn Realms>,
    ) -> Result<Bound, FrontendError> {
        let tls = match settings.plain_http {
            true => None,
            false => Some(tls::for_agents(&settings)?),
        };
        let wanted = settings.bind;
        let listener = Listener::bind(wanted, tls)
            .await
            .map_err(|source| FrontendError::Bind { address: wanted, source })?;
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared::new(settings, store, realms, stopped));
        Ok(Bound { listener, shared, stop, guests: None })
    }
}

impl Bound {
    /// The address in use; tells the port when the settings left it to the system.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves others at the same address: whatever is not for agents goes to them.
    #[must_use]
    pub fn with_guests(self, guests: Router) -> Self {
        Self { guests: Some(guests), ..self }
    }

    /// Serves until `stop` is ready, then lets open requests end.
    ///
    /// # Errors
    /// The root organisation is not there.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), FrontendError> {
        let shared = Arc::clone(&self.shared);
        let root = move || shared.desk(&shared.settings.nonce);
        tokio::task::spawn_blocking(root).await.map_err(|_| StoreError::Closed)??;
        let router = routes::router(Arc::clone(&self.shared), self.guests);
        let stopped = self.shared.stop.clone();
        let tell = async {
            stop.await;
            self.stop.send_replace(true);
        };
        tokio::join!(self.listener.serve(router, stopped), tell);
        Ok(())
    }
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
