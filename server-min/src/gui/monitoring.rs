//! What clients watch, all of them and those of labels; and what runs on the server.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Query, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::fault::Fault;
use super::form::{Choice, Filled, Wanted};
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::artifact::ArtifactType;
use crate::model::door::Door;
use crate::model::monitoring::{ServerWatch, Watch};
use crate::server_monitoring;

#[derive(Template)]
#[template(path = "monitoring.html")]
struct Show {
    frame: Frame,
    lists: Vec<(Option<String>, Vec<Watch>)>,
    changed: Moment,
    may_change: bool,
    /// What runs on the server, and since when.
    server: Vec<(Moment, ServerWatch)>,
    may_change_server: bool,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::Results)?;
        let list = visitor.monitoring().list()?;
        let server = server_monitoring::list(visitor.store(), visitor.launcher())?.artifacts;
        let labelled = list.labels.into_iter().map(|(label, watches)| (Some(label), watches));
        let show = Show {
            frame: Frame::of(&visitor),
            lists: std::iter::once((None, list.all)).chain(labelled).collect(),
            changed: Moment(list.changed_ns / 1_000),
            may_change: visitor.may(Door::Collect),
            server: server.into_iter().map(|one| (Moment(one.added_us), one)).collect(),
            may_change_server: visitor.may(Door::MonitorServer),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

#[derive(Template)]
#[template(path = "monitoring_add.html")]
struct Add {
    frame: Frame,
    choice: Choice,
    /// Whether it is to run on the server, and not on clients.
    on_server: bool,
}

pub(super) async fn form(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    offer(visitor, wanted, (Door::Collect, ArtifactType::ClientEvent)).await
}

pub(super) async fn server_form(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    offer(visitor, wanted, (Door::MonitorServer, ArtifactType::ServerEvent)).await
}

async fn offer(
    visitor: Visitor,
    wanted: Wanted,
    (door, kind): (Door, ArtifactType),
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(door)?;
        let choice = Choice::of(&visitor.launcher().repository(), kind, wanted.artifact)?;
        let on_server = kind == ArtifactType::ServerEvent;
        let add = Add { frame: Frame::of(&visitor), choice, on_server };
        Ok::<_, Fault>(page::html(StatusCode::OK, &add))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn add(visitor: Visitor, RawForm(body): RawForm) -> Result<Response, Fault> {
    let filled = Filled::parse(&body);
    visitor.sent(&filled.csrf)?;
    let place = format!("{}/monitoring", visitor.settings().base_path);
    let work = move || {
        let label = Some(filled.field("label")).filter(|label| !label.is_empty());
        let label = label.map(str::to_owned);
        let principal = visitor.actor().principal();
        visitor.monitoring().add(principal, label.as_deref(), watch(filled)).map(drop)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

pub(super) async fn server_add(
    visitor: Visitor,
    RawForm(body): RawForm,
) -> Result<Response, Fault> {
    let filled = Filled::parse(&body);
    visitor.sent(&filled.csrf)?;
    let place = format!("{}/monitoring", visitor.settings().base_path);
    let work = move || {
        server_monitoring::add(visitor.actor(), visitor.launcher(), watch(filled)).map(drop)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

fn watch(filled: Filled) -> Watch {
    let parameters: BTreeMap<_, _> = filled.spec.parameters.into_iter().collect();
    Watch { artifact: filled.spec.artifact, parameters }
}

/// What the button beside an artifact sends.
#[derive(Deserialize)]
pub(super) struct Removal {
    csrf: String,
    artifact: String,
    #[serde(default)]
    label: String,
}

pub(super) async fn remove(visitor: Visitor, Form(form): Form<Removal>) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/monitoring", visitor.settings().base_path);
    let work = move || {
        let label = Some(form.label.as_str()).filter(|label| !label.is_empty());
        let principal = visitor.actor().principal();
        visitor.monitoring().remove(principal, label, &form.artifact).map(drop)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

pub(super) async fn server_remove(
    visitor: Visitor,
    Form(form): Form<Removal>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/monitoring", visitor.settings().base_path);
    let work = move || {
        server_monitoring::remove(visitor.actor(), visitor.launcher(), &form.artifact).map(drop)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}
