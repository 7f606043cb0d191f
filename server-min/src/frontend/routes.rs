//! Which path does what (docs/protocol.md section 3.1). The methods of requests are not looked at, as agents expect.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::{HeaderName, Response, StatusCode};
use axum::routing::any;

use super::body::{BodyFault, Read};
use super::reply::{self, Verdict};
use super::{Shared, socket};
use crate::limits;

const PRIORITY: HeaderName = HeaderName::from_static("x-priority");

type Peer = ConnectInfo<SocketAddr>;

/// Where agents go; everything else is for `guests`.
pub(super) fn router(shared: Arc<Shared>, guests: Option<Router>) -> Router {
    let base = shared.settings.base_path.trim_end_matches('/').to_owned();
    let path = |name: &str| format!("{base}/{name}");
    let routes = Router::new()
        .route(&path("server.pem"), any(server_pem))
        .route(&path("control"), any(control))
        .route(&path("send_messages"), any(control))
        .route(&path("reader"), any(reader))
        .route(&path("receive_messages"), any(reader))
        .route(&path("healthz"), any(healthz))
        .with_state(shared);
    match guests {
        Some(guests) => routes.fallback_service(guests),
        None => routes.fallback(nothing),
    }
}

async fn server_pem(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    match split(request).await {
        (Some(upgrade), _) => socket::server_pem(shared, upgrade),
        (None, _) => reply::text(StatusCode::OK, Body::from(shared.settings.certificate.clone())),
    }
}

async fn control(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): Peer,
    request: Request,
) -> Response<Body> {
    let address = shared.origin(peer, request.headers());
    let urgent = request.headers().get(PRIORITY).is_some_and(|value| value == "urgent");
    let body = match split(request).await {
        (Some(upgrade), _) => return socket::control(shared, address, upgrade),
        (None, body) => body,
    };
    let limit = shared.settings.max_upload_size.saturating_mul(2).min(limits::BODY_BYTES);
    let body = match shared.bodies.read(body, limit).await {
        Ok(body) => body,
        Err(fault) => return unread(address, fault).response(),
    };
    shared.control(address, urgent, body.bytes.clone()).await.response()
}

async fn reader(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): Peer,
    request: Request,
) -> Response<Body> {
    let address = shared.origin(peer, request.headers());
    let body = match split(request).await {
        (Some(upgrade), _) => return socket::reader(shared, address, upgrade),
        (None, body) => body,
    };
    let Ok(Read { bytes, .. }) = shared.bodies.read(body, limits::READER_BODY_BYTES).await else {
        return Verdict::Busy.response();
    };
    match shared.admit(address, bytes).await {
        Ok((desk, registration)) => {
            let (pieces, response) = reply::streamed();
            tokio::spawn(desk.hold(registration, pieces));
            response
        }
        Err(verdict) => verdict.response(),
    }
}

async fn healthz(State(shared): State<Arc<Shared>>) -> StatusCode {
    // Nothing changes, but the writer has to answer.
    if shared.store.write_async(|_| Ok(())).await.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

async fn nothing() -> Response<Body> {
    reply::text(StatusCode::NOT_FOUND, Body::from("404 page not found\n"))
}

/// The upgrade to a websocket, when the request asks for one, else the body.
async fn split(request: Request) -> (Option<WebSocketUpgrade>, Body) {
    let (mut parts, body) = request.into_parts();
    (WebSocketUpgrade::from_request_parts(&mut parts, &()).await.ok(), body)
}

/// The answer to a body that was not read.
fn unread(address: SocketAddr, fault: BodyFault) -> Verdict {
    match fault {
        // Agents drop what is answered with 400. A 200 would claim that it was kept.
        BodyFault::TooLong => {
            tracing::warn!(%address, "a POST is longer than allowed (Frontend.resources.max_upload_size)");
            Verdict::Unusable
        }
        BodyFault::Broken => Verdict::Slow,
        BodyFault::NoRoom => Verdict::Busy,
    }
}
