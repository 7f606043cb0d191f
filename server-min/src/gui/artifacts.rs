//! What can be collected: the list of artifacts, and one of them.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::Entry;
use crate::model::door::Door;

#[derive(Template)]
#[template(path = "artifacts.html")]
struct List {
    frame: Frame,
    query: String,
    artifacts: Vec<Entry>,
}

#[derive(Template)]
#[template(path = "artifact.html")]
struct Show {
    frame: Frame,
    entry: Entry,
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
        let artifacts = visitor.launcher().repository().iter().filter(fits).cloned().collect();
        let list = List { frame: Frame::of(&visitor), query: wanted.q, artifacts };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowArtifacts)?;
        let gone = || Fault::Missing(format!("There is no artifact `{name}`."));
        let entry = visitor.launcher().repository().get(&name).ok_or_else(gone)?.clone();
        let show = Show { frame: Frame::of(&visitor), entry };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}
