//! `query(runas=, org_id=)`: a query with somebody else's rights, or in another organisation.
//!
//! In another organisation the caller has the rights that they hold there, ANY_QUERY among them. To be somebody else takes
//! IMPERSONATION, in the caller's organisation and in that of the query, so that neither lends it to the other. What runs
//! then has the other's rights and none of the caller's. The first use of each is on record where the query runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use troodon_vql::{Denied, Elsewhere, Fault, Permission, Session};

use super::session::SessionMaker;
use super::{Backend, fault};
use crate::acl::Principal;
use crate::limits;
use crate::model::audit::Record;
use crate::model::decision::Standing;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::orgs::Org;
use crate::store::now_us;

/// What of one query is on record: a query may ask for each of a million rows.
#[derive(Default)]
pub(super) struct Noted(Mutex<BTreeSet<(String, OrgId, bool)>>);

impl Noted {
    /// Whether this is to be recorded. What was allowed always is, once at least.
    fn is_first(&self, runas: &str, org: &OrgId, allowed: bool) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= limits::NOTED_REFUSALS {
            return allowed && !noted.contains(&(runas.to_owned(), org.clone(), allowed));
        }
        noted.insert((runas.to_owned(), org.clone(), allowed))
    }
}

impl Elsewhere for SessionMaker {
    fn session(&self, runas: Option<&str>, org_id: Option<&str>) -> Result<Session, Fault> {
        self.check_depth()?;
        let token = &self.backend.token;
        let org_id = org_id.map_or_else(|| Ok(token.org().clone()), str::parse).map_err(fault)?;
        let runas: Option<UserName> = runas.map(str::parse).transpose().map_err(fault)?;
        let wanted = Wanted {
            caller: &self.backend,
            runas: runas
                .filter(|name| *token.principal() != Principal::User { name: name.clone() }),
            org: self.backend.orgs.find(&org_id).map_err(fault)?,
            org_id,
        };
        let checked = wanted.check();
        wanted.note(&self.noted, checked.as_ref().err())?;
        checked.map_err(|denied| wanted.refusal(&denied))?;
        let Wanted { runas, org, org_id, .. } = wanted;
        let org = org.ok_or_else(|| Fault::error(format!("there is no organisation {org_id}")))?;
        let principal = match runas {
            Some(name) => Principal::User { name },
            None => token.principal().clone(),
        };
        let backend = Backend::new(&self.backend.orgs, &org, token.acl(), principal);
        Ok(self.elsewhere(Arc::new(backend)).make())
    }
}

/// As whom, and where.
struct Wanted<'a> {
    caller: &'a Backend,
    /// Somebody else than the caller.
    runas: Option<UserName>,
    org_id: OrgId,
    /// `None` when there is no such organisation, of which nobody holds anything.
    org: Option<Arc<Org>>,
}

impl Wanted<'_> {
    fn check(&self) -> Result<(), Denied> {
        let token = &self.caller.token;
        let (acl, caller) = (token.acl(), token.principal());
        if self.org_id != *token.org() {
            acl.check(caller, &self.org_id, &[Permission::AnyQuery])?;
        }
        let Some(name) = &self.runas else { return Ok(()) };
        for org in [token.org(), &self.org_id] {
            acl.check(caller, org, &[Permission::Impersonation])?;
        }
        let other = Principal::User { name: name.clone() };
        match acl.standing(&other, &self.org_id) {
            // Who is not there, or is locked, is nobody whose rights could be used.
            Standing::Nobody => Err(Denied::no_policy(&[Permission::Impersonation])),
            Standing::Holds(_) | Standing::Server => Ok(()),
        }
    }

    /// In the words of Velociraptor.
    fn refusal(&self, denied: &Denied) -> Fault {
        let token = &self.caller.token;
        match &self.runas {
            None => Fault::note(format!("PermissionDenied: {denied}")),
            Some(other) => Fault::error(format!(
                "User {} ({}) impersonation to {other} ({}): PermissionDenied",
                token.principal().name(),
                token.org(),
                self.org_id
            )),
        }
    }

    fn note(&self, noted: &Noted, denied: Option<&Denied>) -> Result<(), Fault> {
        let token = &self.caller.token;
        let runas = self.runas.as_ref().map_or("", UserName::as_str);
        let stays = runas.is_empty() && self.org_id == *token.org();
        if stays || !noted.is_first(runas, &self.org_id, denied.is_none()) {
            return Ok(());
        }
        // Of what does not exist the root keeps the record.
        let store = self.org.as_ref().unwrap_or_else(|| self.caller.orgs.root()).store.clone();
        let mut details = json!({"call": "query", "org_id": self.org_id.as_str()});
        if !runas.is_empty() {
            details["runas"] = runas.into();
        }
        if let Some(denied) = denied {
            details["refused"] = denied.to_string().into();
        }
        let record = Record {
            time_us: now_us(),
            org: store.org().clone(),
            principal: token.principal().name().to_owned(),
            operation: Door::Query.operation().to_owned(),
            allowed: denied.is_none(),
            details,
        };
        store.audit(record).map_err(fault)
    }
}
