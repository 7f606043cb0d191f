//! The command `client`: the core, two connections, the queries' thread, and the loop that joins them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing_subscriber::filter::LevelFilter;
use troodon_core::agent::{Agent, Compression, Config, Connection, Event, Input, StartFault};
use troodon_core::config::ClientConfig;
use troodon_core::envelope::Verified;
use troodon_core::error::PinFault;
use troodon_core::executor::{Outlet, Setting, Sizes};
use troodon_core::host::{Host, drive};
use troodon_core::http::url::{BaseUrl, UrlFault};
use troodon_core::pin::Anchor;
use troodon_core::queue::{Priority, QueueFault, QueueLimits};
use troodon_core::time::{Instant, Span};
use troodon_proto::{VeloMessage, VqlEventTable};
use troodon_vql::{Entropy, Session};

use crate::config::{self, ConfigFault};
use crate::description::{client_info, config_variable};
use crate::limits::{BATCH_LEN, READ_LEN_MAX, ROWS_PART_LEN};
use crate::link::{Dialer, Happened, Sockets};
use crate::plugin::{SystemEntropy, registry};
use crate::storage::{FileStorage, OpenFault};
use crate::tls::{TlsFault, TlsSettings, client_config};
use crate::worker::{Report, Worker, since, wall_clock};
use crate::writeback::{Identity, WritebackFault, identity};

/// How often the core is told the world's time: a clock that was set wrong is corrected within this.
const CLOCK_EVERY: Duration = Duration::from_secs(60);
/// How long after the server's order the agent ends, as the original does.
const KILL_DELAY: Duration = Duration::from_secs(10);

/// Why the client cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum ClientFault {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigFault),
    /// The embedded CA.
    #[error("Client.ca_certificate: {0}")]
    Anchor(PinFault),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// A server's URL.
    #[error("Client.server_urls: {url:?}: {fault}")]
    Url {
        /// As it stands in the configuration.
        url: String,
        /// What is wrong.
        fault: UrlFault,
    },
    /// The identity.
    #[error(transparent)]
    Writeback(#[from] WritebackFault),
    /// The queue's folder.
    #[error(transparent)]
    Storage(#[from] OpenFault),
    /// The core.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The system.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> ClientFault {
    move |error| ClientFault::System { what, error }
}

/// `client`: enrols with the server and answers its queries.
///
/// Keeps its identity in Client.writeback_linux and what it has to send in the folder beside it that ends in `.queue`.
#[derive(Debug, Args)]
pub struct ClientCommand {
    /// Say more: connections and deliveries too
    #[arg(short, long)]
    verbose: bool,
}

impl ClientCommand {
    /// Runs the agent until SIGTERM, SIGINT or the server's order to end.
    ///
    /// # Errors
    ///
    /// [`ClientFault`] says what to look at.
    pub fn run(&self, config: Option<&Path>) -> Result<()> {
        let Some(path) = config else {
            bail!("say with --config FILE where the client configuration is");
        };
        let level = if self.verbose { LevelFilter::DEBUG } else { LevelFilter::INFO };
        tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system("cannot start"))?;
        Ok(runtime.block_on(run(path))?)
    }
}

async fn run(config_path: &Path) -> Result<(), ClientFault> {
    let config = config::load(config_path)?;
    let path = Path::new(&config.writeback_linux);
    let mut rng = seeded()?;
    let identity = identity(path, wall_clock().as_seconds(), &mut rng)?;
    let storage = FileStorage::open(&path.with_extension("queue"))?;
    let epoch = std::time::Instant::now();
    let setting = |outlet: Arc<dyn Outlet>| Setting {
        registry: Arc::new(registry()),
        config: config_variable(&config, identity.install_time),
        prepare: Arc::new(|session: &mut Session| session.extend(entropy())),
        outlet,
        sizes: sizes(&config),
    };
    let (worker, reports) =
        Worker::start(setting, epoch).map_err(system("cannot start a thread for queries"))?;
    let mut client = Client::new(&config, identity, storage, worker, rng, epoch)?;
    tracing::info!(client_id = %client.agent.id(), "started");
    client.work(reports).await?;
    client.stop()
}

fn seeded() -> Result<ChaCha20Rng, ClientFault> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| ClientFault::System {
        what: "no random numbers",
        error: io::Error::other(error),
    })?;
    Ok(ChaCha20Rng::from_seed(seed))
}

fn entropy() -> Arc<Box<dyn Entropy>> {
    Arc::new(Box::new(SystemEntropy))
}

/// Parts of rows are small, so that memory stays small: the store of the queue is the disk.
fn sizes(config: &ClientConfig) -> Sizes {
    let mut sizes = Sizes { part_bytes: ROWS_PART_LEN, ..Sizes::host() };
    if let Ok(concurrency @ 1..) = usize::try_from(config.concurrency) {
        sizes.flows_running = concurrency;
    }
    sizes
}

/// All that the one task of the program holds.
struct Client {
    agent: Agent<FileStorage>,
    outside: Outside,
    rng: ChaCha20Rng,
    epoch: std::time::Instant,
    /// A message for which the queue had no room.
    held: Option<(Priority, Box<VeloMessage>)>,
}

/// What [`drive`] acts upon.
struct Outside {
    dialer: Dialer,
    sockets: Sockets,
    worker: Worker,
    description: Option<String>,
}

impl Client {
    fn new(
        config: &ClientConfig,
        identity: Identity,
        storage: FileStorage,
        worker: Worker,
        mut rng: ChaCha20Rng,
        epoch: std::time::Instant,
    ) -> Result<Self, ClientFault> {
        let install_time = identity.install_time;
        let limits = QueueLimits { batch: BATCH_LEN, ..QueueLimits::default() };
        let key = Box::new(identity.key);
        let agent = Agent::new(core_config(config)?, key, storage, limits, &mut rng)?;
        let description = client_info(agent.id(), config, install_time);
        let dialer = dialer(config)?;
        let outside = Outside { dialer, sockets: Sockets::default(), worker, description };
        Ok(Self { agent, outside, rng, epoch, held: None })
    }

    /// Until somebody wants the agent to end.
    async fn work(&mut self, mut reports: Receiver<Report>) -> Result<(), ClientFault> {
        let mut terminate = signal(SignalKind::terminate()).map_err(system("SIGTERM"))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(system("SIGINT"))?;
        let mut buffer = Box::new([0; READ_LEN_MAX]);
        let mut clock_at = std::time::Instant::now();
        let mut kill_at = None;
        loop {
            if clock_at <= std::time::Instant::now() {
                self.agent.handle(self.now(), Input::Clock(wall_clock()));
                clock_at = std::time::Instant::now() + CLOCK_EVERY;
            }
            let until = drive(&mut self.agent, since(self.epoch), &mut self.rng, &mut self.outside);
            self.queue_held();
            let until = self.epoch + Duration::from_micros(until.as_micros());
            let until = kill_at.into_iter().fold(until.min(clock_at), std::time::Instant::min);
            let takes_reports = self.held.is_none();
            tokio::select! {
                biased;
                () = ended(&mut terminate, &mut interrupt) => return Ok(()),
                (connection, happened) = self.outside.sockets.happening(&mut buffer) => {
                    self.take_note(connection, &happened, buffer.as_slice());
                }
                report = reports.recv(), if takes_reports => match report {
                    Some(Report::Kill) => kill_at = Some(std::time::Instant::now() + KILL_DELAY),
                    Some(report) => self.take_report(report),
                    None => return Err(system("the queries' thread")(io::Error::other("it ended"))),
                },
                () = sleep_until(until) => if kill_at.is_some_and(|at| at <= std::time::Instant::now()) {
                    tracing::warn!("the server wants the agent to end");
                    return Ok(());
                },
            }
        }
    }

    fn now(&self) -> Instant {
        since(self.epoch)
    }

    fn take_note(&mut self, connection: Connection, happened: &Happened, buffer: &[u8]) {
        let now = self.now();
        match happened {
            Happened::Down(down) => {
                self.agent.handle(now, Input::Down(connection, *down));
                self.outside.sockets.lose(connection.link);
            }
            // The next round of the loop offers the bytes again.
            Happened::Drained => {}
            Happened::Received(length) => {
                let bytes = buffer.get(..*length).unwrap_or_default();
                self.agent.handle(now, Input::Received(connection, bytes));
            }
            Happened::Up => self.agent.handle(now, Input::Up(connection)),
        }
    }

    fn take_report(&mut self, report: Report) {
        match report {
            Report::Message { urgent, message } => {
                let priority = if urgent { Priority::Urgent } else { Priority::Normal };
                self.held = Some((priority, message));
                self.queue_held();
            }
            Report::Forget(flow) => {
                if let Err(fault) = self.agent.forget_flow(&flow) {
                    tracing::error!(%fault, "cancelled rows may still be sent");
                }
            }
            Report::Kill => {}
        }
    }

    /// Queues the message that waits; while the queue is full it waits on, and the queries behind it.
    fn queue_held(&mut self) {
        let Some((priority, message)) = self.held.take() else { return };
        match self.agent.queue(priority, &message) {
            Ok(()) => {}
            Err(QueueFault::Full) => self.held = Some((priority, message)),
            Err(fault) => tracing::error!(%fault, "a message is lost"),
        }
    }

    fn stop(self) -> Result<(), ClientFault> {
        let Self { agent, outside, .. } = self;
        outside.worker.stop();
        agent.close().map_err(|fault| system("cannot keep the queue")(io::Error::other(fault)))?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn ended(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn sleep_until(until: std::time::Instant) {
    sleep(until.saturating_duration_since(std::time::Instant::now())).await;
}

impl Host for Outside {
    fn connect(&mut self, connection: Connection, url: &BaseUrl) {
        self.sockets.hold(connection, self.dialer.dial(url));
    }

    fn send(&mut self, connection: Connection, bytes: &[u8]) -> usize {
        self.sockets.send(connection, bytes)
    }

    fn close(&mut self, connection: Connection) {
        self.sockets.close(connection);
    }

    fn message(&mut self, message: Verified<VeloMessage>) {
        self.worker.order(message);
    }

    fn table(&mut self, table: VqlEventTable) {
        self.worker.restore(table);
    }

    fn describe_client(&mut self) -> Option<String> {
        self.description.clone()
    }

    fn event(&mut self, event: Event) {
        crate::event::say(&event);
    }
}

/// What the core needs of a client configuration.
///
/// # Errors
///
/// A URL or the embedded CA cannot be used.
pub fn core_config(config: &ClientConfig) -> Result<Config, ClientFault> {
    let url = |text: &String| {
        BaseUrl::parse(text).map_err(|fault| ClientFault::Url { url: text.clone(), fault })
    };
    let servers = config.server_urls.iter().map(url).collect::<Result<_, _>>()?;
    let anchor = Anchor::from_pem(config.ca_certificate.as_bytes()).map_err(ClientFault::Anchor)?;
    let mut core = Config::new(servers, anchor, config.nonce.clone());
    config.server_name().clone_into(&mut core.pinned_name);
    if config.disable_compression {
        core.compression = Compression::Off;
    }
    let seconds = |value: u64, default: Span| match value {
        0 => default,
        given => Span::from_secs(given),
    };
    core.max_poll = seconds(config.max_poll, core.max_poll);
    core.max_poll_std = seconds(config.max_poll_std, core.max_poll_std);
    core.connection_timeout = seconds(config.connection_timeout, core.connection_timeout);
    core.client_info_every = match config.client_info_update_time {
        0 => core.client_info_every,
        given => u64::try_from(given).ok().map(Span::from_secs),
    };
    Ok(core)
}

/// What opens connections as a client configuration says.
///
/// # Errors
///
/// A certificate or a name in it cannot be used.
pub fn dialer(config: &ClientConfig) -> Result<Dialer, ClientFault> {
    let crypto = config.crypto.as_ref();
    let text = |field: fn(&troodon_core::config::CryptoConfig) -> &str| crypto.map_or("", field);
    let settings = TlsSettings {
        ca_certificate: &config.ca_certificate,
        pinned_name: config.server_name(),
        self_signed: config.use_self_signed_ssl,
        root_certs: text(|crypto| &crypto.root_certs),
        thumbprints: crypto.map_or(&[], |crypto| &crypto.certificate_thumbprints),
        verification_mode: text(|crypto| &crypto.certificate_verification_mode),
        client_certificate: text(|crypto| &crypto.client_certificate),
        client_certificate_private_key: text(|crypto| {
            crypto.client_certificate_private_key.expose()
        }),
    };
    let tls = client_config(&settings)?;
    let asks_for_pinned = config.use_self_signed_ssl && settings.root_certs.is_empty();
    let tls_name = asks_for_pinned.then(|| ServerName::try_from(config.server_name().to_owned()));
    let tls_name =
        tls_name.transpose().map_err(|_| TlsFault::BadName(config.server_name().into()))?;
    Ok(Dialer::new(tls, tls_name, config.fallback_addresses.clone()))
}
