//! Artifacts to requests (docs/protocol.md section 6.2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use troodon_core::artifact::conversion;
use troodon_proto::{
    Artifact as WireArtifact, ArtifactParameter, ArtifactSource, VqlCollectorArgs, VqlEnv,
    VqlRequest,
};

use super::request::{CompileFault, Limits, Spec};
use crate::artifact::{
    Artifact, ArtifactType, Repository, Source, VqlFault, references, statements,
};
use crate::limits::DEPENDENCIES;

/// Rows of one packet unless something else says so.
const MAX_ROW: u64 = 1000;

/// Limits that go over those of the artifact, and below them.
pub(super) struct Layers<'a> {
    /// What the caller sets.
    pub caller: &'a Limits,
    /// What the server sets.
    pub server: &'a Limits,
}

/// Compiles artifacts one after the other; numbers the requests.
///
/// # Errors
/// An artifact is unknown, is of another kind, or calls one that is unknown; a parameter is unknown.
pub(super) fn compile(
    repository: &Repository,
    specs: &[Spec],
    limits: &Layers<'_>,
    kind: ArtifactType,
) -> Result<Vec<VqlCollectorArgs>, CompileFault> {
    let mut requests = Vec::new();
    for spec in specs {
        let artifact = find(repository, &spec.artifact)?;
        if artifact.kind != kind {
            let (name, is) = (artifact.name.clone(), artifact.kind);
            return Err(CompileFault::Kind { name, is, wanted: kind });
        }
        for sources in expand(artifact) {
            requests.push(compile_one(repository, artifact, &sources, spec, limits)?);
        }
    }
    let total = i64::try_from(requests.len()).unwrap_or(i64::MAX);
    for (number, request) in (1..).zip(&mut requests) {
        request.query_id = number;
        request.total_queries = total;
    }
    Ok(requests)
}

fn find<'a>(repository: &'a Repository, name: &str) -> Result<&'a Artifact, CompileFault> {
    let entry = repository.get(name).ok_or_else(|| CompileFault::Unknown(name.to_owned()))?;
    Ok(&entry.artifact)
}

/// Which sources share a request. Event queries never end, so each runs by itself; so do sources that have
/// preconditions of their own.
fn expand(artifact: &Artifact) -> Vec<Vec<&Source>> {
    let own = artifact.sources.iter().any(|source| !source.precondition.text.is_empty());
    if artifact.kind.is_event() || (artifact.precondition.text.is_empty() && own) {
        return artifact.sources.iter().map(|source| vec![source]).collect();
    }
    vec![artifact.sources.iter().collect()]
}

fn compile_one(
    repository: &Repository,
    artifact: &Artifact,
    sources: &[&Source],
    spec: &Spec,
    limits: &Layers<'_>,
) -> Result<VqlCollectorArgs, CompileFault> {
    let preamble: Vec<String> = artifact
        .parameters
        .iter()
        .flat_map(|parameter| conversion(&parameter.name, &parameter.kind))
        .collect();
    let mut query: Vec<VqlRequest> = preamble.iter().cloned().map(unnamed).collect();
    query.extend(exports(repository, artifact)?.into_iter().map(unnamed));
    for source in sources {
        query.extend(source_queries(artifact, source)?);
    }
    let limits = limits.caller.over(&artifact.resources).over(limits.server);
    Ok(VqlCollectorArgs {
        query,
        env: environment(artifact, spec)?,
        max_row: if limits.max_batch_rows == 0 { MAX_ROW } else { limits.max_batch_rows },
        max_wait: limits.max_batch_wait,
        max_row_buffer_size: limits.max_batch_rows_buffer,
        ops_per_second: limits.ops_per_second,
        cpu_limit: limits.cpu_limit,
        iops_limit: limits.iops_limit,
        timeout: limits.timeout,
        precondition: precondition(artifact, sources, &preamble),
        artifacts: dependencies(repository, artifact)?,
        effective_principal: artifact.impersonate.clone(),
        ..VqlCollectorArgs::default()
    })
}

fn unnamed(vql: String) -> VqlRequest {
    VqlRequest { vql, name: String::new() }
}

/// The artifact's own exports, then those of its imports.
fn exports(repository: &Repository, artifact: &Artifact) -> Result<Vec<String>, CompileFault> {
    let mut all = reprint(artifact, &artifact.export.text)?;
    for import in &artifact.imports {
        let imported = find(repository, import)?;
        all.extend(reprint(imported, &imported.export.text)?);
    }
    Ok(all)
}

/// The statements of a text without comments, each on one line.
fn reprint(artifact: &Artifact, text: &str) -> Result<Vec<String>, CompileFault> {
    let parsed = statements(text).map_err(|fault| bad_query(artifact, &fault))?;
    Ok(parsed.into_iter().map(|statement| statement.text).collect())
}

fn bad_query(artifact: &Artifact, fault: &VqlFault) -> CompileFault {
    CompileFault::Vql { artifact: artifact.name.clone(), problem: fault.problem.clone() }
}

/// All statements of a source; the last one yields the rows and bears the name.
fn source_queries(artifact: &Artifact, source: &Source) -> Result<Vec<VqlRequest>, CompileFault> {
    let mut queries: Vec<VqlRequest> =
        reprint(artifact, &source.text())?.into_iter().map(unnamed).collect();
    if let Some(last) = queries.last_mut() {
        last.name = artifact.source_name(source);
    }
    Ok(queries)
}

/// The values that the caller gives go over the defaults.
fn environment(artifact: &Artifact, spec: &Spec) -> Result<Vec<VqlEnv>, CompileFault> {
    let mut values: Vec<VqlEnv> = artifact
        .parameters
        .iter()
        .map(|parameter| variable(&parameter.name, &parameter.default))
        .collect();
    for (name, value) in &spec.parameters {
        let Some(known) = values.iter_mut().find(|known| known.key == *name) else {
            let (artifact, parameter) = (artifact.name.clone(), name.clone());
            let known =
                values.iter().map(|known| known.key.as_str()).collect::<Vec<_>>().join(", ");
            return Err(CompileFault::Parameter { artifact, parameter, known });
        };
        known.value.clone_from(value);
    }
    Ok(values)
}

fn variable(key: &str, value: &str) -> VqlEnv {
    VqlEnv { key: key.to_owned(), value: value.to_owned(), comment: String::new() }
}

/// The preamble goes first, so that a precondition may use typed parameters. A source's own goes over the artifact's.
fn precondition(artifact: &Artifact, sources: &[&Source], preamble: &[String]) -> String {
    let own = sources.first().map(|source| source.precondition.text.as_str());
    let text = match own {
        Some(own) if !own.is_empty() && sources.len() == 1 => own,
        _ => artifact.precondition.text.as_str(),
    };
    if text.trim().is_empty() {
        return String::new();
    }
    let mut all = String::new();
    for statement in preamble {
        // Writing to a String does not fail.
        let _ = writeln!(all, "{statement}");
    }
    all + text
}

/// Every artifact that this one calls or imports, directly or not, cut down to what an agent needs.
fn dependencies(
    repository: &Repository,
    artifact: &Artifact,
) -> Result<Vec<WireArtifact>, CompileFault> {
    let mut found: BTreeMap<String, WireArtifact> = BTreeMap::new();
    let mut open: Vec<String> = called_by(artifact).into_iter().collect();
    for import in &artifact.imports {
        open.extend(references(&find(repository, import)?.export.text));
    }
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let entry = repository.get(&name).ok_or_else(|| CompileFault::Reference {
            artifact: artifact.name.clone(),
            name: name.clone(),
        })?;
        open.extend(called_by(&entry.artifact));
        open.extend(entry.artifact.imports.iter().cloned());
        found.insert(name.clone(), reduced(&entry.artifact, name)?);
        if found.len() > DEPENDENCIES {
            return Err(CompileFault::TooMany(artifact.name.clone(), DEPENDENCIES));
        }
    }
    Ok(found.into_values().collect())
}

fn called_by(artifact: &Artifact) -> BTreeSet<String> {
    let mut all = references(&artifact.precondition.text);
    all.extend(references(&artifact.export.text));
    for source in &artifact.sources {
        all.extend(references(&source.precondition.text));
        all.extend(references(&source.text()));
    }
    all
}

/// What an agent needs to run a call; `name` is the one by which it is called, which may be an alias.
fn reduced(artifact: &Artifact, name: String) -> Result<WireArtifact, CompileFault> {
    let parameters = artifact.parameters.iter().map(|parameter| ArtifactParameter {
        name: parameter.name.clone(),
        default: parameter.default.clone(),
        r#type: parameter.kind.clone(),
    });
    let mut sources = Vec::with_capacity(artifact.sources.len());
    for source in &artifact.sources {
        sources.push(ArtifactSource {
            precondition: source.precondition.text.clone(),
            queries: reprint(artifact, &source.text())?,
            name: source.name.clone(),
        });
    }
    Ok(WireArtifact {
        name,
        parameters: parameters.collect(),
        sources,
        precondition: artifact.precondition.text.clone(),
        r#type: artifact.kind.name().to_ascii_lowercase(),
        imports: artifact.imports.clone(),
        export: reprint(artifact, &artifact.export.text)?.join("\n"),
    })
}
