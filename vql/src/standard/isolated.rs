//! `query()`: statements that see none of the caller's variables but those they are given.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::text::shown;
use crate::access::Permission;
use crate::args::Args;
use crate::budget::{Fault, Level};
use crate::context::Context;
use crate::engine::{Binding, Scope, eval, open_select, resolve};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::syntax::ast::{Body, Let, Statement};
use crate::syntax::parse_program;
use crate::value::{Instant, Text, Value};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "query",
    "Runs a query, or statements given as text, with variables of their own.",
    &[
        Arg::required("query", Kind::Any, "The query, or the text of statements."),
        Arg::optional("env", Kind::Dict, "The variables."),
        Arg::optional("copy_env", Kind::List, "Names of variables to take over."),
        Arg::optional("inherit", Kind::Bool, "Take over all variables (false)."),
        Arg::optional("timeout", Kind::Float, "Seconds after which the query ends (none)."),
        Arg::optional("progress_timeout", Kind::Float, "The same, counted from the last row."),
        Arg::optional("cpu_limit", Kind::Float, "Accepted for compatibility."),
        Arg::optional("iops_limit", Kind::Float, "Accepted for compatibility."),
        Arg::optional("runas", Kind::String, "Refused: a query runs as whoever asked."),
        Arg::optional("org_id", Kind::String, "Refused: a query stays in its organisation."),
    ],
    query,
)];

fn query(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    for name in ["runas", "org_id"] {
        if args.text(name).is_some_and(|text| !text.is_empty()) {
            cx.require("query", &[Permission::Impersonation])?;
            return Err(Fault::error(alloc::format!("{name} is not supported by this host")));
        }
    }
    let mut bindings = Vec::new();
    for name in args.list("copy_env").map_or(&[][..], |list| list) {
        let name = Text::from(shown(name).into_owned());
        if let Some(binding) = scope.find(cx, &name)? {
            bindings.push((name, binding));
        }
    }
    if let Some(env) = args.dict("env") {
        let given = env.iter().map(|(name, value)| (name.clone(), Binding::Value(value.clone())));
        bindings.extend(given);
    }
    let outside = if args.flag("inherit") { scope.clone() } else { Scope::root(&Arc::default()) };
    let scope = outside.with_bindings(bindings);
    let (current, waiting) = match args.value("query") {
        Some(Value::Str(text)) => {
            let program = parse_program(&text.to_str_lossy());
            (None, program.map_err(|why| Fault::error(why.to_string()))?.into())
        }
        Some(other) => (Some(RowSource::from(other.clone()).open(cx, &scope)?), VecDeque::new()),
        None => (None, VecDeque::new()),
    };
    let span = |name| Duration::try_from_secs_f64(args.float(name)?).ok().filter(|s| !s.is_zero());
    Ok(Box::new(Isolated {
        scope,
        current,
        waiting,
        end: span("timeout").map(|span| cx.instant().after(span)),
        patience: span("progress_timeout"),
        last_row: cx.instant(),
    }))
}

struct Isolated {
    scope: Scope,
    current: Option<Box<dyn Rows>>,
    waiting: VecDeque<Statement>,
    end: Option<Instant>,
    patience: Option<Duration>,
    last_row: Instant,
}

impl Rows for Isolated {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let now = cx.instant();
        let impatient = self.patience.map(|span| self.last_row.after(span));
        let due = [self.end, impatient].into_iter().flatten().min();
        if due.is_some_and(|due| due <= now) {
            cx.log(Level::Default, format_args!("query: timed out"));
            return Ok(Step::End);
        }
        let Some(rows) = &mut self.current else {
            return match self.waiting.pop_front() {
                None => Ok(Step::End),
                Some(statement) => self.begin(cx, &statement).map(|()| Step::Yield),
            };
        };
        Ok(match rows.next(cx)? {
            Step::Row(row) => {
                self.last_row = now;
                Step::Row(row)
            }
            Step::Pending(until) => Step::Pending(due.map_or(until, |due| due.min(until))),
            Step::Yield => Step::Yield,
            Step::End => {
                self.current = None;
                Step::Yield
            }
        })
    }
}

impl Isolated {
    fn begin(&mut self, cx: &mut Context, statement: &Statement) -> Result<(), Fault> {
        cx.charge(1)?;
        match statement {
            Statement::Select(select) => self.current = Some(open_select(&self.scope, select)),
            Statement::Let(bound) => {
                let binding = self.binding(cx, bound)?;
                self.scope = self.scope.with_bindings(alloc::vec![(bound.name.clone(), binding)]);
            }
        }
        Ok(())
    }

    fn binding(&self, cx: &mut Context, bound: &Arc<Let>) -> Result<Binding, Fault> {
        if !bound.is_eager {
            return Ok(Binding::Let(Arc::clone(bound)));
        }
        let value = match &bound.body {
            Body::Expr(expr) => eval(cx, &self.scope, expr)?,
            Body::Select(select) => Value::Query(crate::engine::StoredQuery::new(select)),
        };
        Ok(Binding::Value(resolve(cx, &self.scope, value)?))
    }
}
