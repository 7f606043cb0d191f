//! What clients watch: the list of all, and those of labels.

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
use crate::model::monitoring::Watch;

#[derive(Template)]
#[template(path = "monitoring.html")]
struct Show {
    frame: Frame,
    lists: Vec<(Option<String>, Vec<Watch>)>,
    changed: Moment,
    may_change: bool,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::Results)?;
        let list = visitor.monitoring().list()?;
        let labelled = list.labels.into_iter().map(|(label, watches)| (Some(label), watches));
        let show = Show {
            frame: Frame::of(&visitor),
            lists: std::iter::once((None, list.all)).chain(labelled).collect(),
            changed: Moment(list.changed_ns / 1_000),
            may_change: visitor.may(Door::Collect),
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
}

pub(super) async fn form(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::Collect)?;
        let repository = visitor.launcher().repository();
        let choice = Choice::of(&repository, ArtifactType::ClientEvent, wanted.artifact)?;
        Ok::<_, Fault>(page::html(StatusCode::OK, &Add { frame: Frame::of(&visitor), choice }))
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
        let parameters: BTreeMap<_, _> = filled.spec.parameters.into_iter().collect();
        let watch = Watch { artifact: filled.spec.artifact, parameters };
        visitor.monitoring().add(visitor.actor().principal(), label.as_deref(), watch).map(drop)
    };
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
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
