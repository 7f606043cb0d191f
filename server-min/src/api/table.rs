//! Rows in pages: of collections, hunts, cells and events.

use serde_json::{Map, Value, json};
use tonic::Status;

use super::generated::{GetTableRequest, GetTableResponse, Row};
use super::here::{Here, Why, id, site};
use super::hunt;
use crate::export::safe_name;
use crate::limits;
use crate::model::door::Door;
use crate::model::flow::Flow;
use crate::model::id::{ArtifactName, FlowId};
use crate::model::site::Site;
use crate::notebooks;
use crate::store::server_event::Kind;
use crate::store::upload::Upload;
use crate::store::{Store, StoreError, now_us};

type Object = Map<String, Value>;
/// Rows as they come.
pub(super) type Objects = Box<dyn Iterator<Item = Result<Object, StoreError>>>;

/// How many rows somebody gets who wants so many; 0 leaves it to the server.
pub(super) fn rows(wanted: u64) -> usize {
    match usize::try_from(wanted).unwrap_or(usize::MAX) {
        0 => limits::API_ROWS,
        wanted => wanted.min(limits::API_ROWS),
    }
}

/// One answer: rows until there are as many as wanted or it is large.
pub(super) struct Answer {
    chosen: Vec<String>,
    most: usize,
    objects: Vec<Object>,
    bytes: usize,
}

impl Answer {
    /// # Errors
    /// Somebody wants the rows sorted or filtered: `Query` does that over all of them, a page cannot.
    pub(super) fn new(wanted: &GetTableRequest) -> Result<Self, Status> {
        let GetTableRequest { sort_column, filter_column, filter_regex, .. } = wanted;
        if [sort_column, filter_column, filter_regex].iter().any(|field| !field.is_empty()) {
            let text = "sort_column, filter_column, filter_regex: ask with Query for that";
            return Err(Status::invalid_argument(text));
        }
        let (chosen, most) = (wanted.columns.clone(), rows(wanted.rows));
        Ok(Self { chosen, most, objects: Vec::new(), bytes: 0 })
    }

    pub(super) const fn is_full(&self) -> bool {
        self.objects.len() >= self.most || self.bytes >= limits::API_ANSWER_BYTES
    }

    /// Takes rows while there is room.
    pub(super) fn fill(&mut self, mut rows: Objects) -> Result<(), StoreError> {
        while !self.is_full() {
            let Some(next) = rows.next() else { break };
            self.push(next?);
        }
        Ok(())
    }

    /// Takes an object, and nothing else.
    pub(super) fn object(&mut self, row: Value) {
        if let Value::Object(row) = row {
            self.push(row);
        }
    }

    fn push(&mut self, row: Object) {
        let size = |(name, value): (&String, &Value)| match value {
            Value::String(text) => name.len().saturating_add(text.len()),
            other => name.len().saturating_add(other.to_string().len()),
        };
        self.bytes = row.iter().map(size).fold(self.bytes, usize::saturating_add);
        self.objects.push(row);
    }

    /// The answer. Its columns are those of all its rows, in the order in which they appear.
    pub(super) fn end(self, total: Option<u64>) -> GetTableResponse {
        let mut columns = self.chosen;
        if columns.is_empty() {
            let mut known = std::collections::HashSet::new();
            let names = self.objects.iter().flat_map(Map::keys);
            columns = names.filter(|name| known.insert(*name)).cloned().collect();
        }
        let row = |mut object: Object| {
            let value = |name| object.remove(name).unwrap_or_default();
            Row { json: Value::Array(columns.iter().map(value).collect()).to_string() }
        };
        let rows = self.objects.into_iter().map(row).collect();
        let total_rows = total.map_or(-1, |total| i64::try_from(total).unwrap_or(i64::MAX));
        GetTableResponse { rows, columns, total_rows }
    }
}

/// Rows of what the request names.
pub(super) fn read(here: &Here, wanted: &GetTableRequest) -> Result<GetTableResponse, Status> {
    let answer = Answer::new(wanted)?;
    match (wanted.notebook_id.as_str(), wanted.hunt_id.as_str(), wanted.flow_id.as_str()) {
        ("", "", "") => events(here, wanted, answer),
        ("", "", _) => of_flow(here, wanted, answer),
        ("", _, _) => match wanted.r#type.as_str() {
            "hunt_status" => hunt::flows(here, wanted),
            other => Err(no_type(other, "hunt_status, or ask with GetHuntResults")),
        },
        _ => of_cell(here, wanted, answer),
    }
}

fn no_type(given: &str, known: &str) -> Status {
    Status::invalid_argument(format!("type: there is no `{given}` of that; it is {known}"))
}

fn of_flow(
    here: &Here,
    wanted: &GetTableRequest,
    mut answer: Answer,
) -> Result<GetTableResponse, Status> {
    let about = json!({"client_id": wanted.client_id, "flow_id": wanted.flow_id});
    here.enter(Door::Results, about)?;
    let (site, flow) = (site(&wanted.client_id)?, id("flow_id", &wanted.flow_id)?);
    let (store, start) = (&here.org.store, wanted.start_row);
    let total = match wanted.r#type.as_str() {
        "" | "source" => {
            let name = id("artifact", &wanted.artifact)?;
            source(store, (site, &flow), &name, start, &mut answer).map(Some)
        }
        "log" => {
            let logs = store.logs(site, &flow, start);
            logs.and_then(|lines| answer.fill(Box::new(lines.map(|line| object(&line?)))))
                .map(|()| None)
        }
        "uploads" => uploads(store, site, &flow, start, &mut answer).map(Some),
        other => return Err(no_type(other, "log, uploads, or nothing for rows")),
    };
    Ok(answer.end(total.map_err(|error| here.refusal(Door::Results, error))?))
}

fn source(
    store: &Store,
    (site, flow): (Site, &FlowId),
    name: &ArtifactName,
    start: u64,
    answer: &mut Answer,
) -> Result<u64, StoreError> {
    let lines = store.rows(site, flow, name, start)?;
    answer.fill(Box::new(lines.map(|line| object(&line?))))?;
    let found = store.results(site, flow)?;
    Ok(found.iter().find(|set| set.name == *name).map_or(0, |set| set.rows))
}

fn uploads(
    store: &Store,
    site: Site,
    flow: &FlowId,
    start: u64,
    answer: &mut Answer,
) -> Result<u64, StoreError> {
    let files = store.uploads(site, flow)?;
    let count = u64::try_from(files.len()).unwrap_or(u64::MAX);
    for file in files.into_iter().skip(usize::try_from(start).unwrap_or(usize::MAX)) {
        if answer.is_full() {
            break;
        }
        answer.object(upload(site, flow, &file));
    }
    Ok(count)
}

fn upload(site: Site, flow: &FlowId, file: &Upload) -> Value {
    let name = safe_name(file.number, &file.path);
    json!({
        "started": file.started_us / 1_000_000,
        "vfs_path": file.path,
        "_Components": ["clients", site.as_str(), "collections", flow.as_str(), "uploads", &name],
        "file_size": file.size,
        "uploaded_size": file.stored,
        "_accessor": file.accessor,
        "complete": file.complete,
    })
}

fn of_cell(
    here: &Here,
    wanted: &GetTableRequest,
    mut answer: Answer,
) -> Result<GetTableResponse, Status> {
    let (notebook, number) = (id("notebook_id", &wanted.notebook_id)?, &wanted.cell_id);
    let number: i64 = id("cell_id", number)?;
    if !matches!(wanted.table_id, 0 | 1) {
        return Err(Status::not_found("table_id: a cell has one table"));
    }
    let found = notebooks::show(&here.actor, &notebook);
    let (_, cells) = found.map_err(|error| here.refusal(Door::ShowNotebooks, error))?;
    let cell = cells.iter().find(|cell| cell.number == number).ok_or_else(|| {
        here.refusal(Door::ShowNotebooks, StoreError::NoCell(notebook.to_string(), number))
    })?;
    let start = usize::try_from(wanted.start_row).unwrap_or(usize::MAX);
    let lines = here.org.store.cell_lines(number, Kind::Rows).skip(start);
    answer
        .fill(Box::new(lines.map(|line| object(&line?))))
        .map_err(|error| here.refusal(Door::ShowNotebooks, error))?;
    Ok(answer.end(Some(cell.rows)))
}

fn events(
    here: &Here,
    wanted: &GetTableRequest,
    mut answer: Answer,
) -> Result<GetTableResponse, Status> {
    let about = json!({"client_id": wanted.client_id, "artifact": wanted.artifact});
    here.enter(Door::Results, about)?;
    let kind = match wanted.r#type.as_str() {
        "CLIENT_EVENT" | "SERVER_EVENT" => Kind::Rows,
        "CLIENT_EVENT_LOGS" | "SERVER_EVENT_LOGS" => Kind::Log,
        other => return Err(no_type(other, "CLIENT_EVENT, SERVER_EVENT, or one with _LOGS")),
    };
    let is_of_server = wanted.r#type.starts_with("SERVER") && wanted.client_id.is_empty();
    let site = if is_of_server { Site::Server } else { site(&wanted.client_id)? };
    let name: ArtifactName = id("artifact", &wanted.artifact)?;
    let micros =
        |seconds: i64| u64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000);
    let end_us = if wanted.end_time > 0 { micros(wanted.end_time) } else { u64::MAX };
    let time = micros(wanted.start_time)..end_us;
    let store = &here.org.store;
    let found = match (site, kind) {
        (Site::Server, Kind::Rows) => store.server_events(&name, time),
        (Site::Server, Kind::Log) => store.server_event_logs(&name, time),
        (Site::Client(id), Kind::Rows) => store.events(&id, &name, time),
        (Site::Client(id), Kind::Log) => store.event_logs(&id, &name, time),
    };
    let whose = site.to_string();
    let rows = found.skip(usize::try_from(wanted.start_row).unwrap_or(usize::MAX));
    let rows = rows.map(move |event| {
        let event = event?;
        let mut row = object(&event.row)?;
        // What the server knows counts, whatever columns the agent sent.
        row.insert("ClientId".to_owned(), whose.as_str().into());
        row.insert("_ts".to_owned(), (event.received_us / 1000).into());
        Ok(row)
    });
    answer.fill(Box::new(rows)).map_err(|error| here.refusal(Door::Results, error))?;
    Ok(answer.end(None))
}

/// The collections of a client or of the server, latest first.
pub(super) fn flows(here: &Here, wanted: &GetTableRequest) -> Result<GetTableResponse, Status> {
    here.enter(Door::Results, json!({"client_id": wanted.client_id}))?;
    let site = site(&wanted.client_id)?;
    let mut answer = Answer::new(wanted)?;
    let skip = usize::try_from(wanted.start_row).unwrap_or(usize::MAX);
    let found = here.org.store.flows(site, skip, rows(wanted.rows));
    let found = found.map_err(|error| here.refusal(Door::Results, Why::from(error)))?;
    found.iter().for_each(|flow| answer.object(line(flow)));
    Ok(answer.end(None))
}

fn line(flow: &Flow) -> Value {
    let totals = flow.totals();
    let artifacts: Vec<&str> = flow.artifacts.iter().map(ArtifactName::as_str).collect();
    json!({
        "State": flow.state(now_us()).name(),
        "FlowId": flow.id.as_str(),
        "Artifacts": artifacts,
        "Created": flow.created_us,
        "Last Active": flow.active_us,
        "Creator": flow.creator,
        "Mb": totals.uploaded_bytes >> 20,
        "Rows": totals.rows,
        "_Urgent": flow.urgent,
    })
}

/// A stored line.
fn object(line: &[u8]) -> Result<Object, StoreError> {
    Ok(serde_json::from_slice(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_columns_of_all_its_rows_and_the_values_in_their_order() {
        let mut answer = Answer::new(&GetTableRequest::default()).unwrap();
        for row in [json!({"a": 1, "b": [2]}), json!({"c": "x", "a": null})] {
            answer.object(row);
        }
        let answer = answer.end(Some(7));
        assert_eq!(answer.columns, ["a", "b", "c"]);
        let rows: Vec<_> = answer.rows.iter().map(|row| row.json.as_str()).collect();
        assert_eq!((rows, answer.total_rows), (vec!["[1,[2],null]", "[null,null,\"x\"]"], 7));
    }

    #[test]
    fn an_answer_ends_at_the_rows_that_are_wanted_and_when_it_is_large() {
        let endless = || -> Objects { Box::new(std::iter::repeat_with(|| object(b"{\"a\":1}"))) };
        let wanted = |rows| GetTableRequest { rows, ..GetTableRequest::default() };
        for (rows, expected) in [(3, 3), (0, limits::API_ROWS), (u64::MAX, limits::API_ROWS)] {
            let mut answer = Answer::new(&wanted(rows)).unwrap();
            answer.fill(endless()).unwrap();
            assert_eq!(answer.end(None).rows.len(), expected);
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::API_ANSWER_BYTES / 2));
        let mut answer = Answer::new(&wanted(100)).unwrap();
        answer.fill(Box::new(std::iter::repeat_with(move || object(large.as_bytes())))).unwrap();
        let answer = answer.end(None);
        assert_eq!((answer.rows.len(), answer.total_rows), (2, -1));
    }

    #[test]
    fn somebody_who_wants_a_page_sorted_is_told_how_to_get_that() {
        let sorted = GetTableRequest { sort_column: "a".into(), ..GetTableRequest::default() };
        let refused = Answer::new(&sorted).err().unwrap();
        assert!(refused.message().ends_with("ask with Query for that"), "{refused}");
    }
}
