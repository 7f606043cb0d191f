//! Puts configuration, store, artifacts and frontend together.

mod tls;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderName;
use tokio::sync::watch;
use troodon_core::obfuscation::Obfuscator;
use troodon_core::rsa::aws::AwsKey;
use troodon_vql::{Interrupt, Permission};
use zeroize::Zeroizing;

use crate::account::{self, InstallError};
use crate::acl::{Acl, Principal};
use crate::api::{self, ApiError};
use crate::artifact::{ArtifactError, Repository, undeclared};
use crate::artifacts;
use crate::audit_log::AuditLog;
use crate::certificates::FilesError;
use crate::collector;
use crate::config::{Config, ConfigError, MonitoringConfig};
use crate::expiry;
use crate::frontend::{
    Bound, Callers, Frontend, FrontendError, Settings, raise_file_limit, termination,
};
use crate::gui::{self, Gui};
use crate::launcher::Launcher;
use crate::limits;
use crate::lockdown;
use crate::metrics;
use crate::model::id::OrgId;
use crate::monitoring::MonitoringError;
use crate::orgs::Orgs;
use crate::query;
use crate::seal::{Seal, SealError};
use crate::server_monitoring;
use crate::services::Services;
use crate::store::{Store, StoreError};
use crate::syslog;

/// Why the server does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The artifacts cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// An event artifact cannot be compiled.
    #[error("what clients watch: {0}")]
    Events(#[from] MonitoringError),
    /// The store cannot be opened or used.
    #[error("Datastore.location: {0}")]
    Store(#[from] StoreError),
    /// Secrets cannot be kept.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The first users cannot be made.
    #[error(transparent)]
    Users(#[from] InstallError),
    /// The certificate for TLS cannot be shown.
    #[error("Frontend.tls_certificate_filename, tls_private_key_filename: {0}")]
    Files(#[from] FilesError),
    /// The frontend gave up.
    #[error(transparent)]
    Frontend(#[from] FrontendError),
    /// The address of the web pages cannot be bound.
    #[error("cannot listen on {address} (GUI.bind_address, GUI.bind_port): {cause}")]
    Gui {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// The address of the figures cannot be bound.
    #[error("cannot listen on {address} (Monitoring.bind_address, Monitoring.bind_port): {cause}")]
    Metrics {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// The address at which an authority asks cannot be bound.
    #[error("cannot listen on {address} (autocert.http_address): {cause}")]
    Plain {
        /// What was to be bound.
        address: SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// The API gave up.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The operating system refuses something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Runs the server until the process is asked to end.
///
/// # Errors
/// See [`ServeError`]; nothing listens then.
pub async fn serve(config: &Config) -> Result<(), ServeError> {
    config.check_server()?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let source = tls::Source::of(config)?;
    let mut settings = settings(config)?;
    source.show_in(&mut settings);
    let (mut repository, mut faults) = Repository::of(config)?;
    let store = Store::open(config.datastore.location.as_ref())?;
    store.seal(Seal::of(config.frontend.private_key.expose())?)?;
    faults.extend(artifacts::add_kept(&mut repository, &store)?);
    for fault in faults {
        tracing::warn!("artifact left out: {fault}");
    }
    warn_of_undeclared(&repository);
    store.limit(config.frontend.resources.quotas());
    let acl = Acl::new(config, store.clone())?;
    settings.recruits = recruits(&acl, config);
    let orgs = Arc::new(Orgs::of(config, Arc::new(repository), store.clone(), acl.clone()));
    account::install(config, &orgs)?;
    let launcher = Arc::clone(&orgs.root().launcher);
    let usual = &config.frontend.default_client_monitoring_artifacts;
    for name in usual.iter().filter(|name| launcher.repository().get(name).is_none()) {
        tracing::warn!("no artifact {name}: it is not monitored");
    }
    orgs.root().monitoring.check()?;
    let registry = Arc::new(query::registry(config)?);
    let services = Services { orgs: Arc::clone(&orgs), acl: acl.clone(), registry };
    let events = server_monitoring::Runner::new(services.clone());
    let collector = collector::Runner::new(services.clone());
    let mut pages = gui_settings(config, &settings)?;
    pages.keeper.clone_from(&source.keeper);
    follow_audit(config, &orgs)?;
    follow_definitions(Arc::clone(&launcher), store.clone())?;
    raise_file_limit();
    let stop = termination()?;
    let figures = metrics::Sources {
        orgs: Arc::clone(&orgs),
        certificates: pages.certificates.clone(),
        lockdown: config.lockdown,
    };
    let certificates = pages.certificates.clone();
    let is_shared = tls::is_shared(config, settings.bind, pages.bind)?;
    let bound = Frontend::bind_all(settings, store.clone(), orgs).await?;
    let (bound, pages) = match is_shared {
        true => Pages::beside(bound, config, pages, services.clone()),
        false => (bound, Pages::Own(bind_pages(pages, services.clone()).await?)),
    };
    let api = api::Bound::bind(&api_settings(config)?, services).await?;
    let metrics = bind_metrics(config, figures).await?;
    if config.lockdown {
        tracing::warn!("the server is in lockdown");
    }
    tracing::info!(address = %bound.address(), "agents may come");
    tracing::info!(address = %pages.address(bound.address()), "people may come");
    tracing::info!(address = %api.address(), "programs may ask");
    let (tell, told) = watch::channel(false);
    let stop = async move {
        stop.await;
        tell.send_replace(true);
    };
    let leaving = tokio::spawn(follow_exits(acl));
    source.follow(config, &told).await?;
    tokio::spawn(expiry::follow(certificates, told.clone()));
    let switch = Interrupt::new();
    let queries = [events.start(switch.clone())?, collector.start(switch.clone())?];
    let api = tokio::spawn(api.serve());
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.serve(told.clone()));
    }
    let (ended, ()) = tokio::join!(bound.serve(stop), pages.serve(told));
    api.abort();
    leaving.abort();
    switch.set();
    // What queries have yielded is stored before the end; a panic in their threads has been reported.
    drop(tokio::task::spawn_blocking(move || queries.map(|thread| thread.join())).await);
    ended?;
    tracing::info!("stopped");
    Ok(())
}

/// Puts on record when an exit from lockdown is over.
async fn follow_exits(acl: Acl) {
    if acl.exit_minutes().is_none() {
        return;
    }
    let mut due = tokio::time::interval(Duration::from_secs(limits::EXIT_LOOK_SECONDS));
    loop {
        due.tick().await;
        let acl = acl.clone();
        let settled = tokio::task::spawn_blocking(move || lockdown::settle(&acl)).await;
        if let Ok(Err(error)) = settled {
            tracing::error!(%error, "the end of an exit from lockdown cannot be recorded");
        }
    }
}

fn warn_of_undeclared(repository: &Repository) {
    for entry in repository.iter() {
        for (permission, reason) in undeclared(repository, &entry.artifact) {
            let name = &entry.artifact.name;
            tracing::warn!(%name, %permission, %reason, "an artifact can do more than it declares");
        }
    }
}

/// The web pages, wherever they are.
enum Pages {
    /// At an address of their own.
    Own(gui::Bound),
    /// At that of agents.
    Guest(gui::Guest),
}

impl Pages {
    /// At the address of agents.
    fn beside(
        bound: Bound,
        config: &Config,
        settings: gui::Settings,
        services: Services,
    ) -> (Bound, Self) {
        let guest = Gui::guest(settings, !config.gui.use_plain_http, services);
        (bound.with_guests(guest.router()), Self::Guest(guest))
    }

    const fn address(&self, of_agents: SocketAddr) -> SocketAddr {
        match self {
            Self::Own(bound) => bound.address(),
            Self::Guest(_) => of_agents,
        }
    }

    async fn serve(self, stop: watch::Receiver<bool>) {
        match self {
            Self::Own(bound) => bound.serve(stop).await,
            Self::Guest(guest) => guest.accompany(stop).await,
        }
    }
}

async fn bind_pages(settings: gui::Settings, services: Services) -> Result<gui::Bound, ServeError> {
    let address = settings.bind;
    let bound = Gui::bind(settings, services).await;
    bound.map_err(|cause| ServeError::Gui { address, cause })
}

/// Binds `Monitoring.bind_address` and `Monitoring.bind_port`, if there is a port.
async fn bind_metrics(
    config: &Config,
    sources: metrics::Sources,
) -> Result<Option<metrics::Bound>, ServeError> {
    let MonitoringConfig { bind_address: address, bind_port } = &config.monitoring;
    if *bind_port == 0 {
        return Ok(None);
    }
    let address = if address.is_empty() { "127.0.0.1" } else { address };
    let ip = bind_address("Monitoring.bind_address", address)?;
    let address = SocketAddr::new(ip, *bind_port);
    let bound = metrics::Bound::bind(address, sources).await;
    let bound = bound.map_err(|cause| ServeError::Metrics { address, cause })?;
    tracing::info!(address = %bound.address(), "figures are at /metrics");
    Ok(Some(bound))
}

/// Signs, copies and sends the audit logs, on threads of their own: a receiver that is away holds nothing else up.
fn follow_audit(config: &Config, orgs: &Arc<Orgs>) -> Result<(), ServeError> {
    let pem = config.frontend.private_key.expose();
    let key = AwsKey::from_pkcs1_pem(pem.as_bytes())
        .map_err(|fault| ConfigError::invalid("Frontend.private_key", fault.to_string()))?;
    let log = AuditLog::new(Arc::clone(orgs), key, &config.logging.output_directory);
    std::thread::Builder::new().name("audit-log".into()).spawn(move || log.run())?;
    if let Some(target) = syslog::Target::of(config)? {
        let orgs = Arc::clone(orgs);
        let run = move || syslog::follow(&orgs, &target);
        std::thread::Builder::new().name("syslog".into()).spawn(run)?;
    }
    Ok(())
}

/// Notices definitions that a command has kept or removed beside the running server.
fn follow_definitions(launcher: Arc<Launcher>, store: Store) -> Result<(), ServeError> {
    let mut seen = store.artifact_texts()?;
    let follow = move || {
        loop {
            std::thread::sleep(Duration::from_millis(limits::WATCH_LIST_MS));
            match artifacts::refresh(&launcher, &store, &mut seen) {
                Ok(faults) => {
                    for fault in faults {
                        tracing::warn!("artifact left out: {fault}");
                    }
                }
                Err(error) => tracing::error!(%error, "definitions of artifacts cannot be read"),
            }
        }
    };
    std::thread::Builder::new().name("definitions".into()).spawn(follow)?;
    Ok(())
}

/// What the API needs of the configuration.
fn api_settings(config: &Config) -> Result<api::Settings, ConfigError> {
    if !matches!(config.api.bind_scheme.as_str(), "" | "tcp") {
        let problem = "this server listens on tcp only".to_owned();
        return Err(ConfigError::invalid("API.bind_scheme", problem));
    }
    let address = match config.api.bind_address.as_str() {
        "" => "127.0.0.1",
        address => address,
    };
    Ok(api::Settings {
        bind: SocketAddr::new(bind_address("API.bind_address", address)?, config.api.port()),
        callers: tls::programs_and_people(config)?,
        certificate: config.frontend.certificate.clone(),
        key_pem: Zeroizing::new(config.frontend.private_key.expose().to_owned()),
    })
}

/// Whether running hunts take clients: what lockdown denies to the server itself does not happen by itself either.
fn recruits(acl: &Acl, config: &Config) -> bool {
    let server = Principal::Server { name: config.client.server_name().to_owned() };
    let needed = [Permission::StartHunt, Permission::CollectClient];
    acl.check(&server, &OrgId::root(), &needed).is_ok()
}

/// What the frontend needs of the configuration.
fn settings(config: &Config) -> Result<Settings, ConfigError> {
    let Config { frontend, client, .. } = config;
    let pem = frontend.private_key.expose();
    let key = AwsKey::from_pkcs1_pem(pem.as_bytes())
        .map_err(|fault| ConfigError::invalid("Frontend.private_key", fault.to_string()))?;
    let or = |value: u64, usual: u64| if value == 0 { usual } else { value };
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let resources = &frontend.resources;
    let hides_names = !frontend.do_not_compress_artifacts && !config.obfuscation_nonce.is_empty();
    Ok(Settings {
        bind: SocketAddr::new(
            bind_address("Frontend.bind_address", &frontend.bind_address)?,
            frontend.port(),
        ),
        base_path: frontend.base_path.clone(),
        certificate: frontend.certificate.clone(),
        key,
        key_pem: Zeroizing::new(pem.to_owned()),
        name: client.server_name().to_owned(),
        tls: None,
        answers: None,
        callers: tls::agents(config)?,
        plain_http: frontend.use_plain_http,
        proxy_header: header("Frontend.proxy_header", &frontend.proxy_header)?,
        nonce: client.nonce.clone(),
        names: hides_names.then(|| Obfuscator::new(&config.obfuscation_nonce)),
        max_poll: Duration::from_secs(or(client.max_poll, 60)),
        concurrency: size(or(client.concurrency, 2)),
        recruits: false,
        max_upload_size: size(or(resources.max_upload_size, 100 << 20)),
        expected_clients: size(or(resources.expected_clients, 10_000)),
        enrolments_per_second: u32::try_from(or(resources.enrollments_per_second, 100))
            .unwrap_or(u32::MAX),
        posts_at_a_time: match size(resources.concurrency) {
            0 => cores.saturating_mul(2),
            posts => posts,
        },
    })
}

/// What the web pages need of the configuration. They show the certificate that agents see.
fn gui_settings(config: &Config, frontend: &Settings) -> Result<gui::Settings, ServeError> {
    let pages = &config.gui;
    // Only this machine, unless somebody says otherwise.
    let address = if pages.bind_address.is_empty() { "127.0.0.1" } else { &pages.bind_address };
    let tls = match pages.use_plain_http {
        true => None,
        false => {
            let callers = tls::programs_and_people(config)?;
            let callers = Callers { may_have_none: true, ..callers };
            let are_asked = config.sign_on()?.newcomers_by_certificate.is_some();
            Some(frontend.tls_for_people(are_asked.then_some(&callers))?)
        }
    };
    let minutes = pages.authenticator.as_ref().map_or(0, |one| one.default_session_expiry_min);
    let minutes = if minutes == 0 { limits::SESSION_MINUTES } else { minutes };
    Ok(gui::Settings {
        bind: SocketAddr::new(bind_address("GUI.bind_address", address)?, pages.port()),
        tls,
        base_path: pages.base_path.clone(),
        allowed: pages.allowed()?,
        forwarded: header("GUI.forwarded_proxy_header", &pages.forwarded_proxy_header)?,
        sign_on: gui::SignOn::of(config)?,
        session: Duration::from_secs(minutes.saturating_mul(60)),
        lockdown: config.lockdown,
        certificates: tls::certificates(config, frontend),
        keeper: None,
        facts: facts(config),
    })
}

/// What the page about the server says of the configuration.
fn facts(config: &Config) -> Vec<(&'static str, String)> {
    let Config { frontend, client, gui, logging, .. } = config;
    let tls = match () {
        () if frontend.use_plain_http => "none: plain HTTP, a proxy has to end TLS",
        () if !config.autocert_cert_cache.is_empty() => "a certificate that the server gets (ACME)",
        () if frontend.tls_certificate_filename.is_empty() => {
            "the internal authority's certificate, pinned by agents"
        }
        () => "a certificate from files",
    };
    let given = |text: &str, nothing: &str| if text.is_empty() { nothing } else { text }.to_owned();
    vec![
        ("TLS for agents", tls.to_owned()),
        (
            "Agents show certificates",
            if frontend.require_client_certificates { "yes" } else { "no" }.to_owned(),
        ),
        ("Addresses of the server", client.server_urls.join(", ")),
        ("Networks of people", given(&gui.allowed_cidr.join(", "), "all")),
        ("Log files", given(&logging.output_directory, "none")),
        (
            "Authority's key here",
            if !config.ca.private_key.expose().is_empty() {
                "yes: it can be kept offline"
            } else {
                "no"
            }
            .to_owned(),
        ),
    ]
}

fn bind_address(key: &'static str, address: &str) -> Result<IpAddr, ConfigError> {
    let address = match address {
        "" => "0.0.0.0",
        "localhost" => "127.0.0.1",
        other => other,
    };
    address.parse().map_err(|_| {
        let problem = format!("`{address}` is no address such as 0.0.0.0 or 192.0.2.1");
        ConfigError::invalid(key, problem)
    })
}

fn header(key: &'static str, name: &str) -> Result<Option<HeaderName>, ConfigError> {
    if name.is_empty() {
        return Ok(None);
    }
    name.parse()
        .map(Some)
        .map_err(|_| ConfigError::invalid(key, format!("`{name}` is no name of a header")))
}
