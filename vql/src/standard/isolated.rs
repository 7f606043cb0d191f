//! `query()`: statements that see none of the caller's variables but those they are given, and that may run as somebody
//! else where the host has other users and places.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::text::shown;
use crate::args::Args;
use crate::budget::{Fault, Level};
use crate::context::Context;
use crate::engine::{Binding, Scope, eval, open_select, resolve};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{RowSource, Rows, Step};
use crate::run::Session;
use crate::syntax::ast::{Body, Let, Statement};
use crate::syntax::parse_program;
use crate::value::{Instant, Now, Text, Value};

/// Other users and other organisations, of a host that has them; `query()` finds it as the extension
/// `Box<dyn Elsewhere>`.
pub trait Elsewhere: Send + Sync {
    /// A session with the rights of `runas` in `org_id`. Without one of them it is the caller, or the caller's
    /// organisation.
    ///
    /// # Errors
    ///
    /// The caller may not, or there is no such organisation.
    fn session(&self, runas: Option<&str>, org_id: Option<&str>) -> Result<Session, Fault>;
}

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
        Arg::optional("runas", Kind::String, "As whom, on a server (whoever asks): IMPERSONATION."),
        Arg::optional("org_id", Kind::String, "In which organisation, on a server (the caller's)."),
    ],
    query,
)];

fn query(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let mut elsewhere = elsewhere(cx, &args)?;
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
        Some(other) => {
            let source = RowSource::from(other.clone());
            let rows = match elsewhere.as_mut() {
                None => source.open(cx, &scope),
                Some(session) => source.open(entered(cx, session), &scope),
            };
            (Some(rows?), VecDeque::new())
        }
        None => (None, VecDeque::new()),
    };
    let span = |name| Duration::try_from_secs_f64(args.float(name)?).ok().filter(|s| !s.is_zero());
    Ok(Box::new(Isolated {
        elsewhere,
        scope,
        current,
        waiting,
        end: span("timeout").map(|span| cx.instant().after(span)),
        patience: span("progress_timeout"),
        last_row: cx.instant(),
    }))
}

/// The session in which the query runs; `None` for the caller's own.
fn elsewhere(cx: &Context, args: &Args) -> Result<Option<Box<Session>>, Fault> {
    let given = |name| args.string(name).filter(|text| !text.is_empty());
    let (runas, org_id) = (given("runas"), given("org_id"));
    if runas.is_none() && org_id.is_none() {
        return Ok(None);
    }
    let host = cx.extension::<Box<dyn Elsewhere>>();
    let host = host.ok_or_else(|| Fault::error("runas and org_id work on a server only"))?;
    host.session(runas.as_deref(), org_id.as_deref()).map(|session| Some(Box::new(session)))
}

/// The context of another session, in the caller's time and with the caller's fuel.
fn entered<'a>(cx: &Context, session: &'a mut Session) -> &'a mut Context {
    let now = Now { instant: cx.instant(), time: cx.now() };
    let inner = session.context();
    inner.refuel(now, cx.fuel());
    inner
}

struct Isolated {
    elsewhere: Option<Box<Session>>,
    scope: Scope,
    current: Option<Box<dyn Rows>>,
    waiting: VecDeque<Statement>,
    end: Option<Instant>,
    patience: Option<Duration>,
    last_row: Instant,
}

impl Rows for Isolated {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some(mut session) = self.elsewhere.take() else { return self.advance(cx) };
        let inner = entered(cx, &mut session);
        let before = inner.fuel();
        let step = self.advance(inner);
        // What was done elsewhere was done for the caller.
        let used = before.saturating_sub(inner.fuel());
        self.elsewhere = Some(session);
        cx.charge(used)?;
        step
    }
}

impl Isolated {
    fn advance(&mut self, cx: &mut Context) -> Result<Step, Fault> {
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
