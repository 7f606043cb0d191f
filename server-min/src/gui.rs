//! The web pages: server-rendered, complete without scripts, under the rights of whoever signed in.
//!
//! Every page that shows or changes something passes a [`Door`](crate::model::door::Door) as the commands do; what one may
//! not do is not offered, and refused all the same. Everything that is shown may have come from a hostile agent: the
//! templates escape it, and the policy in every answer lets nothing run but our own file.
//!
//! [`Gui::bind`] binds the address, [`Bound::serve`] runs until it is told to stop.

mod artifacts;
mod asset;
mod audit;
mod clients;
mod collect;
mod fault;
mod flow;
mod page;
mod routes;
mod session;
mod sign_in;
mod time;
mod visitor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::sync::{Semaphore, watch};

use crate::acl::Acl;
use crate::launcher::Launcher;
use crate::limits;
use crate::listener::Listener;
use crate::store::Store;

/// What the pages need to know. The names are those of the configuration where it has one.
pub struct Settings {
    /// `GUI.bind_address`, `GUI.bind_port`; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// The same certificate as agents see; `None` with `GUI.use_plain_http`.
    pub tls: Option<Arc<ServerConfig>>,
    /// `GUI.base_path`: empty, or a path that begins with a slash and does not end in one.
    pub base_path: String,
    /// `GUI.allowed_cidr`: networks that may connect; empty means all.
    pub allowed: Vec<IpNet>,
    /// `GUI.authenticator.default_session_expiry_min`: after that one signs in again.
    pub session: Duration,
    /// Whether the server is in lockdown, which every page says.
    pub lockdown: bool,
}

/// Makes a [`Bound`].
#[derive(Debug)]
pub struct Gui;

/// Pages whose address is bound.
pub struct Bound {
    listener: Listener,
    shared: Arc<Shared>,
}

/// What all requests share.
struct Shared {
    settings: Settings,
    /// Whether cookies may ask for it.
    has_tls: bool,
    store: Store,
    acl: Acl,
    launcher: Arc<Launcher>,
    sessions: session::Sessions,
    /// Passwords that are checked at a time: each takes memory and a processor on purpose.
    checks: Semaphore,
}

impl Gui {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// The address is taken, or is none of this machine.
    pub async fn bind(
        mut settings: Settings,
        store: Store,
        acl: Acl,
        launcher: Arc<Launcher>,
    ) -> std::io::Result<Bound> {
        let has_tls = settings.tls.is_some();
        let listener = Listener::bind(settings.bind, settings.tls.take()).await?;
        let sessions = session::Sessions::new(settings.session);
        let checks = Semaphore::new(limits::SIGN_INS_AT_A_TIME);
        let shared = Shared { settings, has_tls, store, acl, launcher, sessions, checks };
        Ok(Bound { listener, shared: Arc::new(shared) })
    }
}

impl Bound {
    /// The address in use; tells the port when the settings left it to the system.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` holds `true` or its sender is gone, then lets open requests end.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let router = routes::router(self.shared);
        self.listener.serve(router, stop).await;
    }
}
