//! Plugins that change the rows of other queries.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::text::shown;
use crate::args::Args;
use crate::budget::{Fault, Stop};
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::ROWS_REMEMBERED_MAX;
use crate::pattern::Case;
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::sorted::Map;
use crate::value::{Instant, Row, RowBuilder, Text, Value};

const QUERY: Arg = Arg::required("query", Kind::Rows, "The query.");

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "column_filter",
        "The rows of a query with some of their columns.",
        &[
            QUERY,
            Arg::optional("include", Kind::List, "Patterns of the columns to keep (all)."),
            Arg::optional("exclude", Kind::List, "Patterns of the columns to leave out."),
        ],
        column_filter,
    ),
    &Plugin::new(
        "combine",
        "The rows of several queries as they come.",
        &[Arg::optional(
            "async",
            Kind::Bool,
            "Accepted for compatibility; queries always take turns.",
        )],
        combine,
    )
    .keeps_others(),
    &Plugin::new(
        "dedup",
        "The rows of a query whose key was not seen before, or not for some time.",
        &[
            QUERY,
            Arg::required("key", Kind::String, "The column with the key."),
            Arg::optional("timeout", Kind::Int, "Seconds after which a key counts as unseen (10)."),
        ],
        dedup,
    ),
    &Plugin::new(
        "delay",
        "The rows of a query, each some seconds later.",
        &[QUERY, Arg::required("delay", Kind::Int, "Seconds.")],
        delay,
    ),
    &Plugin::new(
        "diff",
        "What is added to and removed from the rows of a query that is run again and again (`Diff`).",
        &[
            QUERY,
            Arg::required("key", Kind::String, "The column that identifies a row."),
            Arg::optional("period", Kind::Int, "Seconds between runs (60)."),
        ],
        diff,
    ),
    &Plugin::new(
        "sample",
        "Every n-th row of a query.",
        &[QUERY, Arg::required("n", Kind::Int, "Of how many rows the first is kept.")],
        sample,
    ),
    &Plugin::new(
        "sequence",
        "The rows of several queries, one query after the other.",
        &[],
        sequence,
    )
    .keeps_others(),
    &Plugin::new("switch", "The rows of the first of several queries that has any.", &[], switch)
        .keeps_others(),
];

type Opened = Result<Box<dyn Rows>, Fault>;

/// The queries among the arguments of any name, in the order of the call.
fn queries(cx: &mut Context, args: &Args) -> Result<VecDeque<RowSource>, Stop> {
    args.others().map(|(_, lazy)| lazy.value(cx).map(RowSource::from)).collect()
}

fn opened(cx: &mut Context, scope: &Scope, args: &Args) -> Opened {
    args.rows("query").unwrap_or(&RowSource::Nothing).open(cx, scope)
}

/// Passes rows on after a change; NULL rows are dropped.
struct Changed<F> {
    rows: Box<dyn Rows>,
    change: F,
}

impl<F: FnMut(&mut Context, Row) -> Result<Option<Row>, Fault> + Send> Rows for Changed<F> {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let row = match self.rows.next(cx)? {
            Step::Row(row) => row,
            other => return Ok(other),
        };
        // A dropped row gives way, so that a filter that drops all of them can be cancelled.
        Ok((self.change)(cx, row)?.map_or(Step::Yield, Step::Row))
    }
}

fn column_filter(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let mut patterns = |name: &str| -> Result<Vec<_>, Fault> {
        let list = args.list(name).map_or_else(Vec::new, |list| list.to_vec());
        list.iter()
            .map(|text| cx.pattern(&Text::from(shown(text).into_owned()), Case::Ignored))
            .collect()
    };
    let (include, exclude) = (patterns("include")?, patterns("exclude")?);
    let rows = opened(cx, scope, &args)?;
    let change = move |_: &mut Context, row: Row| {
        let mut kept = RowBuilder::new();
        for (name, value) in row.iter() {
            let is_in = include.is_empty() || include.iter().any(|pattern| pattern.is_match(name));
            if is_in && !exclude.iter().any(|pattern| pattern.is_match(name)) {
                kept.set(name.clone(), value.clone());
            }
        }
        Ok(Some(kept.build()))
    };
    Ok(Box::new(Changed { rows, change }))
}

fn dedup(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let key = args.text("key").cloned().unwrap_or_default();
    let timeout = seconds(args.int("timeout").unwrap_or(10));
    let mut seen = Map::default();
    let change = move |cx: &mut Context, row: Row| {
        let now = cx.instant();
        let value = row.get(&key).map(|value| shown(value).into_owned()).unwrap_or_default();
        if seen.get(&value).is_some_and(|until| *until > now) {
            return Ok(None);
        }
        if seen.len() >= ROWS_REMEMBERED_MAX {
            seen.retain(|_, until: &mut Instant| *until > now);
        }
        if seen.len() < ROWS_REMEMBERED_MAX {
            seen.insert(value, now.after(timeout));
        }
        Ok(Some(row))
    };
    Ok(Box::new(Changed { rows: opened(cx, scope, &args)?, change }))
}

fn sample(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let n = args.int("n").unwrap_or(1).max(1);
    let mut count = 0_i64;
    let change = move |_: &mut Context, row: Row| {
        let is_kept = count.checked_rem(n) == Some(0);
        count = count.wrapping_add(1);
        Ok(is_kept.then_some(row))
    };
    Ok(Box::new(Changed { rows: opened(cx, scope, &args)?, change }))
}

fn sequence(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let waiting = queries(cx, &args)?;
    Ok(Box::new(InTurn {
        scope: scope.clone(),
        waiting,
        current: None,
        stops: Stops::AtEnd,
        any: false,
    }))
}

fn switch(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let waiting = queries(cx, &args)?;
    Ok(Box::new(InTurn {
        scope: scope.clone(),
        waiting,
        current: None,
        stops: Stops::AfterRows,
        any: false,
    }))
}

/// Queries that run one after the other.
struct InTurn {
    scope: Scope,
    waiting: VecDeque<RowSource>,
    current: Option<Box<dyn Rows>>,
    stops: Stops,
    any: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stops {
    /// When all queries have ended.
    AtEnd,
    /// When a query that had a row has ended.
    AfterRows,
}

impl Rows for InTurn {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let Some(rows) = &mut self.current else {
                let Some(source) = self.waiting.pop_front() else { return Ok(Step::End) };
                self.current = Some(source.open(cx, &self.scope)?);
                continue;
            };
            match rows.next(cx)? {
                Step::End if self.any && self.stops == Stops::AfterRows => return Ok(Step::End),
                Step::End => self.current = None,
                step => {
                    self.any |= matches!(step, Step::Row(_));
                    return Ok(step);
                }
            }
        }
    }
}

fn combine(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let mut sources = VecDeque::new();
    for source in queries(cx, &args)? {
        sources.push_back(Some(source.open(cx, scope)?));
    }
    Ok(Box::new(Combined { running: sources }))
}

/// Queries that take turns, so that event queries among them do not keep the others waiting.
struct Combined {
    running: VecDeque<Option<Box<dyn Rows>>>,
}

impl Rows for Combined {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        self.running.retain(Option::is_some);
        let mut soonest: Option<Instant> = None;
        for _ in 0..self.running.len() {
            let Some(slot) = self.running.front_mut() else { break };
            let Some(rows) = slot else { continue };
            let step = rows.next(cx)?;
            if matches!(step, Step::End) {
                *slot = None;
            }
            self.running.rotate_left(1);
            match step {
                Step::Row(_) | Step::Yield => return Ok(step),
                Step::End => return Ok(Step::Yield),
                Step::Pending(until) => {
                    soonest = Some(soonest.map_or(until, |known| known.min(until)));
                }
            }
        }
        Ok(soonest.map_or(Step::End, Step::Pending))
    }
}

fn delay(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    let delay = seconds(args.int("delay").unwrap_or(0));
    Ok(Box::new(Delayed {
        rows: opened(cx, scope, &args)?,
        delay,
        held: VecDeque::new(),
        ended: false,
    }))
}

struct Delayed {
    rows: Box<dyn Rows>,
    delay: Duration,
    held: VecDeque<(Instant, Row)>,
    ended: bool,
}

impl Rows for Delayed {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let now = cx.instant();
        if self.held.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, row)) = self.held.pop_front()
        {
            return Ok(Step::Row(row));
        }
        let due = self.held.front().map(|(due, _)| *due);
        if self.ended || self.held.len() >= ROWS_REMEMBERED_MAX {
            return Ok(due.map_or(Step::End, Step::Pending));
        }
        Ok(match self.rows.next(cx)? {
            Step::Row(row) => {
                self.held.push_back((now.after(self.delay), row));
                Step::Yield
            }
            Step::End => {
                self.ended = true;
                Step::Yield
            }
            Step::Pending(until) => Step::Pending(due.map_or(until, |due| due.min(until))),
            Step::Yield => Step::Yield,
        })
    }
}

fn diff(cx: &mut Context, scope: &Scope, args: Args) -> Opened {
    Ok(Box::new(Diff {
        scope: scope.clone(),
        source: args.rows("query").cloned().unwrap_or(RowSource::Nothing),
        key: args.text("key").cloned().unwrap_or_default(),
        period: seconds(args.int("period").unwrap_or(60).max(1)),
        run: None,
        due: cx.instant(),
        known: None,
        seen: Map::default(),
        ready: VecDeque::new(),
    }))
}

struct Diff {
    scope: Scope,
    source: RowSource,
    key: Text,
    period: Duration,
    run: Option<Box<dyn Rows>>,
    due: Instant,
    /// The rows of the last complete run by key; nothing before the first one.
    known: Option<Map<Vec<u8>, Row>>,
    seen: Map<Vec<u8>, Row>,
    ready: VecDeque<Row>,
}

impl Rows for Diff {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if let Some(row) = self.ready.pop_front() {
            return Ok(Step::Row(row));
        }
        let Some(run) = &mut self.run else {
            if cx.instant() < self.due {
                return Ok(Step::Pending(self.due));
            }
            self.due = cx.instant().after(self.period);
            self.run = Some(self.source.open(cx, &self.scope)?);
            return Ok(Step::Yield);
        };
        match run.next(cx)? {
            Step::Row(row) => {
                cx.charge(1)?;
                let key = row.get(&self.key).map(|key| shown(key).into_owned()).unwrap_or_default();
                if self.seen.len() >= ROWS_REMEMBERED_MAX && !self.seen.contains_key(&key) {
                    return Err(Fault::error(alloc::format!(
                        "query has more than {ROWS_REMEMBERED_MAX} rows to compare"
                    )));
                }
                self.seen.insert(key, row);
            }
            Step::End => self.compare(),
            other => return Ok(other),
        }
        Ok(Step::Yield)
    }
}

impl Diff {
    fn compare(&mut self) {
        self.run = None;
        let seen = core::mem::take(&mut self.seen);
        if let Some(known) = &self.known {
            let added = seen.iter().filter(|(key, _)| !known.contains_key(*key));
            self.ready.extend(added.map(|(_, row)| marked(row, "added")));
            let removed = known.iter().filter(|(key, _)| !seen.contains_key(*key));
            self.ready.extend(removed.map(|(_, row)| marked(row, "removed")));
        }
        self.known = Some(seen);
    }
}

fn marked(row: &Row, how: &'static str) -> Row {
    let mut out = RowBuilder::new();
    for (name, value) in row.iter() {
        out.set(name.clone(), value.clone());
    }
    out.set("Diff", Value::from(how));
    out.build()
}

fn seconds(count: i64) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}
