//! `chain()`: the rows of several queries.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{Scope, truth};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};

pub(super) static CHAIN: Plugin = Plugin::new(
    "chain",
    "Runs its arguments, which are queries of any name, one after the other.",
    &[Arg::optional("async", Kind::Any, "Runs all queries at the same time.")],
    chain,
)
.keeps_others();

fn chain(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let mut sources = Vec::new();
    for (_, query) in args.others() {
        sources.push(RowSource::from(query.value(cx)?));
    }
    let is_async = match args.value("async") {
        Some(value) => truth(cx, scope, value)?,
        None => false,
    };
    if !is_async {
        sources.reverse();
        return Ok(Box::new(Sequence { scope: scope.clone(), sources, current: None }));
    }
    let mut running = Vec::with_capacity(sources.len());
    for source in sources {
        running.push(source.open(cx, scope)?);
    }
    Ok(Box::new(Together { running, next: 0 }))
}

/// One query after the other; the next one is last.
struct Sequence {
    scope: Scope,
    sources: Vec<RowSource>,
    current: Option<Box<dyn Rows>>,
}

impl Rows for Sequence {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            if let Some(rows) = &mut self.current {
                match rows.next(cx)? {
                    Step::End => self.current = None,
                    step => return Ok(step),
                }
            }
            let Some(source) = self.sources.pop() else { return Ok(Step::End) };
            self.current = Some(source.open(cx, &self.scope)?);
        }
    }
}

/// All queries in turns, so that event queries can wait together.
struct Together {
    running: Vec<Box<dyn Rows>>,
    next: usize,
}

impl Rows for Together {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let mut until = None;
        let mut asked = 0_usize;
        while asked < self.running.len() {
            let at = if self.next < self.running.len() { self.next } else { 0 };
            let Some(rows) = self.running.get_mut(at) else { break };
            match rows.next(cx)? {
                Step::End => {
                    drop(self.running.remove(at));
                    self.next = at;
                    continue;
                }
                Step::Pending(instant) => {
                    until = Some(until.map_or(instant, |first| instant.min(first)));
                }
                step => {
                    self.next = at.saturating_add(1);
                    return Ok(step);
                }
            }
            self.next = at.saturating_add(1);
            asked = asked.saturating_add(1);
        }
        Ok(until.map_or(Step::End, Step::Pending))
    }
}
