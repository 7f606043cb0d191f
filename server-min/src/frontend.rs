//! The server's end of the agent protocol: TLS, HTTP and websockets around sealed messages (docs/protocol.md section 3).
//!
//! | path | what |
//! |---|---|
//! | `server.pem` | the certificate to which agents seal |
//! | `control` (`send_messages`) | what agents send: opened, kept, and only then answered with 200 |
//! | `reader` (`receive_messages`) | held open until there is something for the agent |
//! | `healthz` | 200 while the store can be written |
//!
//! [`Frontend::bind`] binds the address, [`Bound::serve`] runs until it is told to stop.

mod body;
mod callers;
mod control;
mod door;
mod listen;
mod outbox;
mod pace;
mod poll;
mod presence;
mod reader;
mod realm;
mod reply;
mod routes;
mod shown;
mod socket;
mod tls;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use troodon_core::obfuscation::Obfuscator;
use troodon_core::rsa::aws::AwsKey;
use troodon_proto::VqlEventTable;

use crate::acme::Answers;
use crate::limits;
use crate::model::client::Client;
use crate::model::id::{ClientId, FlowId};
use crate::store::{Store, StoreError};

pub use realm::{Realm, Realms};

pub use callers::Callers;
pub use listen::{Bound, raise_file_limit, runtime, termination};
pub use shown::Shown;
pub(crate) use tls::{TlsWishes, server_tls};

/// What the frontend needs to know. The names are those of the configuration where it has one.
pub struct Settings {
    /// `Frontend.bind_address`, `Frontend.bind_port`; port 0 lets the system choose.
    pub bind: SocketAddr,
    /// `Frontend.base_path`: empty, or a path that begins with a slash and does not end in one.
    pub base_path: String,
    /// `Frontend.certificate`, PEM: what agents seal to, and the TLS certificate unless `tls` says otherwise.
    pub certificate: String,
    /// `Frontend.private_key` of that certificate.
    pub key: AwsKey,
    /// PEM of the same key for TLS.
    pub key_pem: zeroize::Zeroizing<String>,
    /// The name in that certificate; agents pin it.
    pub name: String,
    /// Another certificate for TLS only, such as that of `Frontend.tls_certificate_filename`.
    pub tls: Option<Arc<Shown>>,
    /// What an authority is answered that looks whose name this is.
    pub answers: Option<Arc<Answers>>,
    /// `Frontend.require_client_certificates`: whose certificate an agent must show. Its
    /// name does not matter: it opens the door, and the envelope says who came in.
    pub callers: Option<Callers>,
    /// `Frontend.use_plain_http`: no TLS; for laboratories, or behind a proxy.
    pub plain_http: bool,
    /// `Frontend.proxy_header`: where a trusted proxy puts the address of the client.
    pub proxy_header: Option<HeaderName>,
    /// `Client.nonce`: names the root organisation's agents.
    pub nonce: String,
    /// `obfuscation_nonce`, unless `Frontend.do_not_compress_artifacts`: hides names of artifacts on their way.
    pub names: Option<Obfuscator>,
    /// `Client.max_poll`: how long a poll is held, before jitter.
    pub max_poll: Duration,
    /// `Client.concurrency`: two more collections than this are with an agent at a time.
    pub concurrency: usize,
    /// Whether running hunts take clients: not in lockdown.
    pub recruits: bool,
    /// `Frontend.resources.max_upload_size` in bytes; a POST may have twice as many.
    pub max_upload_size: usize,
    /// `Frontend.resources.expected_clients`: sessions that are kept.
    pub expected_clients: usize,
    /// `Frontend.resources.enrollments_per_second`: new sessions, each of which costs RSA operations.
    pub enrolments_per_second: u32,
    /// `Frontend.resources.concurrency`: POSTs that are worked on at a time.
    pub posts_at_a_time: usize,
}

/// What the frontend asks of the rest of the server. Calls may block; they come from threads that may.
pub trait Hooks: Send + Sync + 'static {
    /// A client without interrogation is there: ask it about its host and note that with
    /// [`Store::set_interrogation`]. May be called again while that has not happened.
    fn enrolled(&self, client: &ClientId);

    /// The event table for a client, when it has an older one than it should.
    ///
    /// The version must be above [`Client::event_table_version`] and not change from call to call: an agent that has
    /// taken it reports it, and is not sent another then. Names are plain.
    fn event_table(&self, client: &Client) -> Option<VqlEventTable>;

    /// A collection has ended.
    fn completed(&self, client: &ClientId, flow: &FlowId) {
        let _ = (client, flow);
    }
}

/// Why the frontend does not start or run.
#[derive(Debug, thiserror::Error)]
pub enum FrontendError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate or key for TLS cannot be used.
    #[error("TLS certificate: {0}")]
    Certificate(String),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refuses something.
    #[error("frontend: {0}")]
    Io(#[from] std::io::Error),
}

/// Makes a [`Bound`].
#[derive(Debug)]
pub struct Frontend;

/// What all connections share.
struct Shared {
    settings: Settings,
    names: Option<Arc<Obfuscator>>,
    /// The root's.
    store: Store,
    realms: realm::Desks,
    door: door::Door,
    bodies: body::Budget,
    posts: tokio::sync::Semaphore,
    urgent_posts: tokio::sync::Semaphore,
    stop: tokio::sync::watch::Receiver<bool>,
}

impl Shared {
    fn new(
        mut settings: Settings,
        store: Store,
        realms: Arc<dyn Realms>,
        stop: tokio::sync::watch::Receiver<bool>,
    ) -> Self {
        Self {
            names: settings.names.take().map(Arc::new),
            store,
            realms: realm::Desks::new(realms),
            door: door::Door::new(&settings),
            bodies: body::Budget::new(limits::BODIES_KIB),
            posts: tokio::sync::Semaphore::new(settings.posts_at_a_time.max(1)),
            urgent_posts: tokio::sync::Semaphore::new(limits::URGENT_POSTS),
            stop,
            settings,
        }
    }

    /// The address that counts as the client's: that of the connection, or what a trusted proxy says.
    fn origin(&self, peer: SocketAddr, headers: &axum::http::HeaderMap) -> SocketAddr {
        let Some(name) = &self.settings.proxy_header else { return peer };
        let said = headers.get_all(name).iter().next_back().and_then(|value| value.to_str().ok());
        // A proxy appends to what it was given: only the last entry is its own.
        let last = said.and_then(|text| text.rsplit(',').next()).map(str::trim);
        match last.and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(address) => SocketAddr::new(address, peer.port()),
            None => peer,
        }
    }

    /// Waits until the frontend is told to stop.
    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means that the sender is gone, which is a stop as well.
        drop(stop.wait_for(|stop| *stop).await);
    }
}
