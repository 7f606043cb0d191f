//! Keys for programs, on the page of one's account.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Shared;
use super::fault::Fault;
use super::own::{confirm, has_password};
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::account::{self, KeyError, Wish};
use crate::store::api_key::ApiKey;
use crate::store::now_us;

/// A key in the list.
pub(super) struct Line {
    pub(super) key: ApiKey,
    pub(super) id: String,
    pub(super) until: Moment,
    pub(super) used: Option<Moment>,
}

/// The keys of a visitor that are not over.
pub(super) fn lines(visitor: &Visitor) -> Result<Vec<Line>, Fault> {
    let now = now_us();
    let all = visitor.root().api_keys(visitor.name())?.into_iter();
    let line = |key: ApiKey| Line {
        id: hex::encode(key.hash),
        until: Moment(key.until_us),
        used: (key.used_us > 0).then_some(Moment(key.used_us)),
        key,
    };
    Ok(all.filter(|key| now < key.until_us).map(line).collect())
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Wanted {
    csrf: String,
    #[serde(default)]
    current: Zeroizing<String>,
    #[serde(default)]
    label: String,
    #[serde(default)]
    days: u64,
}

#[derive(Template)]
#[template(path = "key.html")]
struct Made {
    frame: Frame,
    key: Zeroizing<String>,
}

/// Shows a new key, this once.
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    visitor: Visitor,
    Form(form): Form<Wanted>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let _turn = shared.checks.acquire().await.map_err(|_| Fault::Failed)?;
    let work = move || {
        if has_password(&visitor)? {
            confirm(&visitor, &form.current)?;
        }
        let wish = Wish { label: form.label, org: visitor.org().id().clone(), days: form.days };
        let made = account::make_key(visitor.root(), visitor.name(), wish, now_us());
        let key = made.map_err(|error| match error {
            KeyError::Store(error) => error.into(),
            KeyError::Random(error) => Fault::failed(&error),
            other => Fault::Wrong(other.to_string()),
        })?;
        Ok::<_, Fault>(page::html(StatusCode::OK, &Made { frame: Frame::of(&visitor), key }))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What the button sends.
#[derive(Deserialize)]
pub(super) struct Unwanted {
    csrf: String,
    #[serde(default)]
    key: String,
}

pub(super) async fn end(visitor: Visitor, Form(form): Form<Unwanted>) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/account", visitor.settings().base_path);
    let work = move || account::end_key(visitor.root(), visitor.name(), &form.key, now_us());
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}
