//! The firmware: puts the parts of a board together and runs them for ever.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smoltcp::phy::Device;
use spin::Mutex;
use troodon_core::agent::{Agent, Config, Input, StartFault};
use troodon_core::executor::{Executor, Output, Setting, Sizes};
use troodon_core::provision::{Provision, ProvisionFault};
use troodon_core::queue::{QueueFault, QueueLimits};
use troodon_core::storage::Storage;
use troodon_core::time::{Instant, UnixTime};
use troodon_proto::VeloMessage;
use troodon_vql::{Entropy, Fault, Session};
use zeroize::Zeroizing;

use crate::comms::{Chunks, Comms, Order};
use crate::facts::Facts;
use crate::identity::{IdentityFault, identity};
use crate::limits::{INFLATED_LEN_MAX, REPLY_LEN_MAX};
use crate::network::Network;
use crate::plugin;
use crate::system::{NoEntropy, System};

/// What a board crate brings.
pub struct Parts<D, S> {
    /// Time, sleep, entropy, console.
    pub system: &'static dyn System,
    /// The Ethernet controller.
    pub device: D,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// What outlives power.
    pub storage: S,
    /// How much of it the queue may take.
    pub queue: QueueLimits,
    /// The flash that begins with the provisioning.
    pub provision: &'static [u8],
    /// Why the firmware before this one ended, if it panicked.
    pub last_panic: Option<String>,
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
}

impl fmt::Display for BootFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entropy(fault) => fault.fmt(f),
            Self::Identity(fault) => fault.fmt(f),
            Self::Provision(fault) => fault.fmt(f),
            Self::Start(fault) => fault.fmt(f),
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
}

impl<D, S> Firmware<D, S>
where
    D: Device + Send + 'static,
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
        let Parts { system, device, mac, mut storage, queue, provision, last_panic } = parts;
        if let Some(last) = &last_panic {
            system.say(format_args!("the firmware before this one ended: {last}"));
        }
        let provision = Provision::parse(provision).map_err(BootFault::Provision)?;
        let config = agent_config(&provision).map_err(BootFault::Provision)?;
        let mut seed = Zeroizing::new([0; 32]);
        system.fill(seed.as_mut()).map_err(BootFault::Entropy)?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let key =
            identity(&provision, &mut storage, &mut rng, system).map_err(BootFault::Identity)?;
        let agent = Agent::new(config, key, storage, queue, &mut rng).map_err(BootFault::Start)?;
        system.say(format_args!("{} is {}", provision.name, agent.id()));
        let facts = Arc::new(Facts {
            system,
            name: provision.name,
            labels: provision.labels,
            mac,
            issued_at: provision.issued_at,
            last_panic,
            address: Mutex::default(),
        });
        let network = Network::new(device, mac, rng.next_u64(), system.now());
        let mut comms = Comms::new(agent, network, Arc::clone(&facts), rng);
        let reset_at = UnixTime::from_secs(provision.issued_at);
        comms.handle(Input::Clock(reset_at));
        let comms = Arc::new(Mutex::new(comms));
        let executor = Executor::new(setting(&comms, &facts));
        Ok(Self { comms, executor, system, reset_at, held: None })
    }

    /// Runs for ever.
    pub fn run(mut self) -> ! {
        loop {
            let wake_at = self.comms.lock().turn();
            let work_at = self.work();
            if wake_at.min(work_at) > self.system.now() {
                self.system.idle();
            }
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

fn agent_config(provision: &Provision) -> Result<Config, ProvisionFault> {
    let mut config = provision.agent_config()?;
    config.reply_max = REPLY_LEN_MAX;
    config.inflated_max = INFLATED_LEN_MAX;
    Ok(config)
}

fn setting<D, S>(comms: &Arc<Mutex<Comms<D, S>>>, facts: &Arc<Facts>) -> Setting
where
    D: Device + Send + 'static,
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
