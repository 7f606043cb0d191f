//! Who asks for a page, as an argument of its handler: no page is made without.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::session::Session;
use super::{Settings, Shared};
use crate::acl::Principal;
use crate::actor::Actor;
use crate::launcher::Launcher;
use crate::model::door::Door;
use crate::model::id::UserName;
use crate::store::Store;

/// The cookie of a session.
pub(super) const COOKIE: &str = "troodon-session";

/// Somebody who is signed in.
pub(super) struct Visitor {
    shared: Arc<Shared>,
    session: Session,
    token: Zeroizing<String>,
    actor: Actor,
}

impl FromRequestParts<Arc<Shared>> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Fault> {
        let signed_out = || Fault::SignedOut { base: shared.settings.base_path.clone() };
        if parts.method != Method::GET && is_from_elsewhere(&parts.uri, &parts.headers) {
            return Err(Fault::Denied("this form was sent by another site".to_owned()));
        }
        let token = token(&parts.headers).ok_or_else(signed_out)?;
        let session = shared.sessions.find(&token, Instant::now()).ok_or_else(signed_out)?;
        let (store, name) = (shared.store.clone(), session.user.clone());
        let user = tokio::task::spawn_blocking(move || store.user(&name)).await??;
        if !user.is_some_and(|user| session.fits(&user)) {
            shared.sessions.end(&token);
            return Err(signed_out());
        }
        let principal = Principal::User { name: session.user.clone() };
        let actor = Actor::new(shared.store.clone(), shared.acl.clone(), principal);
        Ok(Self { shared: Arc::clone(shared), session, token, actor })
    }
}

impl Visitor {
    pub(super) const fn name(&self) -> &UserName {
        &self.session.user
    }

    pub(super) fn csrf(&self) -> &str {
        &self.session.csrf
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(super) fn launcher(&self) -> &Launcher {
        &self.shared.launcher
    }

    pub(super) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Passes a door behind which nothing is changed. What is only shown is not on record; what is refused is.
    pub(super) fn look(&self, door: Door) -> Result<(), Fault> {
        self.actor.enter(door, serde_json::json!({}))?;
        Ok(())
    }

    /// Whether a door would open, to offer what is behind it.
    pub(super) fn may(&self, door: Door) -> bool {
        self.actor.may(door)
    }

    /// Refuses a form that did not come from a page of this session.
    pub(super) fn sent(&self, csrf: &str) -> Result<(), Fault> {
        if self.session.sent(csrf) {
            return Ok(());
        }
        Err(Fault::Denied("this form is of another session; load its page again".to_owned()))
    }

    pub(super) fn sign_out(&self) {
        self.shared.sessions.end(&self.token);
    }
}

/// What a browser says about a request that another site made it send.
pub(super) fn is_from_elsewhere(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // HTTP/2 has the host in the address.
    let own = uri.authority().map(|own| own.as_str()).or_else(|| text(header::HOST.as_str()));
    let is_other_site =
        text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let is_other_origin = text("origin").is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_none() || host != own
    });
    is_other_site || is_other_origin
}

/// The token in the cookies. Browsers send them all in one header, separated by `; `.
fn token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn forms_of_other_sites_are_recognised() {
        let own = ("host", "troodon:8889");
        let path = Uri::from_static("/sign-in");
        let is_elsewhere =
            |pairs: &[(&'static str, &'static str)]| is_from_elsewhere(&path, &headers(pairs));
        assert!(!is_elsewhere(&[own]));
        assert!(!is_elsewhere(&[own, ("origin", "https://troodon:8889")]));
        assert!(!is_elsewhere(&[own, ("sec-fetch-site", "same-origin")]));
        assert!(is_elsewhere(&[own, ("origin", "https://troodon:88")]));
        assert!(is_elsewhere(&[own, ("origin", "null")]));
        assert!(is_elsewhere(&[("origin", "https://troodon:8889")]));
        assert!(is_elsewhere(&[own, ("sec-fetch-site", "same-site")]));
        assert!(is_elsewhere(&[own, ("sec-fetch-site", "cross-site")]));
        let of_http_2 = Uri::from_static("https://troodon:8889/sign-in");
        assert!(!is_from_elsewhere(&of_http_2, &headers(&[("origin", "https://troodon:8889")])));
        assert!(is_from_elsewhere(&of_http_2, &headers(&[("origin", "https://other")])));
    }

    #[test]
    fn the_token_is_found_among_other_cookies() {
        let found = token(&headers(&[("cookie", "a=b; troodon-session=abc; c=d")])).unwrap();
        assert_eq!(*found, "abc");
        assert!(token(&headers(&[("cookie", "x-troodon-session=abc")])).is_none());
    }
}
