//! The collections of the server itself.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::clients::{Part, Summary};
use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::limits;
use crate::model::door::Door;
use crate::model::site::Site;

#[derive(Template)]
#[template(path = "server_flows.html")]
struct Show {
    frame: Frame,
    flows: Vec<Summary>,
    may_collect: bool,
    skip: usize,
    next: Option<usize>,
}

pub(super) async fn show(visitor: Visitor, Query(part): Query<Part>) -> Result<Response, Fault> {
    let work = move || {
        visitor.actor().enter(Door::Results, json!({"client": Site::SERVER}))?;
        let flows = visitor.store().flows(Site::Server, part.skip, limits::LINES_PER_PAGE)?;
        let is_full = flows.len() == limits::LINES_PER_PAGE;
        let show = Show {
            frame: Frame::of(&visitor),
            flows: flows.into_iter().map(Summary::of).collect(),
            may_collect: visitor.may(Door::CollectServer),
            skip: part.skip,
            next: is_full.then(|| part.skip.saturating_add(limits::LINES_PER_PAGE)),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}
