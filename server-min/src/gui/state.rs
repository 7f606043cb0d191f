//! The server itself: how it is set, its certificates, its store.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::fault::Fault;
use super::page::{self, Frame};
use super::time::Moment;
use super::visitor::Visitor;
use crate::acme::{Keeper, Report};
use crate::activity::{self, Sample};
use crate::expiry::{self, Ending};
use crate::model::door::Door;
use crate::store::now_us;
use crate::store::statistics::Disk;

#[derive(Template)]
#[template(path = "state.html")]
struct Show {
    frame: Frame,
    version: &'static str,
    /// What the configuration says, for people.
    facts: Vec<(&'static str, String)>,
    certificates: Vec<(&'static str, Moment, &'static str)>,
    /// How it goes with the authority.
    authority: Option<Authority>,
    disk: Option<Disk>,
    now: Sample,
    denied: String,
}

/// The authority of which this server gets its certificate.
struct Authority {
    is_there: bool,
    next: Moment,
    failures: u32,
    why: String,
}

impl Authority {
    fn of(keeper: &Keeper) -> Self {
        let Report { is_there, next_us, attempts } = keeper.report();
        Self { is_there, next: Moment(next_us), failures: attempts.failures, why: attempts.why }
    }
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        visitor.actor_in_root().enter(Door::ShowUsers, serde_json::json!({}))?;
        let settings = visitor.settings();
        let certificates = settings.certificates.ends().into_iter();
        let endings = expiry::endings(&settings.certificates, now_us());
        let show = Show {
            version: env!("CARGO_PKG_VERSION"),
            facts: settings.facts.clone(),
            certificates: certificates
                .map(|(what, end)| (what, Moment(end), left(&endings, what)))
                .collect(),
            authority: settings.keeper.as_deref().map(Authority::of),
            disk: visitor.root().disk().ok(),
            now: activity::now(visitor.root())?,
            denied: visitor.acl().denied_to_all().to_string(),
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

/// Whether a certificate lasts.
fn left(endings: &[Ending], what: &str) -> &'static str {
    match endings.iter().find(|ending| ending.what == what) {
        None => "valid",
        Some(Ending { stage: 0, .. }) => "over",
        Some(_) => "ends soon",
    }
}
