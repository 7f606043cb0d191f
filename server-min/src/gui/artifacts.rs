//! What can be collected: the list of artifacts, and one of them.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use troodon_vql::Permission;

use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::{Entry, Origin, Reason, powers, undeclared};
use crate::artifacts;
use crate::model::door::Door;

#[derive(Template)]
#[template(path = "artifacts.html")]
struct List {
    frame: Frame,
    query: String,
    artifacts: Vec<Entry>,
    may_write: bool,
}

#[derive(Template)]
#[template(path = "artifact.html")]
struct Show {
    frame: Frame,
    entry: Entry,
    origin: &'static str,
    /// What it can do, by which call, and whether it says so itself.
    powers: Vec<(Permission, Reason, bool)>,
    may_write: bool,
    may_delete: bool,
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
}

pub(super) async fn list(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowArtifacts)?;
        let sought = wanted.q.to_lowercase();
        let fits = |entry: &&Entry| {
            let artifact = &entry.artifact;
            artifact.name.to_lowercase().contains(&sought)
                || artifact.description.to_lowercase().contains(&sought)
        };
        let repository = visitor.launcher().repository();
        let artifacts = repository.iter().filter(fits).cloned().collect();
        let actor = visitor.actor_in_root();
        let may_write = actor.may(Door::WriteArtifact) || actor.may(Door::WriteServerArtifact);
        let list = List { frame: Frame::of(&visitor), query: wanted.q, artifacts, may_write };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowArtifacts)?;
        let gone = || Fault::Missing(format!("There is no artifact `{name}`."));
        let repository = visitor.launcher().repository();
        let entry = repository.get(&name).ok_or_else(gone)?.clone();
        let unsaid = undeclared(&repository, &entry.artifact);
        let powers = powers(&repository, &entry.artifact).into_iter();
        let may_write = visitor.actor_in_root().may(artifacts::door(entry.artifact.kind));
        let show = Show {
            powers: powers.map(|(one, reason)| (one, reason, !unsaid.contains_key(&one))).collect(),
            origin: match &entry.origin {
                Origin::BuiltIn => "part of the program",
                Origin::File(_) => "a file of the server",
                Origin::Given => "given on a command line",
                Origin::Stored => "written here",
            },
            may_write,
            may_delete: may_write && entry.origin == Origin::Stored,
            frame: Frame::of(&visitor),
            entry,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}
