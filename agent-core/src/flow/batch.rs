//! One batch of statements that share a scope (a `VQLCollectorArgs`) while it runs, in a flow or as an event query.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use troodon_proto::{VqlCollectorArgs, VqlResponse};
use troodon_vql::{Event, Level, Program, Query, Row, Session, Stop, json};

use super::moment::{Moment, from_queries};
use super::rows::{PartLimits, Rows, Sent};
use super::setting::{Inbox, Scope};
use crate::limits;
use crate::time::{Instant, Span};

/// A batch that was started.
pub(crate) struct Batch {
    /// Without what the session took, and without the statements that have begun.
    args: VqlCollectorArgs,
    name: String,
    part_bytes: usize,
    session: Session,
    inbox: Inbox,
    stage: Stage,
    sent: Sent,
    ready: VecDeque<Ready>,
}

/// What a batch has for its flow.
#[derive(Debug)]
pub(crate) enum Ready {
    /// Rows to ship.
    Part(Box<VqlResponse>),
    /// A line for the log.
    Log(Level, String),
}

/// How a slice of work ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// There is more to do at once.
    Again,
    /// There is nothing to do before.
    Until(Instant),
    /// The batch did all it could.
    Ended,
    /// The batch cannot go on, for this reason.
    Failed(String),
    /// Somebody set the switch of the flow.
    Interrupted,
    /// A row did not fit in what the flow may still collect; it was dropped.
    TooManyRows,
}

enum Stage {
    /// The precondition runs, in a session of its own.
    Asking { query: Query, session: Box<Session>, inbox: Inbox },
    /// Statement `.0` is the next.
    Between(usize),
    /// A statement runs.
    Running { index: usize, query: Query, rows: Rows },
    /// Nothing more will happen.
    Over,
}

/// What one slice of work may use.
#[derive(Debug)]
pub(crate) struct Slice<'a> {
    pub(crate) moment: Moment,
    pub(crate) fuel: u64,
    /// Rows that the flow may still collect.
    pub(crate) rows_left: &'a mut u64,
}

impl Batch {
    /// A batch that has not begun. `make` makes a session in the scope of the batch; the precondition has one of its own, so
    /// that its LETs stay its own.
    ///
    /// # Errors
    ///
    /// Why nothing can run: no statement, expired, or a precondition that does not parse.
    pub(crate) fn start(
        mut args: VqlCollectorArgs,
        part_bytes: usize,
        moment: Moment,
        mut make: impl FnMut(Scope) -> (Session, Inbox),
    ) -> Result<Self, String> {
        if args.query.is_empty() {
            return Err("the request holds no query".to_string());
        }
        if args.expiry > 0 && args.expiry < moment.wall.as_seconds() {
            return Err(format!("the request expired at {} (Unix time)", args.expiry));
        }
        let (env, artifacts) = (mem::take(&mut args.env), mem::take(&mut args.artifacts));
        let artifacts = Arc::from(artifacts);
        let stage = if args.precondition.trim().is_empty() {
            Stage::Between(0)
        } else {
            let program = Program::parse(&args.precondition)
                .map_err(|error| format!("ERROR:the precondition does not parse: {error}"))?;
            let (session, inbox) = make((env.clone(), Arc::clone(&artifacts)));
            Stage::Asking { query: Query::new(program), session: Box::new(session), inbox }
        };
        let (session, inbox) = make((env, artifacts));
        let mut ready = VecDeque::new();
        let name = name_of(&args).to_string();
        ready.push_back(Ready::Log(Level::Info, format!("query {name} starts")));
        Ok(Self {
            part_bytes: part_bytes_of(&args, part_bytes),
            args,
            name,
            session,
            inbox,
            stage,
            sent: Sent::default(),
            ready,
        })
    }

    /// What is ready, in the order in which it came to be.
    pub(crate) fn take(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// When a part has to be shipped at the latest.
    pub(crate) fn due_at(&self) -> Instant {
        match &self.stage {
            Stage::Running { rows, .. } => rows.due_at(),
            Stage::Asking { .. } | Stage::Between(_) | Stage::Over => Instant::NEVER,
        }
    }

    /// Ships the part that waited long enough.
    pub(crate) fn ship_due(&mut self, moment: Moment) {
        if let Stage::Running { rows, .. } = &mut self.stage
            && rows.is_due(moment.now)
        {
            let part = rows.take(moment.wall, &mut self.sent);
            self.ready.extend(part.map(Box::new).map(Ready::Part));
        }
    }

    /// Ends the batch and ships what it has.
    pub(crate) fn stop(&mut self, moment: Moment) {
        if let Stage::Running { rows, .. } = &mut self.stage {
            let part = rows.take(moment.wall, &mut self.sent);
            self.ready.extend(part.map(Box::new).map(Ready::Part));
        }
        self.stage = Stage::Over;
    }

    /// Works for one slice. What came out is then taken with [`Batch::take`].
    pub(crate) fn run(&mut self, slice: &mut Slice<'_>) -> Turn {
        let turn = match &mut self.stage {
            Stage::Asking { .. } => self.ask(slice),
            Stage::Between(index) => {
                let index = *index;
                self.begin(index)
            }
            Stage::Running { .. } => self.advance(slice),
            Stage::Over => Turn::Ended,
        };
        self.collect_log();
        turn
    }

    /// Runs the precondition: one row is enough.
    fn ask(&mut self, slice: &Slice<'_>) -> Turn {
        let Stage::Asking { query, session, inbox } = &mut self.stage else { return Turn::Ended };
        let event = query.step(session, slice.moment.for_queries(), slice.fuel);
        let messages = inbox.take();
        self.ready.extend(messages.into_iter().map(|(level, text)| Ready::Log(level, text)));
        match event {
            Ok(Event::Row(_)) => {
                self.stage = Stage::Between(0);
                Turn::Again
            }
            Ok(Event::OutOfFuel) => Turn::Again,
            Ok(Event::Pending(until)) => Turn::Until(from_queries(until)),
            Ok(Event::End) => {
                let text = format!("query {} is left out: its precondition is false", self.name);
                self.ready.push_back(Ready::Log(Level::Info, text));
                self.stage = Stage::Over;
                Turn::Ended
            }
            Err(stop) => failed(stop),
        }
    }

    /// Parses the next statement. A text that does not parse ends the batch: what follows builds on it.
    fn begin(&mut self, index: usize) -> Turn {
        let Some(request) = self.args.query.get_mut(index).map(mem::take) else {
            self.stage = Stage::Over;
            return Turn::Ended;
        };
        let program = match Program::parse(&request.vql) {
            Ok(program) => program,
            Err(error) => {
                self.stage = Stage::Over;
                return Turn::Failed(format!("statement {index} does not parse: {error}"));
            }
        };
        let limits = PartLimits {
            rows: if self.args.max_row == 0 { limits::PART_ROWS } else { self.args.max_row },
            bytes: self.part_bytes,
            wait: if self.args.max_wait == 0 {
                limits::PART_WAIT
            } else {
                Span::from_secs(self.args.max_wait)
            },
        };
        let rows = Rows::new(request, u64::try_from(index).unwrap_or(u64::MAX), limits);
        self.stage = Stage::Running { index, query: Query::new(program), rows };
        Turn::Again
    }

    /// Pulls rows until the slice is used up.
    fn advance(&mut self, slice: &mut Slice<'_>) -> Turn {
        for _ in 0..limits::ROWS_PER_SLICE {
            let Stage::Running { index, query, rows } = &mut self.stage else { break };
            let now = slice.moment.for_queries();
            match query.step(&mut self.session, now, slice.fuel) {
                Ok(Event::Row(row)) => {
                    // Only what has a name has a place on the server (docs/protocol.md section 6.6).
                    if rows.has_name() {
                        if *slice.rows_left == 0 {
                            return Turn::TooManyRows;
                        }
                        *slice.rows_left = slice.rows_left.saturating_sub(1);
                        json::write_line(&row, rows.buffer());
                        rows.added(slice.moment.now, || names(&row));
                    }
                    self.ship_due(slice.moment);
                }
                Ok(Event::OutOfFuel) => return Turn::Again,
                Ok(Event::Pending(until)) => return Turn::Until(from_queries(until)),
                Ok(Event::End) => {
                    let next = index.saturating_add(1);
                    let part = rows.take(slice.moment.wall, &mut self.sent);
                    self.ready.extend(part.map(Box::new).map(Ready::Part));
                    self.stage = Stage::Between(next);
                }
                Err(stop) => return failed(stop),
            }
        }
        Turn::Again
    }

    fn collect_log(&mut self) {
        let messages = self.inbox.take();
        self.ready.extend(messages.into_iter().map(|(level, text)| Ready::Log(level, text)));
    }
}

fn failed(stop: Stop) -> Turn {
    match stop {
        Stop::Interrupted => Turn::Interrupted,
        other => Turn::Failed(other.to_string()),
    }
}

/// The name of the first query that has one: what people know the batch by.
pub(crate) fn name_of(args: &VqlCollectorArgs) -> &str {
    args.query
        .iter()
        .map(|request| request.name.as_str())
        .find(|name| !name.is_empty())
        .unwrap_or("")
}

/// A request may ask for smaller parts than the agent would make, not for larger ones.
fn part_bytes_of(args: &VqlCollectorArgs, own: usize) -> usize {
    match usize::try_from(args.max_row_buffer_size) {
        Ok(0) | Err(_) => own,
        Ok(asked) => asked.min(own),
    }
}

fn names(row: &Row) -> Vec<String> {
    row.columns().names().iter().map(|name| name.to_str_lossy().into_owned()).collect()
}
