//! Which path shows what.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::fault::Fault;
use super::{Shared, artifacts, asset, audit, clients, collect, flow, page, sign_in};
use crate::limits;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let base = shared.settings.base_path.clone();
    let pages = Router::new()
        .route("/", get(clients::list))
        .route("/sign-in", get(sign_in::show).post(sign_in::check))
        .route("/sign-out", post(sign_in::leave))
        .route("/clients/{client}", get(clients::show))
        .route("/clients/{client}/label", post(clients::label))
        .route("/clients/{client}/collect", get(collect::form).post(collect::launch))
        .route("/clients/{client}/flows/{flow}", get(flow::show))
        .route("/clients/{client}/flows/{flow}/cancel", post(flow::cancel))
        .route("/clients/{client}/flows/{flow}/rows", get(flow::download))
        .route("/clients/{client}/flows/{flow}/uploads/{upload}", get(flow::upload))
        .route("/artifacts", get(artifacts::list))
        .route("/artifacts/{name}", get(artifacts::show))
        .route("/audit", get(audit::show))
        .route("/style.css", get(asset::style))
        .route("/live.js", get(asset::live))
        .route("/icon.svg", get(asset::icon));
    let pages = match base.as_str() {
        "" => pages,
        // The first page is there with its slash and without.
        base => Router::new().route(&format!("{base}/"), get(clients::list)).nest(base, pages),
    };
    pages
        .fallback(missing)
        .layer(DefaultBodyLimit::max(limits::FORM_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

async fn missing() -> Fault {
    Fault::Missing("There is no such page.".to_owned())
}

/// Before everything: who may connect at all. After everything: the policy for browsers.
async fn guard(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let address = peer.ip().to_canonical();
    let allowed = &shared.settings.allowed;
    let mut response = if allowed.is_empty() || allowed.iter().any(|net| net.contains(&address)) {
        next.run(request).await
    } else {
        tracing::info!(%address, "not in GUI.allowed_cidr");
        Fault::Denied("Your network is not in GUI.allowed_cidr.".to_owned()).into_response()
    };
    page::protect(response.headers_mut());
    response
}
