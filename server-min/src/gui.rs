//! The web pages: server-rendered, complete without scripts, under the rights of whoever signed in.
//!
//! Every page that shows or changes something passes a [`Door`](crate::model::door::Door) as the commands do; what one may
//! not do is not offered, and refused all the same. Everything that is shown may have come from a hostile agent: the
//! templates escape it, and the policy in every answer lets nothing run but our own file.
//!
//! [`Gui::bind`] binds the address, [`Bound::serve`] runs until it is told to stop. [`Gui::guest`] has no address of its
//! own: another listener serves [`Guest::router`].

mod artifacts;
mod asset;
mod attempts;
mod audit;
mod certificate;
mod chart;
mod clients;
mod collect;
mod download;
mod editor;
mod events;
mod fault;
mod flow;
mod form;
mod hunts;
mod key;
mod labels;
mod live;
mod lockdown;
mod monitoring;
mod notebook;
mod notebooks;
mod organisation;
mod overview;
mod own;
mod page;
mod preview;
mod routes;
mod server_flows;
mod session;
mod sign_in;
mod sign_on;
mod state;
mod table;
mod time;
mod tool;
mod users;
mod visitor;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use ipnet::IpNet;
use tokio::sync::{Semaphore, watch};
use troodon_vql::Interrupt;

use crate::acme::Keeper;
use crate::activity;
use crate::certificates::Certificates;
use crate::limits;
use crate::listener::{Listener, Tls};
use crate::orgs::Orgs;
use crate::services::Services;

pub use sign_on::SignOn;

/// What the pages need to know. The names are those of the configuration where it has one.
pub struct Settings {
    /// `GUI.bind_address`, `GUI.bind_port`; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// The same certificate as agents see; `None` with `GUI.use_plain_http`.
    pub tls: Option<Tls>,
    /// `GUI.base_path`: empty, or a path that begins with a slash and does not end in one.
    pub base_path: String,
    /// `GUI.allowed_cidr`: networks that may connect; empty means all.
    pub allowed: Vec<IpNet>,
    /// `GUI.forwarded_proxy_header`: where a proxy on this machine names the browser's address.
    pub forwarded: Option<HeaderName>,
    /// `GUI.authenticator`: how people sign in.
    pub sign_on: SignOn,
    /// `GUI.authenticator.default_session_expiry_min`: after that one signs in again.
    pub session: Duration,
    /// Whether the server is in lockdown, which every page says.
    pub lockdown: bool,
    /// Certificates on whose end somebody has to look.
    pub certificates: Certificates,
    /// Who gets the certificate, when this server does so itself.
    pub keeper: Option<Arc<Keeper>>,
    /// What the page about the server says of the configuration: no secrets.
    pub facts: Vec<(&'static str, String)>,
}

/// Makes a [`Bound`].
#[derive(Debug)]
pub struct Gui;

/// Pages whose address is bound.
pub struct Bound {
    listener: Listener,
    guest: Guest,
}

/// Pages at the address of somebody else.
pub struct Guest {
    tell: watch::Sender<i64>,
    shared: Arc<Shared>,
}

/// What all requests share.
struct Shared {
    settings: Settings,
    /// Whether cookies may ask for it.
    has_tls: bool,
    services: Services,
    waiting: sign_in::Waiting,
    abroad: sign_on::Abroad,
    /// Conversations with providers at a time.
    calls: Semaphore,
    attempts: attempts::Attempts,
    /// Changes with the store.
    changes: watch::Receiver<i64>,
    /// Passwords that are checked at a time: each takes memory and a processor on purpose.
    checks: Semaphore,
    /// Queries of notebooks that run at a time.
    cells: Arc<Semaphore>,
    /// Ends them with the pages.
    interrupt: Interrupt,
}

impl Gui {
    /// Binds the address of the settings.
    ///
    /// # Errors
    /// The address is taken, or is none of this machine.
    pub async fn bind(mut settings: Settings, services: Services) -> std::io::Result<Bound> {
        let tls = settings.tls.take();
        let has_tls = tls.is_some();
        let listener = Listener::bind(settings.bind, tls).await?;
        Ok(Bound { listener, guest: Self::guest(settings, has_tls, services) })
    }

    /// Pages for a listener that is there, with TLS or without.
    #[must_use]
    pub fn guest(settings: Settings, has_tls: bool, services: Services) -> Guest {
        let waiting = sign_in::Waiting::default();
        let checks = Semaphore::new(limits::SIGN_INS_AT_A_TIME);
        let (tell, changes) = watch::channel(0);
        let shared = Shared {
            settings,
            has_tls,
            services,
            waiting,
            abroad: sign_on::Abroad::default(),
            calls: Semaphore::new(limits::PROVIDER_CALLS),
            attempts: attempts::Attempts::default(),
            changes,
            checks,
            cells: Arc::new(Semaphore::new(limits::NOTEBOOK_RUNS)),
            interrupt: Interrupt::new(),
        };
        Guest { tell, shared: Arc::new(shared) }
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
        let router = self.guest.router();
        tokio::join!(self.listener.serve(router, stop.clone()), self.guest.accompany(stop));
    }
}

impl Guest {
    /// All pages.
    pub fn router(&self) -> Router {
        routes::router(Arc::clone(&self.shared))
    }

    /// What pages need besides requests, until `stop` holds `true` or its sender is gone.
    pub async fn accompany(self, mut stop: watch::Receiver<bool>) {
        let watching = tokio::spawn(watch_activity(Arc::clone(&self.shared.services.orgs)));
        let store = self.shared.services.orgs.root().store.clone();
        let telling = tokio::spawn(live::watch_commits(store, self.tell, stop.clone()));
        // An error means that the sender is gone, which is a stop as well.
        drop(stop.wait_for(|stop| *stop).await);
        self.shared.interrupt.set();
        watching.abort();
        if let Ok(Err(error)) = telling.await {
            tracing::warn!(%error, "open pages were not told of changes");
        }
    }
}

/// Notes what happens, for charts.
async fn watch_activity(orgs: Arc<Orgs>) {
    let mut due = tokio::time::interval(Duration::from_secs(limits::ACTIVITY_SECONDS));
    loop {
        due.tick().await;
        let orgs = Arc::clone(&orgs);
        let note = move || orgs.each(|org| activity::note(&org.store));
        let noted = tokio::task::spawn_blocking(note).await;
        if let Ok(Err(error)) = noted {
            tracing::warn!(%error, "what happens cannot be noted for charts");
        }
    }
}
