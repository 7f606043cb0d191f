//! What every answer carries: the policy for browsers, the frame around a page.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::time::Moment;
use super::visitor::Visitor;
use crate::expiry;
use crate::model::door::Door;
use crate::store::now_us;

/// Nothing is loaded or run but our own files, nothing is sent elsewhere, and nobody shows our pages in theirs.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Adds the headers of every answer.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages show what only their visitor may see; what is served for all says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// What is around a page.
pub(super) struct Frame {
    /// Goes before every path.
    pub base: String,
    /// Who is signed in.
    pub user: String,
    /// The same, as names are compared.
    pub user_key: String,
    /// Goes into every form.
    pub csrf: String,
    /// The organisation, when it is not the only one or not the root.
    pub org: Option<String>,
    /// Where else the visitor could be: id, name, and whether they are there.
    pub orgs: Vec<(String, String, bool)>,
    /// Whether every page says so.
    pub lockdown: bool,
    /// Whether lockdown is left for a time, which every page says as well.
    pub left: bool,
    /// The pages that are offered.
    pub links: Vec<Link>,
    /// Certificates that end soon, for those who can do something about it.
    pub ending: Vec<(&'static str, Moment)>,
}

/// A page that every other one leads to.
pub(super) struct Link {
    pub path: &'static str,
    pub title: &'static str,
    pub is_here: bool,
}

/// The page about the server, which all organisations share: rights in the root open it.
const SERVER: &str = "/server";

/// All of them, with what opens each.
const PAGES: [(&str, &str, Door); 9] = [
    ("/", "Overview", Door::ShowClients),
    ("/clients", "Clients", Door::ShowClients),
    ("/hunts", "Hunts", Door::ShowHunts),
    ("/monitoring", "Monitoring", Door::Results),
    ("/notebooks", "Notebooks", Door::ShowNotebooks),
    ("/artifacts", "Artifacts", Door::ShowArtifacts),
    ("/users", "Users", Door::ShowUsers),
    ("/audit", "Audit log", Door::Audit),
    (SERVER, "Server", Door::ShowUsers),
];

impl Frame {
    pub(super) fn of(visitor: &Visitor) -> Self {
        let settings = visitor.settings();
        let here = &visitor.org().record;
        // A page is shown without the choice rather than not at all.
        let orgs = visitor.orgs().unwrap_or_default();
        let choice = orgs.into_iter().map(|one| (one.id.to_string(), one.name, one.id == here.id));
        let orgs: Vec<_> = choice.collect();
        Self {
            org: (orgs.len() > 1 || !here.id.is_root()).then(|| here.name.clone()),
            orgs: if orgs.len() > 1 { orgs } else { Vec::new() },
            base: settings.base_path.clone(),
            user: visitor.name().to_string(),
            user_key: visitor.name().key(),
            csrf: visitor.csrf(),
            lockdown: settings.lockdown && !visitor.acl().denied_to_all().is_empty(),
            left: settings.lockdown && visitor.acl().denied_to_all().is_empty(),
            links: links(visitor),
            ending: ending(visitor),
        }
    }
}

fn links(visitor: &Visitor) -> Vec<Link> {
    let part = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    let here = part(visitor.path());
    let in_root = visitor.actor_in_root();
    let may = |path, door| if path == SERVER { in_root.may(door) } else { visitor.may(door) };
    let offered = PAGES.into_iter().filter(|(path, _, door)| may(*path, *door));
    offered.map(|(path, title, _)| Link { path, title, is_here: part(path) == here }).collect()
}

fn ending(visitor: &Visitor) -> Vec<(&'static str, Moment)> {
    let endings = expiry::endings(&visitor.settings().certificates, now_us());
    if endings.is_empty() || !visitor.actor_in_root().may(Door::ShowUsers) {
        return Vec::new();
    }
    endings.iter().map(|ending| (ending.what, Moment(ending.end_us))).collect()
}

/// A page that says why there is no other.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct Problem<'a> {
    pub title: &'static str,
    pub text: &'a str,
}

/// A rendered template.
pub(super) fn html(status: StatusCode, template: &impl Template) -> Response<Body> {
    let mut response = match template.render() {
        Ok(text) => Response::new(Body::from(text)),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            Response::new(Body::from("The page cannot be rendered."))
        }
    };
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
