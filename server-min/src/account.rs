//! Users and their rights: every change is decided, made and recorded in one transaction.
//!
//! Nobody gives what they do not hold, and nobody touches the account of somebody who may do more than they.

mod api_key;
mod arrive;
mod install;
mod second_factor;
mod sign_in;

use rusqlite::Connection;
use serde_json::{Value, json};
use troodon_vql::Permission;

use crate::acl::{Acl, Principal};
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::Rights;
use crate::password::{Hashed, PasswordFault};
use crate::store::user::{self, User};
use crate::store::{Store, StoreError, audit, identity, now_us, session};

pub use api_key::{KeyError, Wish, end_key, find_key, make_key};
pub use arrive::{Arrival, ArrivalError, arrive};
pub use install::{InstallError, install};
pub use second_factor::{FactorError, begin_factor, check_code, confirm_factor, end_factor};
pub use sign_in::{Purpose, SignInError, SignedIn, check_password, sign_in};

/// Names that services have; nobody else may look like them in a record.
const RESERVED: [&str; 3] = ["VelociraptorServer", "GRPC_GW", "InterrogationService"];

/// Why an account was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Lockdown, or the caller's rights.
    #[error("PermissionDenied: {0}")]
    Denied(String),
    /// A name of the server itself.
    #[error("`{0}` is a name of the server itself; choose another")]
    Reserved(UserName),
    /// There is such a user.
    #[error("there is a user `{0}` already; `user password` and `acl grant` change it")]
    Exists(UserName),
    /// There is no such user.
    #[error("there is no user `{0}`; `user list` shows all")]
    Unknown(UserName),
    /// The password cannot be kept.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a grant adds to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// What was there is gone.
    Replace,
    /// What was there stays.
    Merge,
}

/// Accounts as one principal may manage them, in one organisation.
pub struct Accounts {
    store: Store,
    caller: Caller,
}

/// Who asks, and by which rules that is decided.
#[derive(Clone)]
struct Caller {
    acl: Acl,
    actor: Principal,
    org: OrgId,
}

impl Accounts {
    /// As this principal may, in this organisation.
    pub fn new(acl: Acl, actor: Principal, org: OrgId) -> Self {
        Self { store: acl.store().clone(), caller: Caller { acl, actor, org } }
    }

    /// Makes a user. Without a password nobody can sign in by one.
    ///
    /// # Errors
    /// See [`AccountError`]; nothing is made then.
    pub fn add(
        &self,
        name: &UserName,
        password: Option<Hashed>,
        policy: &Policy,
    ) -> Result<(), AccountError> {
        let is_reserved = is_reserved(name, self.caller.acl.server_name());
        let user = User {
            name: name.clone(),
            password,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: now_us(),
        };
        let policy = policy.clone();
        self.act(Door::ManageUsers, name, move |db, caller| {
            caller.enter(db, Door::ManageUsers)?;
            if is_reserved {
                return Err(AccountError::Reserved(user.name));
            }
            // A policy may be older than the user: that of a program with a certificate.
            caller.may_touch(db, &user.name)?;
            caller.may_give(db, policy.rights(&caller.org))?;
            if user::find(db, &user.name)?.is_some() {
                return Err(AccountError::Exists(user.name));
            }
            user::put(db, &user)?;
            user::put_policy(db, &user.name, &caller.org, &policy)?;
            let details = json!({"acl": policy.to_json()});
            audit::append(db, &caller.record("user_create", &user.name, details))?;
            Ok(())
        })
    }

    /// Changes a password: one's own unless one is locked, or as an administrator somebody else's.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn set_password(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        let is_own = matches!(&self.caller.actor, Principal::User { name: own } if own == name);
        let hashed = Hashed::of(password)?;
        self.change(name, move |db, caller, user| {
            if !is_own {
                caller.enter(db, Door::ManageUsers)?;
                caller.may_touch(db, &user.name)?;
            } else if user.locked {
                return Err(AccountError::Denied(format!("`{}` is locked", user.name)));
            }
            user.password = Some(hashed);
            user.failures = 0;
            let how = if is_own { "Update Own Password" } else { "Update Password By Admin" };
            Ok(caller.record("Update password", &user.name, json!({"operation": how})))
        })
    }

    /// Takes all rights from a user until they are given back, without forgetting them.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn set_locked(&self, name: &UserName, locked: bool) -> Result<(), AccountError> {
        self.change(name, move |db, caller, user| {
            caller.enter(db, Door::ManageUsers)?;
            caller.may_touch(db, &user.name)?;
            user.locked = locked;
            let operation = if locked { "user_lock" } else { "user_unlock" };
            Ok(caller.record(operation, &user.name, json!({})))
        })
    }

    /// Unties a user from the identity of another server: the next that comes under the user's name is tied. All sessions
    /// end.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn unpin(&self, name: &UserName) -> Result<(), AccountError> {
        self.change(name, |db, caller, user| {
            caller.enter(db, Door::ManageUsers)?;
            caller.may_touch(db, &user.name)?;
            let pin = identity::of_user(db, &user.name)?;
            identity::remove(db, &user.name)?;
            session::end_all(db, &user.name)?;
            let pin = pin.map(|pin| json!({"issuer": pin.issuer, "subject": pin.subject}));
            Ok(caller.record("identity_unpin", &user.name, pin.unwrap_or(json!({}))))
        })
    }

    /// Gives rights to a user, or to a program that has a certificate and no user; answers the policy that holds then.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn grant(
        &self,
        name: &UserName,
        policy: Policy,
        how: Grant,
    ) -> Result<Policy, AccountError> {
        let about = name.clone();
        self.act(Door::Grant, name, move |db, caller| {
            caller.enter(db, Door::Grant)?;
            // Rights elsewhere stay what they are.
            caller.may_touch_in(db, &about, &caller.org)?;
            let before = user::policy(db, &about, &caller.org)?.unwrap_or_default();
            let policy = if how == Grant::Merge { before.and(policy) } else { policy };
            caller.may_give(db, policy.rights(&caller.org))?;
            user::put_policy(db, &about, &caller.org, &policy)?;
            let details = json!({"acl": policy.to_json()});
            audit::append(db, &caller.record("user_grant", &about, details))?;
            Ok(policy)
        })
    }

    /// Changes a user that there is; `change` decides, and answers what goes on record.
    fn change(
        &self,
        name: &UserName,
        change: impl FnOnce(&Connection, &Caller, &mut User) -> Result<Record, AccountError>
        + Send
        + 'static,
    ) -> Result<(), AccountError> {
        let about = name.clone();
        self.act(Door::ManageUsers, name, move |db, caller| {
            let found = user::find(db, &about)?;
            let Some(mut user) = found.filter(|_| caller.knows(db, &about)) else {
                // Who may not manage users does not learn who is one.
                caller.enter(db, Door::ManageUsers)?;
                return Err(AccountError::Unknown(about));
            };
            let record = change(db, caller, &mut user)?;
            user::put(db, &user)?;
            audit::append(db, &record)?;
            Ok(())
        })
    }

    /// Decides and changes in one transaction, so that what was taken away meanwhile does not count. `work` decides
    /// before it writes: what it refuses is kept as a record, and nothing else.
    fn act<T: Send + 'static>(
        &self,
        door: Door,
        about: &UserName,
        work: impl FnOnce(&Connection, &Caller) -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let (caller, about) = (self.caller.clone(), about.clone());
        self.store.write(move |db| match work(db, &caller) {
            Err(AccountError::Store(error)) => Err(error),
            Err(AccountError::Denied(why)) => {
                let details = json!({"refused": why});
                let mut record = caller.record(door.operation(), &about, details);
                record.allowed = false;
                audit::append(db, &record)?;
                Ok(Err(AccountError::Denied(why)))
            }
            done => Ok(done),
        })?
    }
}

/// Whether a name is one of the server itself.
fn is_reserved(name: &UserName, server: &str) -> bool {
    RESERVED.iter().chain([&server]).any(|own| own.eq_ignore_ascii_case(name.as_str()))
}

impl Caller {
    /// Refuses what the actor may not do at all.
    fn enter(&self, db: &Connection, door: Door) -> Result<(), AccountError> {
        let checked = self.acl.check_within(db, &self.actor, &self.org, door.permissions());
        checked
            .or_else(|denied| match self.org.is_root() {
                true => Err(denied),
                false => self.manages_orgs(db).ok_or(denied),
            })
            .map_err(|denied| AccountError::Denied(denied.to_string()))
    }

    /// Who manages organisations manages their users too: somebody has to be the first.
    fn manages_orgs(&self, db: &Connection) -> Option<()> {
        let root = OrgId::root();
        self.acl.check_within(db, &self.actor, &root, &[Permission::OrgAdmin]).ok()
    }

    /// What the actor holds in an organisation, and may give there.
    fn own_rights(&self, db: &Connection, org: &OrgId) -> Rights {
        let own = self.acl.standing_within(db, &self.actor, org).rights();
        match self.manages_orgs(db) {
            Some(()) => own.and(self.acl.standing_within(db, &self.actor, &OrgId::root()).rights()),
            None => own,
        }
    }

    /// Outside of the root one knows oneself, and those who may do something there.
    fn knows(&self, db: &Connection, name: &UserName) -> bool {
        let is_self = matches!(&self.actor, Principal::User { name: own } if own == name);
        is_self
            || self.org.is_root()
            || user::policy(db, name, &self.org).is_ok_and(|policy| policy.is_some())
    }

    /// Refuses to change an account that may do more than the actor in any organisation: whoever sets its password or
    /// policy would have its rights, or could take them away.
    fn may_touch(&self, db: &Connection, name: &UserName) -> Result<(), AccountError> {
        user::orgs_of(db, name)?.iter().try_for_each(|org| self.may_touch_in(db, name, org))
    }

    /// [`Caller::may_touch`] for what is in one organisation only.
    fn may_touch_in(
        &self,
        db: &Connection,
        name: &UserName,
        org: &OrgId,
    ) -> Result<(), AccountError> {
        let held = user::policy(db, name, org)?.unwrap_or_default().rights(org);
        let beyond = held.without(self.own_rights(db, org));
        if beyond.is_empty() {
            return Ok(());
        }
        Err(AccountError::Denied(format!("`{name}` has in {org}, and you lack: [{beyond}]")))
    }

    /// Refuses to give what the actor does not hold.
    fn may_give(&self, db: &Connection, rights: Rights) -> Result<(), AccountError> {
        let beyond = rights.without(self.own_rights(db, &self.org));
        if beyond.is_empty() {
            return Ok(());
        }
        Err(AccountError::Denied(format!("you cannot give what you lack: [{beyond}]")))
    }

    fn record(&self, operation: &str, about: &UserName, mut details: Value) -> Record {
        if let Some(details) = details.as_object_mut() {
            details.insert("username".into(), about.as_str().into());
        }
        Record {
            time_us: now_us(),
            org: self.org.clone(),
            principal: self.actor.name().to_owned(),
            operation: operation.to_owned(),
            allowed: true,
            details,
        }
    }
}
