//! Who asks for a page, as an argument of its handler: no page is made without.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use tokio::sync::{OwnedSemaphorePermit, watch};
use zeroize::Zeroizing;

use super::fault::Fault;
use super::session::{self, Open};
use super::{Settings, Shared, tool};
use crate::acl::{Acl, Principal};
use crate::actor::Actor;
use crate::launcher::Launcher;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::role::Rights;
use crate::monitoring::Monitoring;
use crate::notebooks;
use crate::orgs::{Org, Orgs};
use crate::query::Backend;
use crate::services::Services;
use crate::store::org::OrgRecord;
use crate::store::session::{self as kept_session, Session};
use crate::store::{Store, StoreError, now_us};

/// The cookie of a session.
pub(super) const COOKIE: &str = "troodon-session";

/// Somebody who is signed in, in the organisation that they have chosen.
pub(super) struct Visitor {
    shared: Arc<Shared>,
    open: Open,
    org: Arc<Org>,
    actor: Actor,
    /// Which page.
    path: String,
}

impl FromRequestParts<Arc<Shared>> for Visitor {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Fault> {
        let signed_out = || Fault::SignedOut { base: shared.settings.base_path.clone() };
        if parts.method != Method::GET && is_from_elsewhere(&parts.uri, &parts.headers) {
            return Err(Fault::Denied("this form was sent by another site".to_owned()));
        }
        let tool = tool::of(parts, shared).await?;
        let token = cookie_of(&parts.headers, COOKIE);
        if tool.is_none() && token.is_none() {
            return Err(signed_out());
        }
        let orgs = Arc::clone(&shared.services.orgs);
        let find = move || {
            let kept = |token: &str| session::find(&orgs.root().store, token, now_us());
            let open = match (tool, token) {
                (None, Some(token)) => kept(&token)?,
                (tool, _) => tool,
            };
            let Some(open) = open else { return Ok(None) };
            let principal = Principal::User { name: open.session.user.clone() };
            let org = chosen(&orgs, &principal, &open.session.org)?;
            Ok::<_, StoreError>(Some((open, principal, org)))
        };
        let found = tokio::task::spawn_blocking(find).await??;
        let (open, principal, org) = found.ok_or_else(signed_out)?;
        let actor = Actor::new(org.store.clone(), shared.services.acl.clone(), principal);
        let path = parts.uri.path().to_owned();
        Ok(Self { shared: Arc::clone(shared), open, org, actor, path })
    }
}

/// The organisation of a session: the chosen one while the visitor belongs to it, else the first to which they do. Forms
/// carry whose page they were on, so that nothing happens elsewhere unseen.
fn chosen(orgs: &Orgs, visitor: &Principal, wanted: &OrgId) -> Result<Arc<Org>, StoreError> {
    if orgs.is_member(visitor, wanted)
        && let Some(org) = orgs.find(wanted)?
    {
        return Ok(org);
    }
    let first = orgs.of_member(visitor)?.into_iter().next();
    let found = first.map_or(Ok(None), |first| orgs.find(&first.id))?;
    Ok(found.unwrap_or_else(|| Arc::clone(orgs.root())))
}

impl Visitor {
    pub(super) const fn name(&self) -> &UserName {
        &self.open.session.user
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What the forms of this visitor carry, in this organisation.
    pub(super) fn csrf(&self) -> String {
        self.open.csrf(self.org.id())
    }

    /// Where the visitor is.
    pub(super) fn org(&self) -> &Org {
        &self.org
    }

    /// Where else they could be.
    pub(super) fn orgs(&self) -> Result<Vec<OrgRecord>, StoreError> {
        self.shared.services.orgs.of_member(self.actor.principal())
    }

    /// Shows another organisation from now on.
    pub(super) fn choose(&self, id: &OrgId) -> Result<(), Fault> {
        let (orgs, principal) = (&self.shared.services.orgs, self.actor.principal());
        if !orgs.is_member(principal, id) || orgs.find(id)?.is_none() {
            return Ok(orgs.refuse(principal, id)?);
        }
        let (token, id) = (self.open.session.token, id.clone());
        Ok(self.root().write(move |db| kept_session::choose(db, &token, &id))?)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// What belongs to the organisation.
    pub(super) fn store(&self) -> &Store {
        &self.org.store
    }

    /// What belongs to all of them: users, rights, sessions.
    pub(super) fn root(&self) -> &Store {
        &self.shared.services.orgs.root().store
    }

    pub(super) fn acl(&self) -> &Acl {
        &self.shared.services.acl
    }

    /// Everything that the visitor may do here outside of lockdown.
    pub(super) fn rights(&self) -> Rights {
        self.acl().standing(self.actor.principal(), self.org.id()).rights()
    }

    /// Tells when the root's store changes.
    pub(super) fn changes(&self) -> watch::Receiver<i64> {
        let mut changes = self.shared.changes.clone();
        changes.mark_unchanged();
        changes
    }

    pub(super) fn monitoring(&self) -> &Monitoring {
        &self.org.monitoring
    }

    pub(super) fn launcher(&self) -> &Launcher {
        &self.org.launcher
    }

    /// What queries of the visitor work with: their rights, and what is registered.
    pub(super) fn queries(&self) -> notebooks::Services {
        let Services { orgs, acl, registry, .. } = &self.shared.services;
        let backend = Backend::new(orgs, &self.org, acl, self.actor.principal().clone());
        let (registry, interrupt) = (Arc::clone(registry), self.shared.interrupt.clone());
        notebooks::Services { backend: Arc::new(backend), registry, interrupt }
    }

    /// A place among the queries of notebooks that run at a time.
    pub(super) fn place_to_run(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let full = |_| Fault::Wrong("Too many queries are running; try again later.".to_owned());
        Arc::clone(&self.shared.cells).try_acquire_owned().map_err(full)
    }

    pub(super) const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The visitor at doors to what all organisations share.
    pub(super) fn actor_in_root(&self) -> Actor {
        Actor::new(self.root().clone(), self.acl().clone(), self.actor.principal().clone())
    }

    /// Whether the visitor could take part in leaving lockdown.
    pub(super) fn may_leave_lockdown(&self) -> bool {
        let needed = Door::LeaveLockdown.permissions();
        let root = self.root().org();
        self.acl().check_despite_lockdown(self.actor.principal(), root, needed).is_ok()
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
        if self.open.sent(self.org.id(), csrf) {
            return Ok(());
        }
        Err(Fault::Denied(
            "this form is of another session or organisation; load its page again".to_owned(),
        ))
    }

    pub(super) const fn session(&self) -> &Session {
        &self.open.session
    }

    pub(super) fn sign_out(&self) -> Result<(), StoreError> {
        session::end(self.root(), &self.open.session)
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

/// A cookie. Browsers send them all in one header, separated by `; `.
pub(super) fn cookie_of(headers: &HeaderMap, wanted: &str) -> Option<Zeroizing<String>> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|text| text.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, token)| Zeroizing::new(token.to_owned()))
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
        let found =
            cookie_of(&headers(&[("cookie", "a=b; troodon-session=abc; c=d")]), COOKIE).unwrap();
        assert_eq!(*found, "abc");
        assert!(cookie_of(&headers(&[("cookie", "x-troodon-session=abc")]), COOKIE).is_none());
    }
}
