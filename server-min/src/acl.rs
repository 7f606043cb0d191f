//! Who may do what: the one function that decides, [`Acl::check`], about (principal, organisation, permissions).
//!
//! The rule itself is [`crate::model::decision`]; here it gets the configuration and what is stored. A policy is read for
//! each decision, so that what was taken away is gone at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use serde_json::json;
use troodon_vql::{Access, Denied, Permission};

use crate::config::{Config, ConfigError};
use crate::limits;
use crate::model::audit::Record;
use crate::model::decision::{LOCKDOWN, Standing, decide};
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::role::Rights;
use crate::model::unlock::{Exit, Phase};
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, now_us, user};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The server's own account: the command line with `--config`, and the server's services.
    Server {
        /// The name in its certificate.
        name: String,
    },
    /// Somebody with a policy.
    User {
        /// The name under which the policy is stored.
        name: UserName,
    },
}

impl Principal {
    /// The name that logs and records show.
    pub fn name(&self) -> &str {
        match self {
            Self::Server { name } => name,
            Self::User { name } => name.as_str(),
        }
    }
}

/// What forwarding of events needs.
const FORWARDING: Rights = Rights::of(&[Permission::Network]);

/// The rules of one server.
#[derive(Clone)]
pub struct Acl {
    /// What lockdown denies while it is not left for a time.
    denies: Rights,
    /// What it spares.
    spares: Rights,
    /// Minutes for which two administrators may leave it; `None` when nobody may, or there is none.
    exit_minutes: Option<u64>,
    server_name: Arc<str>,
    store: Store,
}

impl Acl {
    /// The rules that a configuration sets, and the policies in the root's store.
    ///
    /// # Errors
    /// `security.lockdown_denied_permissions` names a permission that does not exist: better no start than a lockdown
    /// with a hole.
    pub fn new(config: &Config, store: Store) -> Result<Self, ConfigError> {
        let server_name = config.client.server_name().into();
        let denies = denied_to_all(config)?;
        let exit_minutes = exit_minutes(config)?.filter(|_| !denies.is_empty());
        Ok(Self { denies, spares: Rights::NONE, exit_minutes, server_name, store })
    }

    /// Allows all of `permissions` in `org`, or says why not.
    ///
    /// # Errors
    /// Lockdown denies one of them, or the principal's policy there lacks one. When the policy cannot be read, nobody has
    /// one.
    pub fn check(
        &self,
        principal: &Principal,
        org: &OrgId,
        permissions: &[Permission],
    ) -> Result<(), Denied> {
        decide(self.denied_to_all(), self.standing(principal, org), permissions)
    }

    /// [`Acl::check`] inside a transaction: what is decided holds until it is committed.
    ///
    /// # Errors
    /// Those of [`Acl::check`].
    pub(crate) fn check_within(
        &self,
        db: &Connection,
        principal: &Principal,
        org: &OrgId,
        permissions: &[Permission],
    ) -> Result<(), Denied> {
        let denied = self.denied_if(|| setting::find(db, Setting::LockdownExit));
        decide(denied, self.standing_within(db, principal, org), permissions)
    }

    /// [`Acl::check`] for the one thing that administrators do in lockdown: leaving it.
    ///
    /// # Errors
    /// Those of [`Acl::check`], but for lockdown.
    pub(crate) fn check_despite_lockdown(
        &self,
        principal: &Principal,
        org: &OrgId,
        permissions: &[Permission],
    ) -> Result<(), Denied> {
        decide(Rights::NONE, self.standing(principal, org), permissions)
    }

    /// What is known about a principal in an organisation.
    pub fn standing(&self, principal: &Principal, org: &OrgId) -> Standing {
        of_user(principal, |name| self.store.read(|db| user::standing(db, name, org)))
    }

    /// [`Acl::standing`] inside a transaction.
    pub(crate) fn standing_within(
        &self,
        db: &Connection,
        principal: &Principal,
        org: &OrgId,
    ) -> Standing {
        of_user(principal, |name| user::standing(db, name, org))
    }

    /// What lockdown denies to everybody at this moment; nothing outside of it.
    pub fn denied_to_all(&self) -> Rights {
        self.denied_if(|| self.store.setting(Setting::LockdownExit))
    }

    /// The same, by what is stored about leaving it. What cannot be read leaves nothing.
    fn denied_if(&self, stored: impl FnOnce() -> Result<Option<Vec<u8>>, StoreError>) -> Rights {
        let Some(most) = self.exit_minutes else { return self.denies.without(self.spares) };
        let stored = stored().unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read whether lockdown is left");
            None
        });
        let exit = stored.as_deref().and_then(Exit::parse);
        match exit.map(|exit| exit.phase(most, now_us())) {
            Some(Phase::Open { .. }) => Rights::NONE,
            Some(Phase::Asked | Phase::Over) | None => self.denies.without(self.spares),
        }
    }

    /// Minutes for which two administrators may leave lockdown; `None` when there is none, or none that can be left.
    pub const fn exit_minutes(&self) -> Option<u64> {
        self.exit_minutes
    }

    /// The name of the server's own account.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// Whether a principal may send events to a queue: by the list in its policy, or as an administrator.
    pub fn may_publish(&self, principal: &Principal, org: &OrgId, queue: &str) -> bool {
        if self.check(principal, org, &[Permission::ServerAdmin]).is_ok() {
            return true;
        }
        let Principal::User { name } = principal else { return false };
        // Locked users have no standing, whatever their policy says; nothing at all is needed beside the list.
        !self.denied_to_all().has(Permission::Publish)
            && self.standing(principal, org) != Standing::Nobody
            && self
                .store
                .policy(name, org)
                .is_ok_and(|policy| policy.is_some_and(|policy| policy.publish.contains(queue)))
    }

    /// Where users and everybody's rights are.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// [`Acl::token`] for event queries of the server, whose list cannot be changed in lockdown: they may go on to tell
    /// others what happens here, which lockdown denies to everything else.
    pub fn token_of_monitoring(&self, principal: Principal, store: Store) -> Token {
        Self { spares: FORWARDING, ..self.clone() }.token(principal, store)
    }

    /// What the engine asks while it runs a query of this principal on this store; the rights that count are those in
    /// the store's organisation.
    pub fn token(&self, principal: Principal, store: Store) -> Token {
        Token { acl: self.clone(), principal, store, noted: Arc::default() }
    }
}

/// The standing of a user by `look`; the server's own account has all. Who cannot be looked up is nobody.
fn of_user(
    principal: &Principal,
    look: impl FnOnce(&UserName) -> Result<Standing, StoreError>,
) -> Standing {
    let Principal::User { name } = principal else { return Standing::Server };
    look(name).unwrap_or_else(|error| {
        tracing::error!(user = %name, %error, "cannot read a policy");
        Standing::Nobody
    })
}

fn exit_minutes(config: &Config) -> Result<Option<u64>, ConfigError> {
    match config.security.lockdown_exit_minutes {
        0 => Ok(None),
        minutes if minutes <= limits::EXIT_MINUTES => Ok(Some(minutes)),
        minutes => {
            let problem = format!("{minutes} is more than {}", limits::EXIT_MINUTES);
            Err(ConfigError::invalid("security.lockdown_exit_minutes", problem))
        }
    }
}

fn denied_to_all(config: &Config) -> Result<Rights, ConfigError> {
    let mut denied = Rights::NONE;
    for name in &config.security.lockdown_denied_permissions {
        let permission = Permission::named(name).ok_or_else(|| {
            let problem = format!("there is no permission `{name}`");
            ConfigError::invalid("security.lockdown_denied_permissions", problem)
        })?;
        denied = denied.and(Rights::of(&[permission]));
    }
    Ok(match (config.lockdown, denied.is_empty()) {
        (false, _) => Rights::NONE,
        (true, true) => LOCKDOWN,
        (true, false) => denied,
    })
}

/// A principal's rights, as the query engine asks for them.
#[derive(Clone)]
pub struct Token {
    acl: Acl,
    principal: Principal,
    store: Store,
    /// Refusals that are on record: a query may ask in vain for each of a million rows.
    noted: Arc<Mutex<BTreeSet<String>>>,
}

impl Token {
    /// Whose rights they are.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The rules by which it decides.
    pub fn acl(&self) -> &Acl {
        &self.acl
    }

    /// Where they count.
    pub fn org(&self) -> &OrgId {
        self.store.org()
    }

    /// Records a refusal, once for each asker.
    fn note(&self, asker: &str, denied: &Denied) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.len() >= limits::NOTED_REFUSALS || !noted.insert(asker.to_owned()) {
                return;
            }
        }
        let record = Record {
            time_us: now_us(),
            org: self.org().clone(),
            principal: self.principal.name().to_owned(),
            operation: Door::Query.operation().to_owned(),
            allowed: false,
            details: json!({"call": asker, "refused": denied.to_string()}),
        };
        if let Err(error) = self.store.audit(record) {
            // The call is refused all the same.
            tracing::error!(%error, "a refusal cannot be recorded");
        }
    }
}

impl Access for Token {
    fn check(&self, asker: &str, permissions: &[Permission]) -> Result<(), Denied> {
        let checked = self.acl.check(&self.principal, self.org(), permissions);
        if !asker.is_empty()
            && let Err(denied) = &checked
        {
            self.note(asker, denied);
        }
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::denied_to_all;
    use crate::config::Config;
    use crate::model::decision::LOCKDOWN;
    use crate::model::role::Rights;
    use troodon_vql::Permission;

    #[test]
    fn lockdown_may_have_a_list_of_its_own_without_mistakes() {
        let mut config = Config::default();
        config.security.lockdown_denied_permissions = vec!["start_hunt".into()];
        assert_eq!(denied_to_all(&config).unwrap(), Rights::NONE);
        config.lockdown = true;
        assert_eq!(denied_to_all(&config).unwrap(), Rights::of(&[Permission::StartHunt]));
        config.security.lockdown_denied_permissions.push("EXEC".into());
        assert!(denied_to_all(&config).unwrap_err().to_string().contains("no permission `EXEC`"));
        config.security.lockdown_denied_permissions.clear();
        assert_eq!(denied_to_all(&config).unwrap(), LOCKDOWN);
    }
}
