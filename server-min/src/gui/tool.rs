//! Programs that fetch rows and files with a name and a password in each request (RFC 7617).
//!
//! Browsers send such credentials by themselves, to whoever made them ask: what looks like a browser, or has a cookie, is
//! led to the page for signing in. Nothing is changed this way, no session begins, and who has a second factor has it for a
//! reason.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use headers::authorization::Basic;
use headers::{Authorization, HeaderMapExt};
use zeroize::Zeroizing;

use super::Shared;
use super::fault::Fault;
use super::session::Open;
use super::sign_in::{Credentials, too_many, verify};
use crate::store::now_us;

/// Marks what programs may fetch this way.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForTools;

/// Who asks, when a program does that names somebody; `None` for everybody else.
pub(super) async fn of(parts: &Parts, shared: &Arc<Shared>) -> Result<Option<Open>, Fault> {
    let is_meant = parts.extensions.get::<ForTools>().is_some() && parts.method == Method::GET;
    let given = parts.headers.typed_try_get::<Authorization<Basic>>();
    let given = match given {
        Ok(Some(Authorization(given))) if is_meant && !is_browser(&parts.headers) => given,
        _ => return Ok(None),
    };
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err(Fault::Failed);
    };
    if !shared.settings.sign_on.passwords {
        return Err(Fault::NoTool);
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(*peer));
    }
    let credentials = Credentials {
        name: given.username().to_owned(),
        password: Zeroizing::new(given.password().to_owned()),
    };
    let found = verify(shared, &credentials).await?;
    // The same answer for both: it does not tell that the password was right.
    let Some(signed_in) = found.filter(|found| !found.needs_code) else {
        shared.attempts.failed(peer.ip(), now_us());
        return Err(Fault::NoTool);
    };
    Open::once(signed_in.user.name, now_us()).map(Some).map_err(|error| Fault::failed(&error))
}

fn is_browser(headers: &HeaderMap) -> bool {
    let own = [COOKIE, ORIGIN, REFERER].iter().any(|name| headers.contains_key(name));
    own || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}
