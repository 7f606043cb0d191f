//! The list of clients, and one client.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::clients;
use crate::limits;
use crate::model::client::Client;
use crate::model::door::Door;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, ClientId};
use crate::model::search::Search;
use crate::model::site::Site;
use crate::store::now_us;
use crate::store::search::Cursor;

#[derive(Template)]
#[template(path = "clients.html")]
struct List {
    frame: Frame,
    query: String,
    total: u64,
    clients: Vec<Line>,
    may_label: bool,
    next: Option<String>,
}

/// A client in the list.
struct Line {
    client: Client,
    online: bool,
    seen: Moment,
}

impl Line {
    fn of(client: Client) -> Self {
        let silence = now_us().saturating_sub(client.seen_us);
        Self { online: silence < limits::ONLINE_US, seen: Moment(client.seen_us), client }
    }
}

/// What is looked for, and behind which client.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
    after: Option<String>,
}

pub(super) async fn list(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowClients)?;
        let (search, store) = (Search::parse(&wanted.q), visitor.store());
        let after = wanted.after.as_deref().and_then(|text| text.parse::<Cursor>().ok());
        let found = store.search_clients(&search, after.as_ref(), limits::LINES_PER_PAGE)?;
        let list = List {
            frame: Frame::of(&visitor),
            query: wanted.q,
            total: store.client_count()?,
            clients: found.clients.into_iter().map(Line::of).collect(),
            may_label: visitor.may(Door::LabelClients),
            next: found.next.map(|cursor| cursor.to_string()),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

#[derive(Template)]
#[template(path = "client.html")]
struct Show {
    frame: Frame,
    line: Line,
    enrolled: Moment,
    flows: Vec<Summary>,
    may_collect: bool,
    may_label: bool,
    may_delete: bool,
    skip: usize,
    next: Option<usize>,
}

/// A collection in the list.
pub(super) struct Summary {
    pub(super) flow: Flow,
    pub(super) state: &'static str,
    pub(super) rows: u64,
    pub(super) created: Moment,
}

impl Summary {
    pub(super) fn of(flow: Flow) -> Self {
        let (state, rows) = (flow.state(now_us()).name(), flow.totals().rows);
        Self { state, rows, created: Moment(flow.created_us), flow }
    }

    /// The artifacts, for people.
    pub(super) fn artifacts(&self) -> String {
        names(&self.flow.artifacts)
    }
}

/// Names of artifacts, for people.
pub(super) fn names(artifacts: &[ArtifactName]) -> String {
    artifacts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Which part of a long list.
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) skip: usize,
}

pub(super) async fn show(
    visitor: Visitor,
    Path(client): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    let work = move || {
        visitor.look(Door::ShowClients)?;
        let store = visitor.store();
        let client = store.client(&id)?.ok_or_else(|| missing(&id))?;
        let flows = store.flows(id, part.skip, limits::LINES_PER_PAGE)?;
        let is_full = flows.len() == limits::LINES_PER_PAGE;
        let show = Show {
            frame: Frame::of(&visitor),
            enrolled: Moment(client.enrolled_us),
            line: Line::of(client),
            flows: flows.into_iter().map(Summary::of).collect(),
            may_collect: visitor.may(Door::Collect),
            may_label: visitor.may(Door::LabelClients),
            may_delete: visitor.may(Door::DeleteClients),
            skip: part.skip,
            next: is_full.then(|| part.skip.saturating_add(limits::LINES_PER_PAGE)),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What the form that deletes a client sends.
#[derive(Deserialize)]
pub(super) struct Deletion {
    csrf: String,
}

pub(super) async fn delete(
    visitor: Visitor,
    Path(client): Path<String>,
    Form(form): Form<Deletion>,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/clients", visitor.settings().base_path);
    let gone = tokio::task::spawn_blocking(move || clients::delete(visitor.actor(), &id)).await??;
    if gone { Ok(Redirect::to(&place).into_response()) } else { Err(missing(&id)) }
}

/// The id in an address.
pub(super) fn client_id(text: &str) -> Result<ClientId, Fault> {
    ClientId::parse(text).map_err(|_| Fault::Missing(format!("`{text}` is no id of a client.")))
}

/// The same where the server may stand as well.
pub(super) fn site(text: &str) -> Result<Site, Fault> {
    text.parse().map_err(|_| Fault::Missing(format!("`{text}` is no id of a client.")))
}

pub(super) fn missing(id: &ClientId) -> Fault {
    Fault::Missing(format!("There is no client {id}."))
}
