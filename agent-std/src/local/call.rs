//! Calls of artifacts from local queries: `SELECT * FROM Artifact.Custom.Users(Shell='sh')`.
//!
//! A called artifact has variables of its own: its parameters, and nothing of its caller.

use std::collections::VecDeque;

use troodon_vql::{
    Arg, Args, Context, Event, Fault, Kind, Now, Plugin, Program, Query, Row, RowBuilder, Rows,
    Scope, Session, Step, Value,
};

use super::{Callers, Local};
use crate::artifact;
use crate::limits::{ARTIFACT_CALLS_MAX, LOCAL_FUEL};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "Artifact",
    "The rows of an artifact among the definitions: Artifact.Name(parameter=value).",
    &[
        Arg::optional("source", Kind::String, "Run this source only (all)."),
        Arg::optional("preconditions", Kind::Bool, "Accepted for compatibility; not looked at."),
    ],
    open,
)
.keeps_others()];

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let name = args.path().map(|path| path.to_str_lossy().into_owned()).unwrap_or_default();
    let local = cx.extension::<Local>().ok_or_else(|| Fault::error("no artifacts here"))?;
    let fault = |why: artifact::ArtifactFault| Fault::error(why.to_string());
    let artifact = artifact::find(&local.artifacts, &name).map_err(fault)?;
    let mut callers =
        cx.extension::<Callers>().map_or_else(Callers::default, |callers| (*callers).clone());
    callers.0.push(name.clone());
    if callers.0.len() > ARTIFACT_CALLS_MAX {
        return Err(Fault::error(format!("Stack overflow: {}", callers.0.join(", "))));
    }
    let mut session = local.session(callers);
    for parameter in &artifact.parameters {
        session.set(parameter.name.as_str(), parameter.default_text());
    }
    for (key, given) in args.others() {
        if !artifact.parameters.iter().any(|parameter| **key == *parameter.name.as_bytes()) {
            let text = format!("Unknown parameter {key} provided to artifact {name}");
            return Err(Fault::error(text));
        }
        let value = match given.value(cx)? {
            // It was written for the variables of the caller.
            Value::Query(query) => {
                let rows = query.collect(cx, scope)?.into_iter().map(Value::from);
                Value::from(rows.collect::<Vec<_>>())
            }
            other => other,
        };
        session.set(key.clone(), value);
    }
    let mut texts =
        VecDeque::from([(None, artifact::preamble(&local.artifacts, artifact).map_err(fault)?)]);
    let wanted = args.string("source");
    for source in &artifact.sources {
        if wanted.as_ref().is_none_or(|wanted| *wanted == source.name) {
            let label = match source.name.as_str() {
                "" => name.clone(),
                source => format!("{name}/{source}"),
            };
            texts.push_back((Some(label), source.statements()));
        }
    }
    Ok(Box::new(Call { session, texts, current: None }))
}

/// A running call. Rows of parts without a name are not wanted.
struct Call {
    session: Session,
    texts: VecDeque<(Option<String>, String)>,
    current: Option<(Option<String>, Query)>,
}

impl Rows for Call {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let Some((label, query)) = &mut self.current else {
                let Some((label, text)) = self.texts.pop_front() else { return Ok(Step::End) };
                let program = Program::parse(&text).map_err(|why| Fault::error(why.to_string()))?;
                self.current = Some((label, Query::new(program)));
                continue;
            };
            cx.charge(1)?;
            let now = Now { instant: cx.instant(), time: cx.now() };
            match query.step(&mut self.session, now, LOCAL_FUEL).map_err(Fault::Stop)? {
                Event::Row(row) => {
                    if let Some(label) = label {
                        return Ok(Step::Row(with_source(&row, label)));
                    }
                }
                Event::Pending(until) => return Ok(Step::Pending(until)),
                Event::OutOfFuel => return Ok(Step::Yield),
                Event::End => self.current = None,
            }
        }
    }
}

fn with_source(row: &Row, label: &str) -> Row {
    let mut out = RowBuilder::new();
    for (name, value) in row.iter() {
        out.set(name.clone(), value.clone());
    }
    out.set("_Source", label);
    out.build()
}
