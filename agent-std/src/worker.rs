//! The thread that runs queries, so that a slow one never delays a poll.
//!
//! Orders go in through an unbounded channel, which the core's own limits bound; reports come out through a short one that
//! blocks: when the queue to the server is full, queries wait.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc as reports;
use troodon_core::envelope::Verified;
use troodon_core::executor::{Executor, NoRoom, Outlet, Output, Setting};
use troodon_core::time::{Instant, Span, UnixTime};
use troodon_proto::{VeloMessage, VqlEventTable};
use troodon_vql::Interrupt;

use crate::limits::REPORTS_WAITING_MAX;

/// The longest sleep of the thread: a clock that jumped must not keep it asleep.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// What the thread has to tell.
#[derive(Debug)]
pub enum Report {
    /// A message for the server.
    Message {
        /// Whether it overtakes others.
        urgent: bool,
        /// The message.
        message: Box<VeloMessage>,
    },
    /// Queued rows of this flow are not wanted.
    Forget(String),
    /// The server wants the agent to end.
    Kill,
}

/// What the thread is told.
enum Order {
    Message(Box<Verified<VeloMessage>>),
    /// The monitoring table of the last run.
    Table(VqlEventTable),
}

type Interrupts = Arc<Mutex<BTreeMap<String, Interrupt>>>;

/// The thread, seen from the comms.
pub struct Worker {
    orders: Option<mpsc::Sender<Order>>,
    interrupts: Interrupts,
    thread: Option<JoinHandle<()>>,
}

/// Chunks of files leave through the same channel as rows, and keep their order with them.
struct Chunks(reports::Sender<Report>);

impl Outlet for Chunks {
    fn send(&self, message: Box<VeloMessage>) -> Result<(), NoRoom> {
        self.0.blocking_send(Report::Message { urgent: false, message }).map_err(|_| NoRoom)
    }
}

impl Worker {
    /// Starts the thread. `setting` makes the executor's setting around the way out for uploads.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start(
        setting: impl FnOnce(Arc<dyn Outlet>) -> Setting,
        epoch: std::time::Instant,
    ) -> io::Result<(Self, reports::Receiver<Report>)> {
        let (orders, ordered) = mpsc::channel();
        let (report, reports) = reports::channel(REPORTS_WAITING_MAX);
        let executor = Executor::new(setting(Arc::new(Chunks(report.clone()))));
        let interrupts = Interrupts::default();
        let desk = Desk { executor, report, interrupts: Arc::clone(&interrupts), epoch };
        let thread =
            thread::Builder::new().name("queries".to_owned()).spawn(move || desk.work(&ordered))?;
        Ok((Self { orders: Some(orders), interrupts, thread: Some(thread) }, reports))
    }

    /// Hands over a verified message of the server.
    pub fn order(&self, message: Verified<VeloMessage>) {
        if message.get().cancel.is_some() {
            // A plugin in the middle of something notices this before the executor comes to the message.
            if let Some(interrupt) = lock(&self.interrupts).get(&message.get().session_id) {
                interrupt.set();
            }
        }
        self.tell(Order::Message(Box::new(message)));
    }

    /// Hands over the monitoring table of the last run.
    pub fn restore(&self, table: VqlEventTable) {
        self.tell(Order::Table(table));
    }

    fn tell(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread ends only after this sender is gone.
            let _told = orders.send(order);
        }
    }

    /// Ends the thread; what runs is interrupted. The receiver of the reports must be gone or be read from.
    pub fn stop(mut self) {
        self.orders = None;
        for interrupt in lock(&self.interrupts).values() {
            interrupt.set();
        }
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so; there is nothing to add.
            let _ended = thread.join();
        }
    }
}

fn lock(interrupts: &Interrupts) -> std::sync::MutexGuard<'_, BTreeMap<String, Interrupt>> {
    // The map is whole between any two operations on it.
    interrupts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread works with.
struct Desk {
    executor: Executor,
    report: reports::Sender<Report>,
    interrupts: Interrupts,
    epoch: std::time::Instant,
}

impl Desk {
    fn work(mut self, ordered: &mpsc::Receiver<Order>) {
        loop {
            loop {
                match ordered.try_recv() {
                    Ok(order) => self.take(order),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            // The channel is what limits: with it full, sending blocks.
            let output = self.executor.poll(self.now(), wall_clock(), usize::MAX);
            let Output::Wait(until) = output else {
                if self.carry_out(output).is_err() {
                    return;
                }
                continue;
            };
            let wait = Duration::from_micros(until.since(self.now()).as_micros()).min(SLEEP_MAX);
            match ordered.recv_timeout(wait) {
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Message(message) => self.executor.handle(*message),
            Order::Table(table) => self.executor.restore(table),
        }
    }

    /// Fails when nobody listens any more.
    fn carry_out(&self, output: Output) -> Result<(), NoRoom> {
        let report = match output {
            Output::Message { urgent, message } => Report::Message { urgent, message },
            Output::Forget(flow) => Report::Forget(flow),
            Output::Kill => Report::Kill,
            Output::Started { flow, interrupt } => {
                lock(&self.interrupts).insert(flow, interrupt);
                return Ok(());
            }
            Output::Ended(flow) => {
                lock(&self.interrupts).remove(&flow);
                return Ok(());
            }
            Output::Wait(_) => return Ok(()),
        };
        self.report.blocking_send(report).map_err(|_| NoRoom)
    }

    fn now(&self) -> Instant {
        since(self.epoch)
    }
}

/// The steady clock of the core: microseconds since `epoch`.
pub fn since(epoch: std::time::Instant) -> Instant {
    let micros = u64::try_from(epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
    Instant::ORIGIN.saturating_add(Span::from_micros(micros))
}

/// The world's time; 1970 if the clock stands before it.
pub fn wall_clock() -> UnixTime {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_nanos(u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX))
}
