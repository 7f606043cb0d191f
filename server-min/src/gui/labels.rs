//! Labels of clients: of one on its page, and of those that are ticked in the list.

use axum::Form;
use axum::extract::{Path, RawForm};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::clients::client_id;
use super::fault::Fault;
use super::visitor::Visitor;
use crate::clients;
use crate::model::client;
use crate::model::id::ClientId;

/// What the form of one client sends: one of the two.
#[derive(Deserialize)]
pub(super) struct Labelling {
    csrf: String,
    #[serde(default)]
    add: String,
    #[serde(default)]
    remove: String,
}

pub(super) async fn one(
    visitor: Visitor,
    Path(client): Path<String>,
    Form(form): Form<Labelling>,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/clients/{id}", visitor.settings().base_path);
    change(visitor, vec![id], (&form.add, &form.remove)).await?;
    Ok(Redirect::to(&place).into_response())
}

/// The form around the list of clients, as it comes back.
#[derive(Default)]
struct Ticked {
    csrf: String,
    /// What was looked for.
    query: String,
    clients: Vec<ClientId>,
    label: String,
    removes: bool,
}

impl Ticked {
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "csrf" => form.csrf = value.into_owned(),
                "q" => form.query = value.into_owned(),
                "client" => form.clients.push(client_id(&value)?),
                "label" => form.label = value.into_owned(),
                "action" => form.removes = value == "remove",
                _ => {}
            }
        }
        Ok(form)
    }
}

pub(super) async fn ticked(visitor: Visitor, RawForm(body): RawForm) -> Result<Response, Fault> {
    let form = Ticked::parse(&body)?;
    visitor.sent(&form.csrf)?;
    let query: String = form_urlencoded::byte_serialize(form.query.as_bytes()).collect();
    let place = format!("{}/clients?q={query}", visitor.settings().base_path);
    if form.clients.is_empty() {
        return Err(Fault::Wrong("Tick the clients first.".to_owned()));
    }
    let label = form.label.as_str();
    let change_of = if form.removes { ("", label) } else { (label, "") };
    change(visitor, form.clients, change_of).await?;
    Ok(Redirect::to(&place).into_response())
}

/// Gives a label to clients, or takes one away. Those before one that is not there keep what they got.
async fn change(
    visitor: Visitor,
    ids: Vec<ClientId>,
    (add, remove): (&str, &str),
) -> Result<(), Fault> {
    let (add, remove) = (named(add)?, named(remove)?);
    if add.is_empty() && remove.is_empty() {
        return Err(Fault::Wrong("Give a label.".to_owned()));
    }
    let work = move || {
        for id in &ids {
            clients::label(visitor.actor(), id, add.clone(), remove.clone())?;
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await?
}

/// The label in a field; none when it is empty.
fn named(text: &str) -> Result<Vec<String>, Fault> {
    match text.trim() {
        "" => Ok(Vec::new()),
        given => {
            let wrong = || Fault::Wrong(format!("`{given}` cannot be a label"));
            Ok(vec![client::label(given).ok_or_else(wrong)?.to_owned()])
        }
    }
}
