//! Lockdown: whether it is on, and how two administrators leave it for a time.

use askama::Template;
use axum::Form;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::lockdown::{self, Proven, State};
use crate::model::door::Door;
use crate::model::unlock::{Exit, Phase};

#[derive(Template)]
#[template(path = "lockdown.html")]
struct Show {
    frame: Frame,
    state: State,
    /// What is denied to everybody at this moment.
    denied: String,
    asked: Option<Exit>,
    since: Moment,
    until: Option<Moment>,
    /// Whether the visitor has asked, who cannot approve then.
    is_own: bool,
    may_leave: bool,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowLockdown)?;
        let state = State::of(visitor.acl())?;
        let asked = state.exit.as_ref().map(|(exit, _)| exit.clone());
        let show = Show {
            denied: visitor.acl().denied_to_all().to_string(),
            since: Moment(asked.as_ref().map_or(0, |exit| exit.asked_us)),
            until: match &state.exit {
                Some((_, Phase::Open { until_us })) => Some(Moment(*until_us)),
                _ => None,
            },
            is_own: asked.as_ref().is_some_and(|exit| exit.by == *visitor.name()),
            asked,
            may_leave: state.most.is_some() && visitor.may_leave_lockdown(),
            state,
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What the forms of this page send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    current: Zeroizing<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    minutes: u64,
    #[serde(default)]
    request: u64,
}

pub(super) async fn ask(visitor: Visitor, Form(form): Form<Sent>) -> Result<Response, Fault> {
    step(visitor, form, |visitor, form| {
        let actor = visitor.actor_in_root();
        // Who may not is told so before a password is looked at.
        lockdown::enter(&actor, visitor.acl(), "lockdown_exit_request", serde_json::json!({}))?;
        let wish = (form.reason.trim(), form.minutes);
        lockdown::ask(&actor, visitor.acl(), &proven(visitor, form)?, wish)?;
        Ok(())
    })
    .await
}

pub(super) async fn approve(visitor: Visitor, Form(form): Form<Sent>) -> Result<Response, Fault> {
    step(visitor, form, |visitor, form| {
        let actor = visitor.actor_in_root();
        lockdown::enter(&actor, visitor.acl(), "lockdown_exit_approve", serde_json::json!({}))?;
        lockdown::approve(&actor, visitor.acl(), &proven(visitor, form)?, form.request)?;
        Ok(())
    })
    .await
}

pub(super) async fn end(visitor: Visitor, Form(form): Form<Sent>) -> Result<Response, Fault> {
    step(visitor, form, |visitor, _| Ok(lockdown::end(&visitor.actor_in_root(), visitor.acl())?))
        .await
}

async fn step(
    visitor: Visitor,
    form: Sent,
    step: impl FnOnce(&Visitor, &Sent) -> Result<(), Fault> + Send + 'static,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/lockdown", visitor.settings().base_path);
    tokio::task::spawn_blocking(move || step(&visitor, &form)).await??;
    Ok(Redirect::to(&place).into_response())
}

/// The visitor, who gave the password again.
fn proven(visitor: &Visitor, form: &Sent) -> Result<Proven, Fault> {
    let proven = Proven::by_password(visitor.root(), visitor.name(), &form.current);
    Ok(proven.map_err(lockdown::LockdownError::from)?)
}
