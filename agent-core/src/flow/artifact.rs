//! Calls of artifacts that came with the request: `SELECT * FROM Artifact.Linux.Sys.Users(Shell='sh')`.
//!
//! A called artifact has variables of its own: its parameters, and nothing of its caller.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use troodon_proto::{Artifact, ArtifactParameter, ArtifactSource};
use troodon_vql::{
    Arg, Args, Context, Event, Fault, Kind, Now, Plugin, Program, Query, Registry, Row, RowBuilder,
    Rows, Scope, Session, Step, Value,
};

use super::setting::SessionMaker;
use crate::limits;

static ARTIFACT: Plugin = Plugin::new(
    "Artifact",
    "Runs an artifact that came with the request: Artifact.Name(parameter=value).",
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
.keeps_others();

/// The same registry with calls of artifacts, unless the host brings its own.
pub(crate) fn with_calls(registry: Arc<Registry>) -> Arc<Registry> {
    if registry.plugins().any(|plugin| plugin.entry.name == ARTIFACT.entry.name) {
        return registry;
    }
    let mut registry = Registry::clone(&registry);
    registry.add_plugins(&[&ARTIFACT]);
    Arc::new(registry)
}

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let name = args.path().map(|path| path.to_str_lossy().into_owned()).unwrap_or_default();
    let maker = cx.extension::<SessionMaker>();
    let found = maker.as_ref().and_then(|maker| {
        let artifact = maker.artifacts.iter().find(|artifact| artifact.name == name)?;
        Some((maker, artifact))
    });
    let Some((maker, artifact)) = found else {
        return Err(Fault::error(format!("Artifact {name} did not come with the request")));
    };
    if maker.callers.len() >= limits::ARTIFACT_CALLS {
        return Err(Fault::error(format!("Stack overflow: {}", maker.callers.join(", "))));
    }
    let mut session = maker.below(&name).make();
    for parameter in &artifact.parameters {
        session.set(parameter.name.clone(), parameter.default.clone());
    }
    for (key, given) in args.others() {
        if !artifact.parameters.iter().any(|parameter| **key == *parameter.name.as_bytes()) {
            let text = format!("Unknown parameter {key} provided to artifact {name}");
            return Err(Fault::error(text));
        }
        let value = match given.value(cx)? {
            // It would run among the variables of the artifact, and it was written for those of the caller.
            Value::Query(query) => {
                let rows = query.collect(cx, scope)?.into_iter().map(Value::from);
                Value::from(rows.collect::<Vec<_>>())
            }
            other => other,
        };
        session.set(key.clone(), value);
    }
    let parts = parts(maker, artifact, &args)?;
    Ok(Box::new(Call { session, parts, current: None }))
}

/// A running call.
struct Call {
    session: Session,
    parts: VecDeque<Part>,
    current: Option<(Query, Part)>,
}

/// Statements of an artifact that are run together.
struct Part {
    program: Program,
    role: Role,
}

#[derive(Clone)]
enum Role {
    /// Parameters and exports; rows are not wanted.
    Preamble,
    /// Without a row this many of the next parts are left out.
    Precondition { guards: usize },
    /// Rows go to the caller with this `_Source`.
    Source(String),
}

impl Rows for Call {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let Some((query, part)) = &mut self.current else {
                let Some(part) = self.parts.pop_front() else { return Ok(Step::End) };
                self.current = Some((Query::new(part.program.clone()), part));
                continue;
            };
            let now = Now { instant: cx.instant(), time: cx.now() };
            let event =
                query.step(&mut self.session, now, limits::CALL_FUEL).map_err(Fault::Stop)?;
            match (event, part.role.clone()) {
                (Event::Row(row), Role::Source(source)) => {
                    cx.charge(1)?;
                    return Ok(Step::Row(with_source(&row, source)));
                }
                (Event::Row(_), Role::Precondition { .. }) => self.current = None,
                (Event::Row(_), Role::Preamble) => cx.charge(1)?,
                (Event::Pending(until), _) => return Ok(Step::Pending(until)),
                (Event::OutOfFuel, _) => {
                    cx.charge(limits::CALL_FUEL)?;
                    if cx.is_out_of_fuel() {
                        return Ok(Step::Yield);
                    }
                }
                (Event::End, Role::Precondition { guards }) => {
                    self.parts.drain(..guards.min(self.parts.len()));
                    self.current = None;
                }
                (Event::End, Role::Source(_) | Role::Preamble) => self.current = None,
            }
        }
    }
}

/// What a call runs, in order (docs/protocol.md section 6.2).
fn parts(maker: &SessionMaker, artifact: &Artifact, args: &Args) -> Result<VecDeque<Part>, Fault> {
    let mut parts = VecDeque::new();
    let mut add = |text: &str, role: Role| -> Result<(), Fault> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let program = Program::parse(text)
            .map_err(|error| Fault::error(format!("{} does not parse: {error}", artifact.name)))?;
        parts.push_back(Part { program, role });
        Ok(())
    };
    for parameter in &artifact.parameters {
        add(&conversion(parameter), Role::Preamble)?;
    }
    add(&artifact.export, Role::Preamble)?;
    for import in &artifact.imports {
        if let Some(imported) = maker.artifacts.iter().find(|other| other.name == *import) {
            add(&imported.export, Role::Preamble)?;
        }
    }
    let asks = args.flag("preconditions");
    let wanted = args.string("source").unwrap_or_default();
    let is_wanted = |source: &&ArtifactSource| wanted.is_empty() || source.name == wanted;
    for source in artifact.sources.iter().filter(is_wanted) {
        let label = match source.name.as_str() {
            "" => artifact.name.clone(),
            name => format!("{}/{name}", artifact.name),
        };
        let queries = source.queries.iter().filter(|text| !text.trim().is_empty());
        if asks {
            let own = Some(&source.precondition).filter(|text| !text.trim().is_empty());
            let guards = queries.clone().count();
            add(own.unwrap_or(&artifact.precondition), Role::Precondition { guards })?;
        }
        for text in queries {
            add(text, Role::Source(label.clone()))?;
        }
    }
    Ok(parts)
}

/// The statement that turns a parameter, a string as a rule, into what its type says.
fn conversion(parameter: &ArtifactParameter) -> String {
    let name = quoted(&parameter.name);
    let if_text = |then: String| {
        format!(
            "LET {name} <= if(condition=format(format='%T', args={name}) =~ 'string', then={then}, else={name})"
        )
    };
    match parameter.r#type.as_str() {
        "int" | "int64" | "integer" => format!("LET {name} <= int(int={name})"),
        "float" => format!("LET {name} <= parse_float(string={name})"),
        "timestamp" => format!("LET {name} <= timestamp(epoch={name})"),
        "bool" => format!("LET {name} <= {name} = TRUE OR {name} =~ '^(Y|TRUE|YES|OK)$'"),
        "csv" | "artifactset" => {
            if_text(format!("{{ SELECT * FROM parse_csv(filename={name}, accessor='data') }}"))
        }
        "json" => if_text(format!("parse_json(data={name})")),
        "json_array" | "regex_array" | "multichoice" => {
            if_text(format!("parse_json_array(data={name})"))
        }
        "xml" => if_text(format!("parse_xml(file={name}, accessor='data')")),
        "yaml" => if_text(format!("parse_yaml(filename={name}, accessor='data')")),
        _ => String::new(),
    }
}

/// A name as it stands in a query.
fn quoted(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.bytes().all(is_plain) && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return name.to_string();
    }
    format!("`{}`", name.replace('`', ""))
}

fn with_source(row: &Row, source: String) -> Row {
    let mut named = RowBuilder::new();
    for (name, value) in row.iter() {
        named.set(name.clone(), value.clone());
    }
    named.set("_Source", source);
    named.build()
}
