//! What the queries of an artifact call and the host where they run does not offer.

use std::collections::BTreeSet;

use troodon_vql::syntax::calls::{Call, Callee, Calls, calls};
use troodon_vql::syntax::parse_program;

use super::{Artifact, Repository};
use crate::names::Names;

/// A name that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    kind: Callee,
    name: String,
    /// The argument that is unknown, if the name itself is known.
    argument: Option<String>,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.argument {
            None => write!(f, "{} {}", self.kind.name(), self.name),
            Some(argument) => write!(f, "argument {argument} of {}()", self.name),
        }
    }
}

/// Compares all queries of an artifact with the names of a host. What LET and parameters bind, what the artifact imports,
/// and calls of other artifacts are no names of a host.
pub fn missing(artifact: &Artifact, repository: &Repository, names: &Names) -> BTreeSet<Missing> {
    let found: Vec<Calls> = own_texts(artifact).into_iter().map(calls_of).collect();
    let imports = artifact.imports.iter().filter_map(|name| repository.get(name));
    let imported: Vec<Calls> = imports.map(|entry| calls_of(&entry.artifact.export.text)).collect();
    let parameters = artifact.parameters.iter().map(|parameter| parameter.name.as_bytes());
    let bound: BTreeSet<&[u8]> = found
        .iter()
        .chain(&imported)
        .flat_map(|calls| calls.bound.iter().map(|name| name.as_bytes()))
        .chain(parameters)
        .collect();
    let all = found.iter().flat_map(|calls| &calls.calls);
    all.flat_map(|call| faults(call, names, &bound)).collect()
}

fn own_texts(artifact: &Artifact) -> Vec<&str> {
    let mut texts = vec![artifact.precondition.text.as_str(), &artifact.export.text];
    for source in &artifact.sources {
        texts.extend([source.precondition.text.as_str(), &source.query.text]);
        texts.extend(source.queries.iter().map(|query| query.text.as_str()));
    }
    texts
}

/// An artifact was parsed when it was read, so that what does not parse is an empty text.
fn calls_of(text: &str) -> Calls {
    parse_program(text).map(|statements| calls(&statements)).unwrap_or_default()
}

fn faults(call: &Call, names: &Names, bound: &BTreeSet<&[u8]>) -> Vec<Missing> {
    // `Artifact.X()` and members of values have a path.
    let [name] = call.path.as_slice() else { return Vec::new() };
    if call.kind != Callee::Accessor && bound.contains(name.as_bytes()) {
        return Vec::new();
    }
    let name = name.to_string();
    let Some(entry) = names.find(call.kind.into(), &name) else {
        return vec![Missing { kind: call.kind, name, argument: None }];
    };
    let is_known = |argument: &str| {
        argument == "**" || entry.arguments.iter().any(|known| known.name == argument)
    };
    let unknown = call.arguments.iter().map(ToString::to_string).filter(|one| !is_known(one));
    let unknown = unknown.filter(|_| !entry.takes_others);
    let fault =
        |argument| Missing { kind: call.kind, name: name.clone(), argument: Some(argument) };
    unknown.map(fault).collect()
}
