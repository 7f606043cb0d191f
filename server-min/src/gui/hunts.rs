//! Hunts: all of them, a new one, and one with what it brought.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::clients::{Part, client_id, names};
use super::download::{self, Format};
use super::fault::Fault;
use super::form::{Choice, Filled, Wanted};
use super::page::{self, Frame};
use super::table::{Table, View};
use super::time::Moment;
use super::visitor::Visitor;
use crate::artifact::ArtifactType;
use crate::hunts::{self, Edit, HuntRow, HuntRows, NewHunt};
use crate::launcher::Collect;
use crate::limits;
use crate::model::door::Door;
use crate::model::hunt::{Condition, Hunt, HuntState, HuntStats, Os, Participant};
use crate::model::id::{ArtifactName, HuntId};
use crate::store::{Store, StoreError, now_us};

/// Clients that are looked at to find the names of results.
const NAMING_CLIENTS: usize = 20;
const HOUR_US: u64 = 3_600_000_000;

/// A hunt in a list.
pub(super) struct Line {
    pub(super) hunt: Hunt,
    pub(super) stats: HuntStats,
    pub(super) state: HuntState,
    pub(super) created: Moment,
    pub(super) expires: Moment,
}

impl Line {
    fn of(store: &Store, hunt: Hunt) -> Result<Self, StoreError> {
        let stats = store.hunt_stats(&hunt.id)?;
        Ok(Self {
            state: hunt.state(stats.scheduled, now_us()),
            created: Moment(hunt.created_us),
            expires: Moment(hunt.expires_us),
            stats,
            hunt,
        })
    }

    /// What it is about, for people.
    pub(super) fn title(&self) -> String {
        let text = self.hunt.description.trim();
        if text.is_empty() { names(&self.hunt.artifacts) } else { text.to_owned() }
    }
}

pub(super) fn lines(store: &Store, hunts: Vec<Hunt>) -> Result<Vec<Line>, StoreError> {
    hunts.into_iter().map(|hunt| Line::of(store, hunt)).collect()
}

#[derive(Template)]
#[template(path = "hunts.html")]
struct List {
    frame: Frame,
    hunts: Vec<Line>,
    may_create: bool,
    skip: usize,
    next: Option<usize>,
}

pub(super) async fn list(visitor: Visitor, Query(part): Query<Part>) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowHunts)?;
        let hunts =
            lines(visitor.store(), visitor.store().hunts(part.skip, limits::LINES_PER_PAGE)?)?;
        let is_full = hunts.len() == limits::LINES_PER_PAGE;
        let list = List {
            frame: Frame::of(&visitor),
            hunts,
            may_create: visitor.may(Door::CreateHunt),
            skip: part.skip,
            next: is_full.then(|| part.skip.saturating_add(limits::LINES_PER_PAGE)),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &list))
    };
    tokio::task::spawn_blocking(work).await?
}

#[derive(Template)]
#[template(path = "hunt_new.html")]
struct New {
    frame: Frame,
    choice: Choice,
    may_start: bool,
    usual_days: u64,
}

pub(super) async fn form(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::CreateHunt)?;
        let repository = visitor.launcher().repository();
        let new = New {
            choice: Choice::of(&repository, ArtifactType::Client, wanted.artifact)?,
            may_start: visitor.may(Door::StartHunt),
            usual_days: hunts::USUAL_HOURS / 24,
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &new))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn create(visitor: Visitor, RawForm(body): RawForm) -> Result<Response, Fault> {
    let filled = Filled::parse(&body);
    visitor.sent(&filled.csrf)?;
    let base = visitor.settings().base_path.clone();
    let wanted = wanted(filled)?;
    let work = move || hunts::create(visitor.actor(), visitor.launcher(), &wanted);
    let id = tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&format!("{base}/hunts/{id}")).into_response())
}

fn wanted(filled: Filled) -> Result<NewHunt, Fault> {
    let labels = |name: &str| {
        let parts = filled.field(name).split(',').map(str::trim);
        parts.filter(|label| !label.is_empty()).map(str::to_owned).collect()
    };
    let days = filled.number("days")?;
    let os = match filled.field("os") {
        "" => None,
        name => {
            Some(Os::named(name).ok_or_else(|| Fault::Wrong(format!("`{name}` is no system")))?)
        }
    };
    Ok(NewHunt {
        description: filled.field("description").to_owned(),
        condition: Condition {
            labels: labels("labels"),
            excluded_labels: labels("excluded_labels"),
            os,
        },
        client_limit: filled.number("client_limit")?,
        expires_us: match days {
            0 => 0,
            days => now_us().saturating_add(days.saturating_mul(24 * HOUR_US)),
        },
        running: filled.field("running") == "Y",
        collect: Collect { specs: vec![filled.spec], ..Collect::default() },
    })
}

#[derive(Template)]
#[template(path = "hunt.html")]
struct Show {
    frame: Frame,
    line: Line,
    condition: String,
    spec: String,
    names: Vec<ArtifactName>,
    table: Option<Table>,
    may_start: bool,
    may_modify: bool,
    may_delete: bool,
}

impl Show {
    /// Of the clients that joined, in percent.
    fn progress(&self) -> u64 {
        let stats = &self.line.stats;
        stats.finished.saturating_mul(100).checked_div(stats.scheduled).unwrap_or_default()
    }
}

pub(super) async fn show(
    visitor: Visitor,
    Path(hunt): Path<String>,
    view: View,
) -> Result<Response, Fault> {
    let id = hunt_id(&hunt)?;
    let work = move || {
        visitor.actor().enter(Door::ShowHunts, json!({"hunt_id": id.as_str()}))?;
        let store = visitor.store();
        let line = Line::of(store, store.hunt(&id)?)?;
        let names = result_names(store, &id)?;
        let chosen = match &view.name {
            Some(wanted) => names.iter().find(|name| name.as_str() == wanted),
            None => names.first(),
        };
        let base = &visitor.settings().base_path;
        let table = chosen.map(|name| table(store, base, &id, name, &view)).transpose()?;
        let show = Show {
            frame: Frame::of(&visitor),
            condition: condition(&line.hunt.condition),
            spec: serde_json::to_string_pretty(&line.hunt.spec).unwrap_or_default(),
            may_start: visitor.may(Door::StartHunt),
            may_modify: visitor.may(Door::ModifyHunt),
            may_delete: visitor.may(Door::DeleteHunts),
            line,
            names,
            table,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn table(
    store: &Store,
    base: &str,
    id: &HuntId,
    name: &ArtifactName,
    view: &View,
) -> Result<Table, StoreError> {
    let view = view.named(name.as_str());
    let open = |start| {
        let rows = HuntRows::new(store.clone(), id.clone(), Some(name.clone())).behind(start);
        Ok(rows.map(|row| row.map(|row| with_client(&row))))
    };
    let mut table = Table::read(&view, None, open)?;
    let sought = form_urlencoded::byte_serialize(name.as_str().as_bytes());
    table.download = format!("{base}/hunts/{id}/rows?name={}", sought.collect::<String>());
    Ok(table)
}

/// Which rows, and how.
#[derive(Deserialize)]
pub(super) struct Rows {
    name: String,
    #[serde(default)]
    format: Format,
}

/// All rows of one name, with the client that sent each.
pub(super) async fn download(
    visitor: Visitor,
    Path(hunt): Path<String>,
    Query(wanted): Query<Rows>,
) -> Result<Response, Fault> {
    let id = hunt_id(&hunt)?;
    let gone = |_| Fault::Missing(format!("`{}` is no name of results.", wanted.name));
    let name: ArtifactName = wanted.name.parse().map_err(gone)?;
    let (store, about) = (visitor.store().clone(), id.clone());
    let enter = move || {
        let record = visitor.actor().enter(Door::ShowHunts, json!({"hunt_id": about.as_str()}))?;
        visitor.store().hunt(&about)?;
        Ok::<_, Fault>(visitor.store().audit(record)?)
    };
    tokio::task::spawn_blocking(enter).await??;
    let file = format!("{id}.{}", name.as_str().replace('/', "."));
    download::rows(&file, wanted.format, move || {
        let rows = HuntRows::new(store.clone(), id.clone(), Some(name.clone()));
        Ok(rows.map(|row| row.map(|row| with_client(&row))))
    })
}

/// A row with the client that sent it before everything else.
fn with_client(row: &HuntRow) -> bytes::Bytes {
    let mut fields = serde_json::Map::new();
    fields.insert("Fqdn".to_owned(), row.fqdn.as_str().into());
    fields.insert("ClientId".to_owned(), row.client.as_str().into());
    match serde_json::from_slice::<serde_json::Map<_, _>>(&row.row) {
        Ok(own) => own.into_iter().for_each(|(name, value)| {
            // What an agent sends does not replace who it is.
            fields.entry(name).or_insert(value);
        }),
        Err(_) => {
            fields.insert("row".to_owned(), String::from_utf8_lossy(&row.row).into());
        }
    }
    serde_json::Value::Object(fields).to_string().into()
}

/// The names of results, as the first clients have them.
fn result_names(store: &Store, id: &HuntId) -> Result<Vec<ArtifactName>, StoreError> {
    let mut names = Vec::new();
    for one in store.participants(id, None, NAMING_CLIENTS)? {
        match store.results(one.client, &one.flow) {
            Ok(found) => {
                for set in found {
                    if !names.contains(&set.name) {
                        names.push(set.name);
                    }
                }
            }
            // Somebody deleted it.
            Err(StoreError::NoFlow { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(names)
}

/// Whom it wants, for people.
fn condition(condition: &Condition) -> String {
    let mut parts = Vec::new();
    if let Some(os) = condition.os {
        parts.push(format!("system {}", os.name()));
    }
    if !condition.labels.is_empty() {
        parts.push(format!("with any label of {}", condition.labels.join(", ")));
    }
    if !condition.excluded_labels.is_empty() {
        parts.push(format!("with no label of {}", condition.excluded_labels.join(", ")));
    }
    if parts.is_empty() { "all clients".to_owned() } else { parts.join(", ") }
}

/// What the buttons of a hunt send.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    state: String,
}

pub(super) async fn set_state(
    visitor: Visitor,
    Path(hunt): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let id = hunt_id(&hunt)?;
    visitor.sent(&form.csrf)?;
    let state = match form.state.as_str() {
        "run" => HuntState::Running,
        "pause" => HuntState::Paused,
        "stop" => HuntState::Stopped,
        other => return Err(Fault::Wrong(format!("`{other}` is nothing that a hunt can do"))),
    };
    let place = format!("{}/hunts/{id}", visitor.settings().base_path);
    let edit = Edit { state: Some(state), ..Edit::default() };
    let work = move || hunts::edit(visitor.actor(), visitor.launcher(), &id, edit);
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}

pub(super) async fn delete(
    visitor: Visitor,
    Path(hunt): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    let id = hunt_id(&hunt)?;
    visitor.sent(&form.csrf)?;
    let place = format!("{}/hunts", visitor.settings().base_path);
    tokio::task::spawn_blocking(move || hunts::delete(visitor.actor(), &id)).await??;
    Ok(Redirect::to(&place).into_response())
}

#[derive(Template)]
#[template(path = "hunt_clients.html")]
struct Clients {
    frame: Frame,
    hunt: Hunt,
    clients: Vec<Joined>,
    next: Option<String>,
}

/// A client of a hunt.
struct Joined {
    one: Participant,
    host: String,
    state: &'static str,
    status: String,
    rows: u64,
    at: Moment,
}

impl Joined {
    fn of(store: &Store, one: Participant) -> Result<Self, StoreError> {
        let host = store.client(&one.client)?.map(|client| client.host.hostname);
        let (state, status, rows) = match store.flow(one.client, &one.flow) {
            Ok(flow) => (flow.state(now_us()).name(), flow.status().to_owned(), flow.totals().rows),
            Err(StoreError::NoFlow { .. }) => ("deleted", String::new(), 0),
            Err(other) => return Err(other),
        };
        let at = Moment(one.joined_us);
        Ok(Self { one, host: host.unwrap_or_default(), state, status, rows, at })
    }
}

/// Behind which client.
#[derive(Deserialize)]
pub(super) struct Behind {
    after: Option<String>,
}

pub(super) async fn clients(
    visitor: Visitor,
    Path(hunt): Path<String>,
    Query(behind): Query<Behind>,
) -> Result<Response, Fault> {
    let id = hunt_id(&hunt)?;
    let after = behind.after.as_deref().map(client_id).transpose()?;
    let work = move || {
        visitor.actor().enter(Door::ShowHunts, json!({"hunt_id": id.as_str()}))?;
        let store = visitor.store();
        let found = store.participants(&id, after.as_ref(), limits::LINES_PER_PAGE)?;
        let is_full = found.len() == limits::LINES_PER_PAGE;
        let next = found.last().filter(|_| is_full).map(|last| last.client.to_string());
        let clients: Result<_, StoreError> =
            found.into_iter().map(|one| Joined::of(store, one)).collect();
        let clients =
            Clients { frame: Frame::of(&visitor), hunt: store.hunt(&id)?, clients: clients?, next };
        Ok::<_, Fault>(page::html(StatusCode::OK, &clients))
    };
    tokio::task::spawn_blocking(work).await?
}

/// The id in an address.
pub(super) fn hunt_id(text: &str) -> Result<HuntId, Fault> {
    text.parse().map_err(|_| Fault::Missing(format!("`{text}` is no id of a hunt.")))
}
