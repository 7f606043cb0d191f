//! Calls of artifacts: `SELECT * FROM Artifact.Linux.Sys.Users(Shell='sh')`.
//!
//! A called artifact has variables of its own: its parameters, and nothing of its caller. Which artifacts there are is
//! said by an extension of the session, a `Box<dyn Artifacts>`: those that came with a request, or those of a folder.

mod call;
mod parameter;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use call::{Call, Part, Role, Scene};
pub use parameter::conversion;
use troodon_proto::{Artifact, ArtifactSource};
use troodon_vql::{
    Arg, Args, Budget, Context, Fault, Kind, Plugin, Registry, Rows, Scope, Session, Value,
};

use crate::limits;

/// The artifacts that a query can call.
pub trait Artifacts: Send + Sync {
    /// Their definitions.
    fn definitions(&self) -> &[Artifact];

    /// Artifacts that are being called, the outermost first.
    fn callers(&self) -> &[String];

    /// A session without variables for what `artifact` calls, with these artifacts, one more caller, and a budget that
    /// [`below`] allows.
    fn below(&self, artifact: &str) -> Session;
}

/// The budget for a called artifact: half the depth, because its queries run on top of the caller's stack.
#[must_use]
pub fn below(mut budget: Budget) -> Budget {
    budget.depth = budget.depth.div_euclid(2).max(limits::CALL_DEPTH_MIN);
    budget
}

static ARTIFACT: Plugin = Plugin::new(
    "Artifact",
    "Runs an artifact: Artifact.Name(parameter=value).",
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

/// The same registry with calls of artifacts.
#[must_use]
pub fn with_calls(registry: Arc<Registry>) -> Arc<Registry> {
    if registry.plugins().any(|plugin| plugin.entry.name == ARTIFACT.entry.name) {
        return registry;
    }
    let mut registry = Registry::clone(&registry);
    registry.add_plugins(&[&ARTIFACT]);
    Arc::new(registry)
}

fn open(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let name = args.path().map(|path| path.to_str_lossy().into_owned()).unwrap_or_default();
    let artifacts = cx.extension::<Box<dyn Artifacts>>();
    let found = artifacts.as_ref().and_then(|artifacts| {
        let artifact = artifacts.definitions().iter().find(|artifact| artifact.name == name)?;
        Some((artifacts, artifact))
    });
    let Some((artifacts, artifact)) = found else {
        return Err(Fault::error(format!("Artifact {name} is not among the definitions")));
    };
    if artifacts.callers().len() >= limits::ARTIFACT_CALLS {
        return Err(Fault::error(format!("Stack overflow: {}", artifacts.callers().join(", "))));
    }
    let mut session = artifacts.below(&name);
    for parameter in &artifact.parameters {
        session.set(parameter.name.clone(), parameter.default.clone());
    }
    for (key, given) in args.others() {
        if !artifact.parameters.iter().any(|parameter| **key == *parameter.name.as_bytes()) {
            let text = format!("Unknown parameter {key} provided to artifact {name}");
            return Err(Fault::error(text));
        }
        let value = given.value(cx)?;
        session.set(key.clone(), handed_over(cx, scope, value)?);
    }
    let parts = parts(artifacts.definitions(), artifact, &args)?;
    let scenes = [Scene::new(session, parts)];
    Ok(Box::new(Call::new(scenes.into(), limits::CALL_FUEL)))
}

/// A value of the caller's as the called artifact gets it: of a query its rows, because the query would run among the
/// variables of the artifact, and it was written for those of the caller.
///
/// # Errors
/// The query fails.
pub fn handed_over(cx: &mut Context, scope: &Scope, value: Value) -> Result<Value, Fault> {
    let Value::Query(query) = value else { return Ok(value) };
    let rows = query.collect(cx, scope)?.into_iter().map(Value::from);
    Ok(Value::from(rows.collect::<Vec<_>>()))
}

/// What a call runs, in order (docs/protocol.md section 6.2).
fn parts(all: &[Artifact], artifact: &Artifact, args: &Args) -> Result<VecDeque<Part>, Fault> {
    let mut parts = VecDeque::new();
    let mut add = |text: &str, role: Role| -> Result<(), Fault> {
        if text.trim().is_empty() {
            return Ok(());
        }
        parts.push_back(Part::parse(&artifact.name, text, role)?);
        Ok(())
    };
    for parameter in &artifact.parameters {
        for statement in conversion(&parameter.name, &parameter.r#type) {
            add(&statement, Role::Preamble)?;
        }
    }
    add(&artifact.export, Role::Preamble)?;
    for import in &artifact.imports {
        if let Some(imported) = all.iter().find(|other| other.name == *import) {
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
