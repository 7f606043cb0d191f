//! Calls of artifacts by queries on the server: `SELECT * FROM Artifact.Server.Monitor.Health()`.
//!
//! A query that calls an artifact launches it, so that the caller needs what launching takes. What a launched artifact
//! calls is its own affair, as on an agent: every plugin in it still asks for the caller's rights.

use std::collections::VecDeque;

use troodon_core::artifact::{handed_over, with_source};
use troodon_proto::{VqlCollectorArgs, VqlRequest};
use troodon_vql::{
    Arg, Args, Availability, Context, Event, Fault, Kind, Now, Permission, Plugin, Program, Query,
    Rows, Scope, Session, Step, Value,
};

use super::session::SessionMaker;
use super::{backend, fault};
use crate::limits::QUERY_FUEL;

pub(super) const PLUGINS: &[&Plugin] = &[&ARTIFACT];

static ARTIFACT: Plugin = Plugin::new(
    "Artifact",
    "Runs an artifact on the server: Artifact.Name(parameter=value).",
    &[
        Arg::optional("source", Kind::String, "Run this source only."),
        Arg::optional(
            "preconditions",
            Kind::Bool,
            "Leave sources out whose precondition is false.",
        ),
    ],
    open,
)
.keeps_others()
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let name = args.path().map(|path| path.to_str_lossy().into_owned()).unwrap_or_default();
    let backend = backend(cx)?;
    let maker = cx.extension::<SessionMaker>();
    let maker = maker.ok_or_else(|| Fault::error("this works on the server only"))?;
    maker.check_depth()?;
    let requests = backend.launcher.compile_call(&name).map_err(fault)?;
    if maker.callers.is_empty() {
        backend.launcher.allow_call(backend.token.principal(), &name).map_err(fault)?;
    }
    let given = given(cx, scope, &args, &name, &requests)?;
    let wanted = args.string("source").unwrap_or_default();
    let mut parts = VecDeque::new();
    for request in requests {
        let mut session = maker.below(&name).make();
        for variable in &request.env {
            session.set(variable.key.clone(), variable.value.clone());
        }
        for (key, value) in &given {
            session.set(key.as_str(), value.clone());
        }
        parts.push_back(Part::of(session, &request, &wanted, args.flag("preconditions"))?);
    }
    Ok(Box::new(Call { parts }))
}

/// The arguments that are parameters of the artifact.
fn given(
    cx: &mut Context,
    scope: &Scope,
    args: &Args,
    name: &str,
    requests: &[VqlCollectorArgs],
) -> Result<Vec<(String, Value)>, Fault> {
    let mut all = Vec::new();
    for (key, given) in args.others() {
        let key = key.to_str_lossy().into_owned();
        if !requests.iter().flat_map(|request| &request.env).any(|known| known.key == key) {
            return Err(Fault::error(format!(
                "Unknown parameter {key} provided to artifact {name}"
            )));
        }
        let value = given.value(cx)?;
        all.push((key, handed_over(cx, scope, value)?));
    }
    Ok(all)
}

/// One request of the artifact with the variables in which it runs.
struct Part {
    session: Session,
    /// What is still to run, with the name under which rows go to the caller.
    queries: VecDeque<(Program, Role)>,
    current: Option<(Query, Role)>,
}

#[derive(Clone)]
enum Role {
    /// Without a row, nothing else of the request runs.
    Precondition,
    /// Rows are not wanted.
    Preamble,
    /// Rows are wanted.
    Source(String),
}

impl Part {
    fn of(
        session: Session,
        request: &VqlCollectorArgs,
        wanted: &str,
        asks: bool,
    ) -> Result<Self, Fault> {
        let mut queries = VecDeque::new();
        if asks && !request.precondition.is_empty() {
            queries.push_back((parsed(&request.precondition)?, Role::Precondition));
        }
        for VqlRequest { name, vql } in &request.query {
            let role = match name.split_once('/') {
                _ if name.is_empty() => Role::Preamble,
                Some((_, source)) if !wanted.is_empty() && source != wanted => continue,
                _ => Role::Source(name.clone()),
            };
            queries.push_back((parsed(vql)?, role));
        }
        Ok(Self { session, queries, current: None })
    }
}

fn parsed(text: &str) -> Result<Program, Fault> {
    Program::parse(text).map_err(fault)
}

/// A running call.
struct Call {
    parts: VecDeque<Part>,
}

impl Rows for Call {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        while let Some(part) = self.parts.front_mut() {
            match part.next(cx)? {
                None => drop(self.parts.pop_front()),
                Some(step) => return Ok(step),
            }
        }
        Ok(Step::End)
    }
}

impl Part {
    /// The next step of the request; `None` at its end.
    fn next(&mut self, cx: &mut Context) -> Result<Option<Step>, Fault> {
        loop {
            let Some((query, role)) = &mut self.current else {
                let Some((program, role)) = self.queries.pop_front() else { return Ok(None) };
                self.current = Some((Query::new(program), role));
                continue;
            };
            let now = Now { instant: cx.instant(), time: cx.now() };
            let event = query.step(&mut self.session, now, QUERY_FUEL).map_err(Fault::from)?;
            match (event, &*role) {
                (Event::Row(row), Role::Source(source)) => {
                    cx.charge(1)?;
                    return Ok(Some(Step::Row(with_source(&row, source))));
                }
                (Event::Row(_), Role::Precondition)
                | (Event::End, Role::Source(_) | Role::Preamble) => {
                    self.current = None;
                }
                (Event::Row(_), Role::Preamble) => cx.charge(1)?,
                (Event::End, Role::Precondition) => return Ok(None),
                (Event::Pending(until), _) => return Ok(Some(Step::Pending(until))),
                (Event::OutOfFuel, _) => {
                    cx.charge(QUERY_FUEL)?;
                    if cx.is_out_of_fuel() {
                        return Ok(Some(Step::Yield));
                    }
                }
            }
        }
    }
}
