//! The audit log, and whether it was changed.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;

#[derive(Template)]
#[template(path = "audit.html")]
struct Show {
    frame: Frame,
    records: Vec<(u64, Record)>,
    after: u64,
    next: Option<u64>,
}

/// Behind which record.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    after: u64,
}

pub(super) async fn show(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        let seen =
            visitor.actor().enter(Door::Audit, serde_json::json!({"after": wanted.after}))?;
        visitor.store().audit(seen)?;
        let records = visitor.store().audit_records(wanted.after, limits::LINES_PER_PAGE)?;
        let is_full = records.len() == limits::LINES_PER_PAGE;
        let next = records.last().map(|(number, _)| *number).filter(|_| is_full);
        let show = Show { frame: Frame::of(&visitor), records, after: wanted.after, next };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

impl Show {
    fn time(record: &Record) -> Moment {
        Moment(record.time_us)
    }
}
