//! Definitions of artifacts: `artifact_definitions()`, `artifact_set()`, `artifact_delete()`, `artifact_set_metadata()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Plugin, Pull, Rows, Scope,
    Value,
};

use super::collect::refused;
use super::json::{dict, row, texts};
use super::{backend, fault};
use crate::actor::ActError;
use crate::artifact::{Entry, Origin};
use crate::artifacts::{self, ArtifactsError};

pub(super) const PLUGINS: &[&Plugin] = &[&ARTIFACT_DEFINITIONS];
pub(super) const FUNCTIONS: &[&Function] =
    &[&ARTIFACT_SET, &ARTIFACT_DELETE, &ARTIFACT_SET_METADATA];

static ARTIFACT_DEFINITIONS: Plugin = Plugin::new(
    "artifact_definitions",
    "Yields the definitions of artifacts, in alphabetical order.",
    &[Arg::optional("names", Kind::List, "Only these.")],
    artifact_definitions,
)
.needs(&[Permission::ReadResults])
.on(Availability::Server);

fn artifact_definitions(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let backend = backend(cx)?;
    let repository = backend.launcher.repository();
    let wanted = |entry: &&Entry| match args.list("names") {
        None => true,
        Some(names) => names
            .iter()
            .any(|name| name.as_text().is_some_and(|name| *name == *entry.artifact.name.as_str())),
    };
    let entries: Vec<Entry> = repository.iter().filter(wanted).cloned().collect();
    let mut entries = entries.into_iter();
    Ok(Box::new(Pull::new(move |_| {
        let Some(Entry { artifact, text, origin }) = entries.next() else { return Ok(None) };
        let mut parameters = Vec::with_capacity(artifact.parameters.len());
        for parameter in &artifact.parameters {
            let fields = serde_json::to_value(parameter).map_err(fault)?;
            let fields = fields.as_object().cloned().unwrap_or_default();
            parameters.push(Value::Dict(row(fields)));
        }
        Ok(Some(dict([
            ("name", Value::from(artifact.name.as_str())),
            ("description", Value::from(artifact.description.as_str())),
            ("author", Value::from(artifact.author.as_str())),
            ("type", Value::from(artifact.kind.name())),
            ("parameters", Value::from(parameters)),
            ("sources", texts(artifact.sources.iter().map(|source| &source.name))),
            ("required_permissions", texts(&artifact.required_permissions)),
            ("built_in", Value::Bool(origin == Origin::BuiltIn)),
            ("raw", Value::from(&*text)),
        ])))
    })))
}

static ARTIFACT_SET: Function = Function::new(
    "artifact_set",
    "Keeps the definition of an artifact, whose name begins with `Custom.`; answers with its name. Takes ARTIFACT_WRITER for \
     clients and SERVER_ARTIFACT_WRITER for the server, and all that the definition can do without saying so.",
    &[Arg::required("definition", Kind::String, "YAML.")],
    artifact_set,
)
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn artifact_set(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let definition = args.string("definition").unwrap_or_default();
    let name = artifacts::set(&backend.actor(), &backend.launcher, &definition).map_err(said)?;
    let kind = backend.launcher.repository().get(&name).map(|entry| entry.artifact.kind.name());
    Ok(Value::Dict(dict([
        ("name", Value::from(name.as_str())),
        ("type", Value::from(kind.unwrap_or_default())),
    ])))
}

static ARTIFACT_DELETE: Function = Function::new(
    "artifact_delete",
    "Removes a definition that was kept here; answers with its name. Takes what keeping it takes.",
    &[Arg::required("name", Kind::String, "Its name.")],
    artifact_delete,
)
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn artifact_delete(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let name = args.string("name").unwrap_or_default();
    artifacts::delete(&backend.actor(), &backend.launcher, &name).map_err(said)?;
    Ok(Value::from(name))
}

/// Who may not hears of it as at every other door, and the query goes on.
fn said(error: ArtifactsError) -> Fault {
    match error {
        ArtifactsError::Act(ActError::Denied(_)) => Fault::note(error.to_string()),
        other => fault(other),
    }
}

static ARTIFACT_SET_METADATA: Function = Function::new(
    "artifact_set_metadata",
    "Says whether an artifact is basic: who has COLLECT_BASIC may collect it, whatever it requires. To say so takes all of that.",
    &[
        Arg::required("name", Kind::String, "A CLIENT artifact."),
        Arg::optional("basic", Kind::Bool, "TRUE or FALSE."),
    ],
    artifact_set_metadata,
)
.needs(&[Permission::ArtifactWriter])
.on(Availability::Server);

fn artifact_set_metadata(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let name = args.string("name").unwrap_or_default();
    let basic = args.flag("basic");
    crate::basic::mark(&backend.actor(), &backend.launcher, &name, basic).map_err(refused)?;
    Ok(Value::Dict(dict([("name", Value::from(&*name)), ("basic", Value::Bool(basic))])))
}
