//! Calls of artifacts by queries on the server: `SELECT * FROM Artifact.Server.Monitor.Health()`.
//!
//! A query that calls an artifact launches it, so that the caller needs what launching takes. What a launched artifact
//! calls is its own affair, as on an agent: every plugin in it still asks for the caller's rights.

use std::collections::VecDeque;

use troodon_core::artifact::{Call, Part, Role, Scene, handed_over};
use troodon_proto::{VqlCollectorArgs, VqlRequest};
use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Kind, Permission, Plugin, Rows, Scope, Session, Value,
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
    let mut scenes = VecDeque::new();
    for request in requests {
        let mut session = maker.below(&name).make();
        for variable in &request.env {
            session.set(variable.key.clone(), variable.value.clone());
        }
        for (key, value) in &given {
            session.set(key.as_str(), value.clone());
        }
        let asks = args.flag("preconditions");
        scenes.push_back(scene(session, &name, &request, &wanted, asks)?);
    }
    Ok(Box::new(Call::new(scenes, QUERY_FUEL)))
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

/// One request of the artifact with the variables in which it runs. Without a row of its precondition nothing of it does.
fn scene(
    session: Session,
    artifact: &str,
    request: &VqlCollectorArgs,
    wanted: &str,
    asks: bool,
) -> Result<Scene, Fault> {
    let mut parts = VecDeque::new();
    if asks && !request.precondition.is_empty() {
        let role = Role::Precondition { guards: usize::MAX };
        parts.push_back(Part::parse(artifact, &request.precondition, role)?);
    }
    for VqlRequest { name, vql } in &request.query {
        let role = match name.split_once('/') {
            _ if name.is_empty() => Role::Preamble,
            Some((_, source)) if !wanted.is_empty() && source != wanted => continue,
            _ => Role::Source(name.clone()),
        };
        parts.push_back(Part::parse(artifact, vql, role)?);
    }
    Ok(Scene::new(session, parts))
}
