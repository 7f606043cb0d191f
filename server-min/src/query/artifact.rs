//! `artifact_definitions()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Kind, Permission, Plugin, Pull, Rows, Scope, Value,
};

use super::json::{dict, row, texts};
use super::{backend, fault};
use crate::artifact::{Entry, Origin};

pub(super) const PLUGINS: &[&Plugin] = &[&ARTIFACT_DEFINITIONS];

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
