//! Signing in by the certificate that opened the connection.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::fault::Fault;
use super::sign_in::{ask_code, enter, origin, too_many};
use super::visitor::is_from_elsewhere;
use super::{Shared, sign_on};
use crate::account::{self, Arrival, ArrivalError};
use crate::listener::PeerCertificate;
use crate::store::now_us;

/// The way, in records and among the kinds of the configuration.
const WAY: &str = "certs";

/// Takes whoever holds a certificate, once they press the button: no other site can.
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    shown: Option<Extension<PeerCertificate>>,
) -> Result<Response, Fault> {
    let Some(holders) = &shared.settings.sign_on.certificates else {
        return Err(Fault::Denied("nobody signs in by certificate here".to_owned()));
    };
    if is_from_elsewhere(&uri, &headers) {
        return Err(Fault::Denied("this form was sent by another site".to_owned()));
    }
    if !shared.attempts.may_try(peer.ip(), now_us()) {
        return Err(too_many(peer));
    }
    let shown = shown.as_ref().map(|Extension(PeerCertificate(der))| der.as_ref().as_ref());
    let identity = match holders.identify(shown) {
        Ok(identity) => identity,
        Err(refusal) => return sign_on::refuse(&shared, WAY, peer, refusal.to_string()).await,
    };
    let arrival = Arrival {
        identity,
        way: WAY.to_owned(),
        address: peer.ip().to_canonical().to_string(),
        newcomers: holders.newcomers.clone(),
        replaces_roles: false,
        passwords: shared.settings.sign_on.passwords,
    };
    let acl = shared.services.acl.clone();
    let come = move || account::arrive(&acl, arrival, now_us());
    match tokio::task::spawn_blocking(come).await? {
        Ok(found) if found.needs_code => ask_code(&shared, found.user),
        Ok(found) => enter(&shared, found.user, origin(peer, &headers)).await,
        Err(ArrivalError::Store(error)) => Err(error.into()),
        Err(refusal) => {
            shared.attempts.failed(peer.ip(), now_us());
            Ok(sign_on::show(&shared, &refusal.to_string()))
        }
    }
}
