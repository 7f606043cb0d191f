//! Programs that fetch rows and files with a key (RFC 6750), or with a name and a password (RFC 7617), in each request.
//!
//! Browsers send passwords by themselves, to whoever made them ask: what looks like a browser, or has a cookie, is
//! led to the page for signing in. Nothing is changed this way, no session begins, and who has a second factor needs a key.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, ORIGIN, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use headers::authorization::{Basic, Bearer};
use headers::{Authorization, HeaderMapExt};
use zeroize::Zeroizing;

use super::Shared;
use super::fault::Fault;
use super::session::Open;
use super::sign_in::{Credentials, too_many, verify};
use crate::account;
use crate::model::id::{OrgId, UserName};
use crate::store::now_us;

/// Marks what programs may fetch this way.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForTools;

/// Who asks, when a program does that names somebody; `None` for everybody else.
pub(super) async fn of(parts: &Parts, shared: &Arc<Shared>) -> Result<Option<Open>, Fault> {
    let is_meant = parts.extensions.get::<ForTools>().is_some() && parts.method == Method::GET;
    if !is_meant || is_browser(&parts.headers) {
        return Ok(None);
    }
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return Err(Fault::Failed);
    };
    let shown = (
        parts.headers.typed_try_get::<Authorization<Bearer>>(),
        parts.headers.typed_try_get::<Authorization<Basic>>(),
    );
    let found = match shown {
        (Ok(Some(Authorization(key))), _) => by_key(shared, *peer, key.token()).await?,
        (_, Ok(Some(Authorization(given)))) => by_password(shared, *peer, &given).await?,
        _ => return Ok(None),
    };
    let Some((user, org)) = found else {
        shared.attempts.failed(peer.ip(), now_us());
        return Err(Fault::NoTool);
    };
    Open::once(user, org, now_us()).map(Some).map_err(|error| Fault::failed(&error))
}

async fn by_key(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    key: &str,
) -> Result<Option<(UserName, OrgId)>, Fault> {
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let (store, key) = (shared.services.orgs.root().store.clone(), Zeroizing::new(key.to_owned()));
    let address = peer.ip().to_canonical().to_string();
    let find = move || account::find_key(&store, &key, &address, now_us());
    Ok(tokio::task::spawn_blocking(find).await??)
}

async fn by_password(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    given: &Basic,
) -> Result<Option<(UserName, OrgId)>, Fault> {
    if !shared.settings.sign_on.passwords {
        return Err(Fault::NoTool);
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let credentials = Credentials {
        name: given.username().to_owned(),
        password: Zeroizing::new(given.password().to_owned()),
    };
    let found = verify(shared, &credentials).await?;
    // The same answer for both: it does not tell that the password was right.
    let found = found.filter(|found| !found.needs_code);
    Ok(found.map(|found| (found.user.name, OrgId::root())))
}

fn is_browser(headers: &HeaderMap) -> bool {
    let own = [COOKIE, ORIGIN, REFERER].iter().any(|name| headers.contains_key(name));
    own || headers.keys().any(|name| name.as_str().starts_with("sec-fetch-"))
}
