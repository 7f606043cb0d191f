//! Starting a collection: which artifact, then its parameters.

use askama::Template;
use axum::extract::{Path, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::clients::{missing, site};
use super::fault::Fault;
use super::form::{Choice, Filled, Wanted};
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::ArtifactType;
use crate::launcher::Collect;
use crate::model::door::Door;
use crate::model::site::Site;

#[derive(Template)]
#[template(path = "collect.html")]
struct Choose {
    frame: Frame,
    client: Site,
    hostname: String,
    choice: Choice,
}

pub(super) async fn form(
    visitor: Visitor,
    Path(client): Path<String>,
    axum::extract::Query(wanted): axum::extract::Query<Wanted>,
) -> Result<Response, Fault> {
    let id = site(&client)?;
    let work = move || {
        visitor.look(Door::of_collecting(id))?;
        let (hostname, kind) = match id {
            Site::Server => ("the server".to_owned(), ArtifactType::Server),
            Site::Client(id) => {
                let record = visitor.store().client(&id)?.ok_or_else(|| missing(&id))?;
                (record.host.hostname, ArtifactType::Client)
            }
        };
        let choice = Choice::of(&visitor.launcher().repository(), kind, wanted.artifact)?;
        let choose = Choose { frame: Frame::of(&visitor), client: id, hostname, choice };
        Ok::<_, Fault>(page::html(StatusCode::OK, &choose))
    };
    tokio::task::spawn_blocking(work).await?
}

pub(super) async fn launch(
    visitor: Visitor,
    Path(client): Path<String>,
    RawForm(body): RawForm,
) -> Result<Response, Fault> {
    let id = site(&client)?;
    let filled = Filled::parse(&body);
    visitor.sent(&filled.csrf)?;
    let base = visitor.settings().base_path.clone();
    let work = move || {
        let wanted = Collect { specs: vec![filled.spec], ..Collect::default() };
        visitor.launcher().launch(visitor.actor().principal(), id, &wanted)
    };
    let flow = tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&format!("{base}/clients/{id}/flows/{flow}")).into_response())
}
