//! The files beside the pages. They are the same for everybody, and small.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Seconds for which a browser need not ask again.
const KEPT: &str = "max-age=3600";

pub(super) async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, KEPT)];
    (headers, include_str!("../../assets/style.css"))
}

pub(super) async fn live() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, KEPT)];
    (headers, include_str!("../../assets/live.js"))
}

pub(super) async fn vql() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, KEPT)];
    (headers, include_str!("../../assets/vql.js"))
}

pub(super) async fn icon() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, KEPT)];
    (headers, include_str!("../../assets/icon.svg"))
}
