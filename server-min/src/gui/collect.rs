//! Starting a collection: which artifact, then its parameters.

use askama::Template;
use axum::extract::{Path, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use serde_json::json;

use super::clients::{missing, site};
use super::fault::Fault;
use super::form::{Choice, Filled, Wanted};
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::ArtifactType;
use crate::launcher::Collect;
use crate::model::door::Door;
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::store::now_us;

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
        let again = wanted.again.map(|flow| again(&visitor, id, &flow)).transpose()?;
        let mut choice = Choice::of(&visitor.launcher().repository(), kind, wanted.artifact)?;
        if let (Some(chosen), Some(asked)) = (&mut choice.chosen, again)
            && let Some(spec) = asked.specs.iter().find(|spec| spec.artifact == chosen.name)
        {
            chosen.fill(&spec.parameters);
        }
        let choose = Choose { frame: Frame::of(&visitor), client: id, hostname, choice };
        Ok::<_, Fault>(page::html(StatusCode::OK, &choose))
    };
    tokio::task::spawn_blocking(work).await?
}

/// What a collection was asked for.
fn again(visitor: &Visitor, site: Site, flow: &str) -> Result<Collect, Fault> {
    let gone = |_| Fault::Missing(format!("`{flow}` is no id of a collection."));
    let id: FlowId = flow.parse().map_err(gone)?;
    let details = json!({"client": site.as_str(), "flow_id": id.as_str()});
    visitor.actor().enter(Door::Results, details)?;
    let asked = Collect::read(&visitor.store().flow(site, &id)?.spec);
    asked.map_err(|_| Fault::Missing(format!("{id} does not say what was asked for.")))
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
    let hours = filled.number("expire_hours")?;
    let work = move || {
        let expires = (now_us() / 1_000_000).saturating_add(hours.saturating_mul(3600));
        let expires = if hours == 0 { 0 } else { expires };
        let wanted = Collect { specs: vec![filled.spec], expires, ..Collect::default() };
        visitor.launcher().launch(visitor.actor().principal(), id, &wanted)
    };
    let flow = tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&format!("{base}/clients/{id}/flows/{flow}")).into_response())
}
