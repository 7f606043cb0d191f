//! The audit log, latest first, and whether it was changed.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::store::audit::{AuditState, Sought};

#[derive(Template)]
#[template(path = "audit.html")]
struct Show {
    frame: Frame,
    records: Vec<(u64, Record)>,
    wanted: Wanted,
    /// Older records.
    next: Option<String>,
    state: Option<Result<String, String>>,
}

/// Which records.
#[derive(Deserialize)]
pub(super) struct Wanted {
    /// Only those before this one.
    before: Option<u64>,
    #[serde(default)]
    who: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    refused: String,
    /// Check the chain as well.
    #[serde(default)]
    verify: String,
}

pub(super) async fn show(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        let sought = Sought {
            before: wanted.before,
            principal: wanted.who.trim().to_owned(),
            operation: wanted.operation.trim().to_owned(),
            only_refused: wanted.refused == "Y",
        };
        let about = json!({
            "before": sought.before, "principal": sought.principal, "operation": sought.operation,
        });
        let store = visitor.store();
        store.audit(visitor.actor().enter(Door::Audit, about)?)?;
        let records = store.search_audit(&sought, limits::LINES_PER_PAGE)?;
        let is_full = records.len() == limits::LINES_PER_PAGE;
        let last = records.last().map(|(number, _)| *number).filter(|_| is_full);
        let verified =
            (wanted.verify == "Y").then(|| store.verify_audit(None, None)).transpose()?;
        let show = Show {
            frame: Frame::of(&visitor),
            next: last.map(|before| older(&wanted, before)),
            state: verified.map(said),
            records,
            wanted,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn older(wanted: &Wanted, before: u64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::from("?"));
    for (name, value) in
        [("who", &wanted.who), ("operation", &wanted.operation), ("refused", &wanted.refused)]
    {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    query.append_pair("before", &before.to_string());
    query.finish()
}

/// What a check of the chain came to: all is well, or not.
fn said(state: AuditState) -> Result<String, String> {
    match state {
        AuditState::Whole { first, last, head, .. } => {
            Ok(format!("Records {first} to {last} are whole; head {last}:{}", hex::encode(head)))
        }
        AuditState::Broken { number, why } => Err(format!(
            "Record {number} is missing or was changed after it was written ({why}). Records before it are whole."
        )),
    }
}

impl Show {
    fn time(record: &Record) -> Moment {
        Moment(record.time_us)
    }
}
