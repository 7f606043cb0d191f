//! The firmware: puts the parts of a board together and runs them for ever.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use spin::Mutex;
use troodon_core::agent::{Agent, Config, Input, StartFault};
use troodon_core::executor::{Executor, Output, Setting, Sizes};
use troodon_core::pin::Anchor;
use troodon_core::provision::{Provision, ProvisionFault};
use troodon_core::queue::{QueueFault, QueueLimits};
use troodon_core::state::{self, StoredServer};
use troodon_core::storage::Storage;
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::VeloMessage;
use troodon_vql::{Entropy, Fault, Session};
use zeroize::Zeroizing;

use crate::command::{Command, Line};
use crate::comms::{Chunks, Comms, Order};
use crate::ending::Ending;
use crate::facts::Facts;
use crate::identity::{IdentityFault, identity};
use crate::limits::{INFLATED_LEN_MAX, LINK_LOOK_MS, REPLY_LEN_MAX};
use crate::network::Network;
use crate::nic::Nic;
use crate::plugin;
use crate::region::Region;
use crate::system::{NoEntropy, System};
use crate::tls::{Clock, TlsFault, TlsSettings, tls};

/// What a board crate brings.
pub struct Parts<D, S> {
    /// Time, sleep, entropy, console.
    pub system: &'static dyn System,
    /// The network device.
    pub device: D,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// What outlives power.
    pub storage: S,
    /// How much of it the queue may take.
    pub queue: QueueLimits,
    /// The flash that begins with the provisioning.
    pub provision: &'static [u8],
    /// How the firmware before this one ended, if it could say so.
    pub ending: Option<Ending>,
    /// What queries may read of the memory.
    pub regions: Vec<Region>,
}

/// Why a board cannot start.
#[derive(Debug)]
pub enum BootFault {
    /// No random numbers.
    Entropy(NoEntropy),
    /// No key.
    Identity(IdentityFault),
    /// No or wrong provisioning.
    Provision(ProvisionFault),
    /// The core.
    Start(StartFault),
    /// TLS.
    Tls(TlsFault),
}

impl fmt::Display for BootFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entropy(fault) => fault.fmt(f),
            Self::Identity(fault) => fault.fmt(f),
            Self::Provision(fault) => fault.fmt(f),
            Self::Start(fault) => fault.fmt(f),
            Self::Tls(fault) => fault.fmt(f),
        }
    }
}

/// A board that runs.
pub struct Firmware<D, S> {
    comms: Arc<Mutex<Comms<D, S>>>,
    executor: Executor,
    system: &'static dyn System,
    /// The world's time at reset, as far as the board knows it.
    reset_at: UnixTime,
    /// A message for which the queue had no room.
    held: Option<(bool, Box<VeloMessage>)>,
    line: Line,
}

impl<D, S> Firmware<D, S>
where
    D: Nic + Send + 'static,
    S: Storage + Send + 'static,
{
    /// Reads what the board was given and makes its agent.
    ///
    /// # Errors
    ///
    /// [`BootFault`], to be said on the console: the board cannot do anything.
    // Apart from the loop, which would hold the stack of making a key for ever.
    #[inline(never)]
    pub fn boot(parts: Parts<D, S>) -> Result<Self, BootFault> {
        let Parts { system, device, mac, mut storage, queue, provision, ending, regions } = parts;
        if let Some(Ending { cause, text }) = &ending {
            let cause = cause.name();
            system.say(format_args!("the firmware before this one ended ({cause}): {text}"));
        }
        let provision = Provision::parse(provision).map_err(BootFault::Provision)?;
        let config = agent_config(&provision).map_err(BootFault::Provision)?;
        let reset_at = world_at_reset(&provision, &config.anchor, &mut storage);
        let mut seed = Zeroizing::new([0; 32]);
        system.fill(seed.as_mut()).map_err(BootFault::Entropy)?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let key =
            identity(&provision, &mut storage, &mut rng, system).map_err(BootFault::Identity)?;
        let agent = Agent::new(config, key, storage, queue, &mut rng).map_err(BootFault::Start)?;
        system.say(format_args!("{} is {}", provision.name, agent.id()));
        let tls_settings = TlsSettings {
            ca_certificate: provision.ca_certificate,
            pinned_name: provision.server_name,
            root_certs: provision.root_certs,
            client_certificate: provision.client_certificate,
            client_certificate_private_key: provision.client_certificate_private_key,
        };
        let facts = Arc::new(Facts {
            system,
            name: provision.name,
            labels: provision.labels,
            mac,
            issued_at: provision.issued_at,
            ending,
            regions,
            network: Mutex::default(),
        });
        let mut tls_seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(tls_seed.as_mut());
        let clock = Arc::new(ResetClock { system, reset_at });
        let tls = tls(&tls_settings, clock, *tls_seed).map_err(BootFault::Tls)?;
        let network = Network::new(device, mac, tls, rng.next_u64(), system.now());
        let mut comms = Comms::new(agent, network, Arc::clone(&facts), rng);
        comms.handle(Input::Clock(reset_at));
        if let Some(report) = facts.report(reset_at)
            && let Err(fault) = comms.queue(false, &report)
        {
            system.say(format_args!("the report of it is lost: {fault}"));
        }
        let comms = Arc::new(Mutex::new(comms));
        let executor = Executor::new(setting(&comms, &facts));
        let line = Line::default();
        Ok(Self { comms, executor, system, reset_at, held: None, line })
    }

    /// Runs for ever.
    pub fn run(mut self) -> ! {
        loop {
            self.listen();
            let wake_at = self.comms.lock().turn();
            let work_at = self.work();
            self.sleep(wake_at.min(work_at));
        }
    }

    /// Sleeps until then, or until there is a frame or something typed. A look at both costs a tenth of a turn of the loop.
    fn sleep(&mut self, until: Instant) {
        let look_at = self.system.now().saturating_add(Span::from_micros(LINK_LOOK_MS * 1_000));
        let until = until.min(look_at);
        while self.system.now() < until {
            self.system.idle();
            if self.comms.lock().has_frame() {
                return;
            }
            self.listen();
        }
    }

    /// Reads what was typed.
    fn listen(&mut self) {
        if let Some(command) = self.line.poll(self.system) {
            self.obey(command);
        }
    }

    /// Does what somebody at the board wants.
    #[expect(clippy::panic, reason = "it was asked for")]
    fn obey(&self, command: Command) -> ! {
        match command {
            Command::Hang => loop {
                core::hint::spin_loop();
            },
            Command::Panic => panic!("asked on the console"),
            Command::Restart => self.system.reset(),
        }
    }

    /// Lets the queries do one slice of work; when they want the next.
    fn work(&mut self) -> Instant {
        if let Some((is_urgent, message)) = self.held.take() {
            self.queue(is_urgent, message);
            if self.held.is_some() {
                return Instant::NEVER;
            }
        }
        let room = {
            let mut comms = self.comms.lock();
            while let Some(order) = comms.take_order() {
                match order {
                    Order::Message(message) => self.executor.handle(*message),
                    Order::Table(table) => self.executor.restore(table),
                }
            }
            comms.room()
        };
        let now = self.system.now();
        let wall = self.reset_at.saturating_add(now.since(Instant::ORIGIN));
        match self.executor.poll(now, wall, room) {
            Output::Wait(until) => return until,
            Output::Message { urgent, message } => self.queue(urgent, message),
            Output::Started { flow, interrupt } => {
                self.comms.lock().set_interrupt(flow, Some(interrupt));
            }
            Output::Ended(flow) => self.comms.lock().set_interrupt(flow, None),
            Output::Forget(flow) => self.comms.lock().forget(&flow),
            Output::Kill => {
                self.system.say(format_args!("the server wants the board to restart"));
                self.system.reset();
            }
        }
        now
    }

    /// Queues a message; while the queue is full it is held, and the queries with it.
    fn queue(&mut self, is_urgent: bool, message: Box<VeloMessage>) {
        match self.comms.lock().queue(is_urgent, &message) {
            Ok(()) => {}
            Err(QueueFault::Full) => self.held = Some((is_urgent, message)),
            Err(fault) => self.system.say(format_args!("a message is lost: {fault}")),
        }
    }
}

/// The world's time at reset, at the earliest: a board without a clock knows when it was provisioned, and from when the
/// server certificate is valid that it accepted last.
fn world_at_reset(provision: &Provision, anchor: &Anchor, storage: &mut impl Storage) -> UnixTime {
    let issued_at = UnixTime::from_secs(provision.issued_at);
    let server = state::load::<StoredServer>(storage).ok().flatten();
    // It is checked again: what lies in flash may be damaged.
    let pinned = server.and_then(|server| {
        anchor.check(&server.pem, &provision.server_name, None).ok().map(|pinned| pinned.begins())
    });
    pinned.map_or(issued_at, |begins| begins.max(issued_at))
}

/// The clock of a board that has none but the time since reset.
struct ResetClock {
    system: &'static dyn System,
    reset_at: UnixTime,
}

impl fmt::Debug for ResetClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResetClock").field("reset_at", &self.reset_at).finish_non_exhaustive()
    }
}

impl Clock for ResetClock {
    fn now(&self) -> UnixTime {
        self.reset_at.saturating_add(self.system.now().since(Instant::ORIGIN))
    }
}

fn agent_config(provision: &Provision) -> Result<Config, ProvisionFault> {
    let mut config = provision.agent_config()?;
    config.reply_max = REPLY_LEN_MAX;
    config.inflated_max = INFLATED_LEN_MAX;
    Ok(config)
}

fn setting<D, S>(comms: &Arc<Mutex<Comms<D, S>>>, facts: &Arc<Facts>) -> Setting
where
    D: Nic + Send + 'static,
    S: Storage + Send + 'static,
{
    let shared = Arc::clone(facts);
    Setting {
        registry: Arc::new(plugin::registry()),
        config: facts.config_variable(),
        prepare: Arc::new(move |session: &mut Session| {
            session.extend(Arc::clone(&shared));
            let entropy: Box<dyn Entropy> = Box::new(ChipEntropy(shared.system));
            session.extend(Arc::new(entropy));
        }),
        outlet: Arc::new(Chunks(Arc::clone(comms))),
        sizes: Sizes::board(),
    }
}

/// Random numbers for `rand()` and `uuid()`.
struct ChipEntropy(&'static dyn System);

impl Entropy for ChipEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault> {
        self.0.fill(buffer).map_err(|_| Fault::note("the source of random numbers failed"))
    }
}
