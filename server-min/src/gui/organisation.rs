//! Which organisation the pages show.

use axum::Form;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::fault::Fault;
use super::visitor::Visitor;

/// What the choice at the top sends.
#[derive(Deserialize)]
pub(super) struct Chosen {
    csrf: String,
    org: String,
}

/// Shows another organisation, to whoever belongs to it.
pub(super) async fn choose(visitor: Visitor, Form(form): Form<Chosen>) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let id = form.org.parse();
    let id = id.map_err(|_| Fault::Wrong("That is no id of an organisation.".to_owned()))?;
    let place = format!("{}/", visitor.settings().base_path);
    tokio::task::spawn_blocking(move || visitor.choose(&id)).await??;
    Ok(Redirect::to(&place).into_response())
}
