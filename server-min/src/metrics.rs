//! Figures for a monitoring system, in the text format of OpenMetrics 1.0, on an address of their own.
//!
//! They count, and name nothing but organisations and certificates: whoever reaches the address may read them, so it is
//! this machine's own unless the configuration says otherwise. All are read from the store when somebody asks.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use crate::activity;
use crate::certificates::Certificates;
use crate::listener::Listener;
use crate::orgs::{Org, Orgs};
use crate::store::StoreError;

/// The content type of OpenMetrics 1.0.
const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A figure for each organisation, or for each certificate.
type Each = Family<[(&'static str, String); 1], Gauge>;

/// Where the figures come from.
pub struct Sources {
    /// All organisations.
    pub orgs: Arc<Orgs>,
    /// What each certificate is for, and its end.
    pub certificates: Certificates,
    /// Whether the server is in lockdown.
    pub lockdown: bool,
}

/// Figures whose address is bound.
pub struct Bound {
    listener: Listener,
    sources: Arc<Sources>,
}

impl Bound {
    /// Binds an address; port 0 lets the system choose.
    ///
    /// # Errors
    /// The address is taken, or is none of this machine.
    pub async fn bind(address: SocketAddr, sources: Sources) -> std::io::Result<Self> {
        let listener = Listener::bind(address, None).await?;
        Ok(Self { listener, sources: Arc::new(sources) })
    }

    /// The address in use.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Serves until `stop` holds `true` or its sender is gone.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let router = Router::new().route("/metrics", get(show)).with_state(self.sources);
        self.listener.serve(router, stop).await;
    }
}

async fn show(State(sources): State<Arc<Sources>>) -> Response {
    let read = tokio::task::spawn_blocking(move || {
        let registry = read(&sources).map_err(|error| error.to_string())?;
        let mut text = String::new();
        encode(&mut text, &registry).map_err(|error| error.to_string())?;
        Ok::<_, String>(text)
    });
    match read.await.map_err(|error| error.to_string()).flatten() {
        Ok(text) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn read(sources: &Sources) -> Result<Registry, StoreError> {
    let mut registry = Registry::with_prefix("troodon");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", build);
    // Two administrators may have left it for a time.
    let acl = sources.orgs.acl();
    let is_left = acl.exit_minutes().is_some() && acl.denied_to_all().is_empty();
    let lockdown = ConstGauge::new(i64::from(sources.lockdown && !is_left));
    registry.register("lockdown", "1 when what changes clients is denied to everybody", lockdown);
    add_certificates(&mut registry, &sources.certificates.ends());
    add_disk(&mut registry, sources.orgs.root())?;
    add_clients(&mut registry, &sources.orgs)?;
    Ok(registry)
}

fn add_certificates(registry: &mut Registry, certificates: &[(&'static str, u64)]) {
    let ends = Each::default();
    for (what, end_us) in certificates {
        set(&ends, ("certificate", (*what).to_owned()), end_us / 1_000_000);
    }
    let help = "When a certificate ends, since 1970";
    registry.register_with_unit("certificate_end", help, Unit::Seconds, ends);
}

fn add_disk(registry: &mut Registry, root: &Org) -> Result<(), StoreError> {
    let disk = root.store.disk()?;
    let figures = [
        ("store_size", "The root's database, with its log", disk.database),
        ("disk_free", "What the server can still write", disk.free),
        ("disk_size", "The whole file system of the store", disk.size),
    ];
    for (name, help, bytes) in figures {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(signed(bytes)));
    }
    Ok(())
}

fn add_clients(registry: &mut Registry, orgs: &Orgs) -> Result<(), StoreError> {
    let [clients, online, collections, events] = [(); 4].map(|()| Each::default());
    for record in orgs.list()? {
        // One that was deleted meanwhile has no figures.
        let Some(org) = orgs.find(&record.id)? else { continue };
        let now = activity::now(&org.store)?;
        let label = || ("org", record.id.to_string());
        set(&clients, label(), now.clients);
        set(&online, label(), now.online);
        set(&collections, label(), now.collections);
        set(&events, label(), now.events);
    }
    registry.register("clients", "Clients that have enrolled and were not deleted", clients);
    registry.register("clients_online", "Clients that were heard lately", online);
    registry.register("collections", "Collections that ever were", collections);
    registry.register("event_messages", "Messages with events that ever came", events);
    Ok(())
}

fn set(family: &Each, label: (&'static str, String), value: u64) {
    family.get_or_create(&[label]).set(signed(value));
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
