//! Notebooks: those that somebody may see, a new one, and what is done to a whole one.

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::{Path, Query, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::download;
use super::fault::Fault;
use super::form::{Choice, Filled, Wanted};
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::artifact::ArtifactType;
use crate::model::door::Door;
use crate::model::id::UserName;
use crate::model::notebook::{Notebook, NotebookId};
use crate::notebooks::{self, NewNotebook};

#[derive(Template)]
#[template(path = "notebooks.html")]
struct List {
    frame: Frame,
    notebooks: Vec<(Moment, Notebook)>,
    may_edit: bool,
}

pub(super) async fn list(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        let found = notebooks::list(visitor.actor())?.into_iter();
        let list = List {
            frame: Frame::of(&visitor),
            notebooks: found.map(|one| (Moment(one.changed_us), one)).collect(),
            may_edit: visitor.may(Door::EditNotebooks),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

#[derive(Template)]
#[template(path = "notebook_new.html")]
struct New {
    frame: Frame,
    choice: Choice,
}

pub(super) async fn form(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::EditNotebooks)?;
        let repository = visitor.launcher().repository();
        let choice = Choice::of(&repository, ArtifactType::Notebook, wanted.artifact)?;
        Ok::<_, Fault>(page::html(StatusCode::OK, &New { frame: Frame::of(&visitor), choice }))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn create(visitor: Visitor, RawForm(body): RawForm) -> Result<Response, Fault> {
    let filled = Filled::parse(&body);
    visitor.sent(&filled.csrf)?;
    let base = visitor.settings().base_path.clone();
    let name = filled.field("name").to_owned();
    if name.is_empty() {
        return Err(Fault::Wrong("A notebook needs a name.".to_owned()));
    }
    let description = filled.field("description").to_owned();
    let template = Some((filled.spec.artifact, filled.spec.parameters));
    let template = template.filter(|(artifact, _)| !artifact.is_empty());
    let wanted = NewNotebook { name, description, cells: Vec::new(), template };
    let work = move || notebooks::create(visitor.actor(), visitor.launcher(), wanted);
    let id = tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&format!("{base}/notebooks/{id}")).into_response())
}

/// What the forms about a whole notebook send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    /// Names of people, with commas or spaces between them.
    #[serde(default)]
    users: String,
}

pub(super) async fn share(
    visitor: Visitor,
    Path(notebook): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/notebooks/{id}", visitor.settings().base_path);
    let names = form.users.split(|c: char| c == ',' || c.is_whitespace());
    let users: Result<Vec<UserName>, _> =
        names.filter(|name| !name.is_empty()).map(str::parse).collect();
    let users = users.map_err(|fault| Fault::Wrong(fault.to_string()))?;
    let work = move || notebooks::share(visitor.actor(), &id, &users);
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

pub(super) async fn delete(
    visitor: Visitor,
    Path(notebook): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/notebooks", visitor.settings().base_path);
    tokio::task::spawn_blocking(move || notebooks::delete(visitor.actor(), &id)).await??;
    Ok(Redirect::to(&place).into_response())
}

/// The notebook as a page to save.
pub(super) async fn export(
    visitor: Visitor,
    Path(notebook): Path<String>,
) -> Result<Response, Fault> {
    let id = notebook_id(&notebook)?;
    let work = move || {
        let mut text = Vec::new();
        notebooks::export(visitor.actor(), &id, &mut text)?;
        download::attachment("text/html; charset=utf-8", &format!("{id}.html"), Body::from(text))
    };
    tokio::task::spawn_blocking(work).await?
}

/// The id in an address.
pub(super) fn notebook_id(text: &str) -> Result<NotebookId, Fault> {
    text.parse().map_err(|_| Fault::Missing(format!("`{text}` is no id of a notebook.")))
}
