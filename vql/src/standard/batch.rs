//! Plugins that hold some rows of a query: `batch()` and `fifo()`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Closure, Scope, truth};
use crate::limits::{FIFOS_MAX, ROWS_REMEMBERED_MAX};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::sorted::Map;
use crate::value::{Columns, Instant, Row, Text, Value};

const QUERY: Arg = Arg::required("query", Kind::Rows, "The query.");

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "batch",
        "The rows of a query in groups: a row with the list `rows` for each.",
        &[
            QUERY,
            Arg::optional("batch_size", Kind::Int, "Rows in a group (10000)."),
            Arg::optional(
                "batch_func",
                Kind::Lambda,
                "Told the rows of the group so far; the group ends when it is true.",
            ),
            Arg::optional("timeout", Kind::Int, "Seconds after which a group ends (none)."),
        ],
        batch,
    ),
    &Plugin::new(
        "fifo",
        "The last rows of an event query, which runs on behind it. Each use yields what is held then.",
        &[
            QUERY,
            Arg::optional("max_age", Kind::Int, "Seconds after which a row is forgotten (60)."),
            Arg::optional("max_rows", Kind::Int, "Rows to hold (1000); the oldest go first."),
            Arg::optional("flush", Kind::Bool, "Forget what was yielded (false)."),
        ],
        fifo,
    ),
];

/// A number of rows that an argument asks for.
fn count(args: &Args, name: &str, default: usize) -> usize {
    let given = args.int(name).and_then(|number| usize::try_from(number).ok());
    given.filter(|number| *number > 0).unwrap_or(default).min(ROWS_REMEMBERED_MAX)
}

fn seconds(args: &Args, name: &str) -> Option<Duration> {
    let given = args.int(name).and_then(|number| u64::try_from(number).ok());
    given.filter(|number| *number > 0).map(Duration::from_secs)
}

fn batch(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    Ok(Box::new(Batch {
        rows: args.rows("query").unwrap_or(&RowSource::Nothing).open(cx, scope)?,
        scope: scope.clone(),
        columns: Columns::fixed(&["rows"]),
        size: count(&args, "batch_size", ROWS_REMEMBERED_MAX),
        full: args.lambda("batch_func").cloned(),
        timeout: seconds(&args, "timeout"),
        group: Vec::new(),
        due: None,
        ended: false,
    }))
}

struct Batch {
    rows: Box<dyn Rows>,
    scope: Scope,
    columns: Columns,
    size: usize,
    full: Option<Arc<Closure>>,
    timeout: Option<Duration>,
    group: Vec<Value>,
    /// When the group ends even if it is not full.
    due: Option<Instant>,
    ended: bool,
}

impl Rows for Batch {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if self.ended {
            return Ok(Step::End);
        }
        if self.due.is_some_and(|due| due <= cx.instant()) {
            return Ok(self.group());
        }
        match self.rows.next(cx)? {
            Step::Row(row) => {
                cx.charge(1)?;
                self.group.push(row.into());
                if self.due.is_none() {
                    self.due = self.timeout.map(|span| cx.instant().after(span));
                }
                let is_full = self.group.len() >= self.size || self.asks_to_end(cx)?;
                Ok(if is_full { self.group() } else { Step::Yield })
            }
            Step::Pending(until) => Ok(Step::Pending(self.due.map_or(until, |due| due.min(until)))),
            Step::Yield => Ok(Step::Yield),
            Step::End => {
                self.ended = true;
                Ok(if self.group.is_empty() { Step::End } else { self.group() })
            }
        }
    }
}

impl Batch {
    fn asks_to_end(&self, cx: &mut Context) -> Result<bool, Fault> {
        let Some(full) = &self.full else { return Ok(false) };
        let answer = full.call(cx, &self.scope, &[Value::from(self.group.clone())])?;
        Ok(truth(cx, &self.scope, &answer)?)
    }

    fn group(&mut self) -> Step {
        self.due = None;
        let rows = mem::take(&mut self.group);
        Step::Row(Row::new(&self.columns, alloc::vec![Value::from(rows)]))
    }
}

/// The queues of a session by the text of their query.
#[derive(Default)]
struct Queues(Map<Text, Queue>);

struct Queue {
    rows: Box<dyn Rows>,
    held: VecDeque<(Instant, Row)>,
    max_rows: usize,
    max_age: Duration,
    ended: bool,
}

/// The default age of `fifo()`.
const AGE_DEFAULT: Duration = Duration::from_secs(60);

/// The default length of `fifo()`.
const ROWS_DEFAULT: usize = 1_000;

fn fifo(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let Some(source) = args.rows("query") else { return RowSource::Nothing.open(cx, scope) };
    let key = Text::from(format!("{source:?}"));
    let mut queues = cx.take_state::<Queues>();
    if !queues.0.contains_key(&key) {
        if queues.0.len() >= FIFOS_MAX {
            cx.keep_state(queues);
            return Err(Fault::error(format!("a session may have {FIFOS_MAX} queues")));
        }
        let queue = Queue {
            rows: source.open(cx, scope)?,
            held: VecDeque::new(),
            max_rows: count(&args, "max_rows", ROWS_DEFAULT),
            max_age: seconds(&args, "max_age").unwrap_or(AGE_DEFAULT),
            ended: false,
        };
        queues.0.insert(key.clone(), queue);
    }
    cx.keep_state(queues);
    Ok(Box::new(Fifo { key, flush: args.flag("flush"), ready: None }))
}

struct Fifo {
    key: Text,
    flush: bool,
    ready: Option<VecDeque<Row>>,
}

impl Rows for Fifo {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if let Some(ready) = &mut self.ready {
            return Ok(ready.pop_front().map_or(Step::End, Step::Row));
        }
        let mut queues = cx.take_state::<Queues>();
        // Put back before anything fails, so that a query inside finds its own queues.
        let mut queue = queues.0.remove(&self.key);
        cx.keep_state(queues);
        let caught_up = queue.as_mut().map_or(Ok(true), |queue| queue.catch_up(cx));
        if let (Some(queue), Ok(true)) = (&mut queue, &caught_up) {
            self.ready = Some(queue.held.iter().map(|(_, row)| row.clone()).collect());
            if self.flush {
                queue.held.clear();
            }
        }
        let mut queues = cx.take_state::<Queues>();
        if let Some(queue) = queue {
            queues.0.insert(self.key.clone(), queue);
        }
        cx.keep_state(queues);
        caught_up?;
        Ok(Step::Yield)
    }
}

impl Queue {
    /// Takes in what the query has to say; false if the fuel ran out before it had nothing more.
    fn catch_up(&mut self, cx: &mut Context) -> Result<bool, Fault> {
        let now = cx.instant();
        let mut done = true;
        while !self.ended {
            if cx.is_out_of_fuel() {
                done = false;
                break;
            }
            cx.charge(1)?;
            match self.rows.next(cx)? {
                Step::Row(row) => {
                    self.held.push_back((now, row));
                    if self.held.len() > self.max_rows {
                        self.held.pop_front();
                    }
                }
                Step::Yield => {}
                Step::Pending(_) => break,
                Step::End => self.ended = true,
            }
        }
        while self.held.front().is_some_and(|(came, _)| came.after(self.max_age) <= now) {
            self.held.pop_front();
        }
        Ok(done)
    }
}
