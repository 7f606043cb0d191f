//! `foreach()` with workers: several rows at a time, each in a thread of its own.
//!
//! The thread that asks for rows reads the source and hands its rows out; workers run the query for them. Both queues
//! are short, so a worker that is ahead waits. Rows come as they are ready. The first fault ends all workers; so does
//! dropping the source, because nobody takes what they make.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::time::Duration;

use spin::Mutex;

use crate::budget::{Fault, Held, Interrupt, Level, Stop};
use crate::context::{Context, LogSink};
use crate::engine::Scope;
use crate::limits::WORKER_RESULTS_MAX;
use crate::rows::{RowSource, Rows, Step};
use crate::threads::{Bell, Threads};
use crate::value::{Now, Row};

/// The longest wait of anybody before looking whether the query was cancelled.
const NAP: Duration = Duration::from_millis(10);
/// Fuel of a worker before it looks at its surroundings.
const FUEL: u64 = 10_000;

/// The rows of all workers.
pub(super) struct Parallel {
    scope: Scope,
    /// The source; nothing after its end.
    rows: Option<Box<dyn Rows>>,
    query: RowSource,
    threads: Arc<dyn Threads>,
    pool: Arc<Pool>,
    workers: usize,
    workers_max: usize,
    /// Rows that were handed out and are not done.
    busy: usize,
    /// The query of a row for which there was no thread at all.
    own: Option<Box<dyn Rows>>,
}

/// What both sides share.
struct Pool {
    jobs: Mutex<VecDeque<Scope>>,
    results: Mutex<VecDeque<Outcome>>,
    results_max: usize,
    /// Rung when there is a job, or room for results.
    work: Arc<dyn Bell>,
    /// Rung when there is a result.
    done: Arc<dyn Bell>,
    stop: Interrupt,
    now: Mutex<Now>,
}

enum Outcome {
    /// A row, which counts as held until it is taken.
    Row(Row, Held),
    Message(Level, String),
    Fault(Fault),
    /// What a worker has charged.
    Steps(u64),
    /// A row of the source is worked off.
    JobDone,
    /// A worker ended, which it does by itself only in a panic.
    Gone,
}

impl Parallel {
    /// Runs `query` for each of `rows` in up to `workers` threads.
    pub(super) fn new(
        cx: &Context,
        threads: &Arc<dyn Threads>,
        scope: &Scope,
        rows: Box<dyn Rows>,
        query: RowSource,
        workers: usize,
    ) -> Self {
        let pool = Pool {
            jobs: Mutex::default(),
            results: Mutex::default(),
            results_max: workers.saturating_mul(WORKER_RESULTS_MAX),
            work: threads.bell(),
            done: threads.bell(),
            stop: cx.interrupt().below(),
            now: Mutex::new(cx.now),
        };
        Self {
            scope: scope.clone(),
            rows: Some(rows),
            query,
            threads: Arc::clone(threads),
            pool: Arc::new(pool),
            workers: 0,
            workers_max: workers,
            busy: 0,
            own: None,
        }
    }

    /// Takes results until there is a row.
    fn take(&mut self, cx: &mut Context) -> Result<Option<Row>, Fault> {
        loop {
            let Some(outcome) = self.pool.results.lock().pop_front() else { return Ok(None) };
            match outcome {
                Outcome::Row(row, _held) => {
                    self.pool.work.ring();
                    return Ok(Some(row));
                }
                Outcome::Message(level, text) => cx.log(level, format_args!("{text}")),
                Outcome::Fault(fault) => return Err(fault),
                Outcome::Steps(steps) => cx.charge(steps)?,
                Outcome::JobDone => self.busy = self.busy.saturating_sub(1),
                Outcome::Gone => return Err(Fault::error("a worker has failed")),
            }
        }
    }

    /// Hands out rows of the source while there is somebody to take them; `None` when all hands are full.
    fn hand_out(&mut self, cx: &mut Context) -> Result<Option<Step>, Fault> {
        while self.busy < self.workers_max {
            let Some(rows) = &mut self.rows else {
                return Ok((self.busy == 0).then_some(Step::End));
            };
            cx.charge(1)?;
            match rows.next(cx)? {
                Step::Row(row) => {
                    let scope = self.scope.with_row(&row);
                    if self.workers <= self.busy {
                        self.hire(cx);
                    }
                    if self.workers == 0 {
                        self.own = Some(self.query.open(cx, &scope)?);
                        return Ok(Some(Step::Yield));
                    }
                    self.busy = self.busy.saturating_add(1);
                    self.pool.jobs.lock().push_back(scope);
                    self.pool.work.ring();
                }
                Step::End => self.rows = None,
                waiting => return Ok(Some(waiting)),
            }
        }
        Ok(None)
    }

    /// Starts one more worker. When there is no thread to spare, those that are there do the work.
    fn hire(&mut self, cx: &mut Context) {
        let log = Box::new(Messages(Arc::clone(&self.pool)));
        let fork = cx.fork(log, self.pool.stop.clone());
        let (pool, query) = (Arc::clone(&self.pool), self.query.clone());
        let work = move || Worker { cx: fork, pool, query }.work();
        if self.threads.start(Box::new(work)) {
            self.workers = self.workers.saturating_add(1);
        } else {
            self.workers_max = self.workers.max(1);
        }
    }
}

impl Rows for Parallel {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if let Some(own) = &mut self.own {
            match own.next(cx)? {
                Step::End => self.own = None,
                step => return Ok(step),
            }
        }
        *self.pool.now.lock() = cx.now;
        let rings = self.pool.done.rings();
        if let Some(row) = self.take(cx)? {
            return Ok(Step::Row(row));
        }
        match self.hand_out(cx)? {
            Some(Step::End) => Ok(Step::End),
            // The source waits, and so would everybody.
            Some(waiting) if self.busy == 0 => Ok(waiting),
            _ => {
                self.pool.done.wait(rings, NAP);
                cx.charge(1)?;
                match self.take(cx)? {
                    Some(row) => Ok(Step::Row(row)),
                    None => Ok(Step::Yield),
                }
            }
        }
    }
}

impl Drop for Parallel {
    fn drop(&mut self) {
        self.pool.stop.set();
        self.pool.work.ring();
    }
}

impl Pool {
    fn tell(&self, outcome: Outcome) {
        self.results.lock().push_back(outcome);
        self.done.ring();
    }

    /// Waits until there is room for a result; answers whether there is, which is not so once all shall end.
    fn has_room(&self) -> bool {
        loop {
            let rings = self.work.rings();
            if self.stop.is_set() {
                return false;
            }
            if self.results.lock().len() < self.results_max {
                return true;
            }
            self.work.wait(rings, NAP);
        }
    }

    fn job(&self) -> Option<Scope> {
        loop {
            let rings = self.work.rings();
            if self.stop.is_set() {
                return None;
            }
            if let Some(job) = self.jobs.lock().pop_front() {
                return Some(job);
            }
            self.work.wait(rings, NAP);
        }
    }
}

/// Takes a worker's messages.
struct Messages(Arc<Pool>);

impl LogSink for Messages {
    fn log(&mut self, level: Level, message: &str) {
        if self.0.has_room() {
            self.0.tell(Outcome::Message(level, message.to_string()));
        }
    }
}

/// One thread.
struct Worker {
    cx: Context,
    pool: Arc<Pool>,
    query: RowSource,
}

impl Worker {
    fn work(mut self) {
        while let Some(scope) = self.pool.job() {
            if let Err(fault) = self.run(&scope) {
                self.pool.tell(Outcome::Fault(fault));
                self.pool.stop.set();
            }
            self.pool.tell(Outcome::JobDone);
        }
    }

    /// Runs the query for one row.
    fn run(&mut self, scope: &Scope) -> Result<(), Fault> {
        self.refuel();
        let mut told = self.cx.steps();
        let mut rows = self.query.open(&mut self.cx, scope)?;
        loop {
            let step = rows.next(&mut self.cx)?;
            if self.cx.is_out_of_fuel() || matches!(step, Step::End) {
                let steps = self.cx.steps();
                self.pool.tell(Outcome::Steps(steps.saturating_sub(told)));
                told = steps;
                self.refuel();
            }
            match step {
                Step::Row(row) if self.pool.has_room() => {
                    let mut held = self.cx.ledger.open();
                    held.take(row.measure().bytes)?;
                    self.pool.tell(Outcome::Row(row, held));
                }
                Step::Row(_) => return Err(Stop::Interrupted.into()),
                Step::Pending(_) => {
                    self.pool.work.wait(self.pool.work.rings(), NAP);
                    self.refuel();
                }
                Step::Yield => {}
                Step::End => return Ok(()),
            }
            if self.pool.stop.is_set() {
                return Err(Stop::Interrupted.into());
            }
        }
    }

    fn refuel(&mut self) {
        let now = *self.pool.now.lock();
        self.cx.refuel(now, FUEL);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.pool.stop.is_set() {
            self.pool.tell(Outcome::Gone);
        }
    }
}
