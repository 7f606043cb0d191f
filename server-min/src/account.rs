//! Users and their rights: every change is checked here, and recorded in the transaction that makes it.
//!
//! Nobody gives what they do not hold, and nobody touches the account of somebody who may do more than they.

use serde_json::{Value, json};

use crate::acl::{Acl, Principal};
use crate::config::Config;
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::{NameFault, OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::{Rights, Role};
use crate::password::{Hashed, Match, PasswordFault};
use crate::store::setting::{self, Setting};
use crate::store::user::{self, User};
use crate::store::{Store, StoreError, audit, now_us};

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

/// Why somebody may not sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name, the password or both: which of them is nobody's business.
    #[error("name or password is wrong")]
    Wrong,
    /// After too many wrong passwords.
    #[error("too many wrong passwords; try again in {0} seconds")]
    TooSoon(u64),
    /// The password cannot be hashed anew.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why `GUI.initial_users` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// One of them is wrong.
    #[error("GUI.initial_users: {name:?}: {why}")]
    User {
        /// As it stands there.
        name: String,
        /// What is wrong.
        why: String,
    },
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
    acl: Acl,
    actor: Principal,
    org: OrgId,
    server_name: String,
}

impl Accounts {
    /// As this principal may. `server_name` is the name of the server's own account.
    pub fn new(store: Store, acl: Acl, actor: Principal, server_name: &str) -> Self {
        Self { store, acl, actor, org: OrgId::root(), server_name: server_name.to_owned() }
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
        self.enter(Door::ManageUsers, name)?;
        if RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name.as_str()))
            || self.server_name.eq_ignore_ascii_case(name.as_str())
        {
            return Err(AccountError::Reserved(name.clone()));
        }
        // A policy may be older than the user: that of a program with a certificate.
        self.may_touch(Door::ManageUsers, name)?;
        self.may_give(name, policy.rights(&self.org))?;
        let user = User {
            name: name.clone(),
            password,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: now_us(),
        };
        let record = self.record("user_create", name, json!({"acl": policy.to_json()}));
        let (org, policy) = (self.org.clone(), policy.clone());
        let made = self.store.write(move |db| {
            if user::find(db, &user.name)?.is_some() {
                return Ok(false);
            }
            user::put(db, &user)?;
            user::put_policy(db, &user.name, &org, &policy)?;
            audit::append(db, &record)?;
            Ok(true)
        })?;
        if made { Ok(()) } else { Err(AccountError::Exists(name.clone())) }
    }

    /// Changes a password: one's own, or as an administrator somebody else's.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn set_password(&self, name: &UserName, password: &str) -> Result<(), AccountError> {
        let is_own = matches!(&self.actor, Principal::User { name: own } if own == name);
        if !is_own {
            self.enter(Door::ManageUsers, name)?;
            self.may_touch(Door::ManageUsers, name)?;
        }
        let hashed = Hashed::of(password)?;
        let how = if is_own { "Update Own Password" } else { "Update Password By Admin" };
        let record = self.record("Update password", name, json!({"operation": how}));
        self.change(name, record, move |user| {
            user.password = Some(hashed);
            user.failures = 0;
        })
    }

    /// Takes all rights from a user until they are given back, without forgetting them.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn set_locked(&self, name: &UserName, locked: bool) -> Result<(), AccountError> {
        self.enter(Door::ManageUsers, name)?;
        self.may_touch(Door::ManageUsers, name)?;
        let operation = if locked { "user_lock" } else { "user_unlock" };
        let record = self.record(operation, name, json!({}));
        self.change(name, record, move |user| user.locked = locked)
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
        self.enter(Door::Grant, name)?;
        self.may_touch(Door::Grant, name)?;
        let before = self.store.policy(name, &self.org)?.unwrap_or_default();
        let policy = if how == Grant::Merge { before.and(policy) } else { policy };
        self.may_give(name, policy.rights(&self.org))?;
        let record = self.record("user_grant", name, json!({"acl": policy.to_json()}));
        let (name, org, granted) = (name.clone(), self.org.clone(), policy.clone());
        self.store.write(move |db| {
            user::put_policy(db, &name, &org, &granted)?;
            audit::append(db, &record)
        })?;
        Ok(policy)
    }

    fn change(
        &self,
        name: &UserName,
        record: Record,
        change: impl FnOnce(&mut User) + Send + 'static,
    ) -> Result<(), AccountError> {
        let wanted = name.clone();
        let done = self.store.write(move |db| {
            let Some(mut user) = user::find(db, &wanted)? else { return Ok(false) };
            change(&mut user);
            user::put(db, &user)?;
            audit::append(db, &record)?;
            Ok(true)
        })?;
        if done { Ok(()) } else { Err(AccountError::Unknown(name.clone())) }
    }

    /// Refuses what the actor may not do at all.
    fn enter(&self, door: Door, about: &UserName) -> Result<(), AccountError> {
        match self.acl.check(&self.actor, &self.org, door.permissions()) {
            Ok(()) => Ok(()),
            Err(denied) => self.refuse(door, about, denied.to_string()),
        }
    }

    /// Refuses to change an account that may do more than the actor in any organisation: whoever sets its password or
    /// policy would have its rights, or could take them away.
    fn may_touch(&self, door: Door, name: &UserName) -> Result<(), AccountError> {
        for org in self.store.orgs_of(name)? {
            let held = self.store.policy(name, &org)?.unwrap_or_default().rights(&org);
            let beyond = held.without(self.acl.standing(&self.actor, &org).rights());
            if !beyond.is_empty() {
                return self.refuse(
                    door,
                    name,
                    format!("`{name}` has in {org}, and you lack: [{beyond}]"),
                );
            }
        }
        Ok(())
    }

    /// Refuses to give what the actor does not hold.
    fn may_give(&self, name: &UserName, rights: Rights) -> Result<(), AccountError> {
        let beyond = rights.without(self.acl.standing(&self.actor, &self.org).rights());
        if beyond.is_empty() {
            return Ok(());
        }
        self.refuse(Door::Grant, name, format!("you cannot give what you lack: [{beyond}]"))
    }

    fn refuse(&self, door: Door, about: &UserName, why: String) -> Result<(), AccountError> {
        let mut record = self.record(door.operation(), about, json!({"refused": why}));
        record.allowed = false;
        self.store.audit(record)?;
        Err(AccountError::Denied(why))
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

/// Makes the users of `GUI.initial_users` administrators, once in the life of a store.
///
/// # Errors
/// A name or a hash there is none; nobody is made then.
pub fn install(config: &Config, store: &Store) -> Result<(), InstallError> {
    if store.setting(Setting::InitialUsers)?.is_some() {
        return Ok(());
    }
    let mut users = Vec::new();
    for initial in &config.gui.initial_users {
        let fault = |why: String| InstallError::User { name: initial.name.clone(), why };
        let password = match (initial.password_salt.expose(), initial.password_hash.expose()) {
            ("", "") => None,
            (salt, hash) => {
                Some(Hashed::imported(salt, hash).map_err(|error| fault(error.to_string()))?)
            }
        };
        let name: UserName =
            initial.name.parse().map_err(|error: NameFault| fault(error.to_string()))?;
        users.push(User {
            name,
            password,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: now_us(),
        });
    }
    let server = config.client.server_name().to_owned();
    store.write(move |db| {
        let policy = Policy::of([Role::Administrator]);
        for user in users {
            if user::find(db, &user.name)?.is_some() {
                continue;
            }
            user::put(db, &user)?;
            user::put_policy(db, &user.name, &OrgId::root(), &policy)?;
            let record = Record {
                time_us: now_us(),
                org: OrgId::root(),
                principal: server.clone(),
                operation: "user_create".to_owned(),
                allowed: true,
                details: json!({
                    "acl": policy.to_json(),
                    "source": "GUI.initial_users",
                    "username": user.name.as_str(),
                }),
            };
            audit::append(db, &record)?;
        }
        setting::put(db, Setting::InitialUsers, b"done")
    })?;
    Ok(())
}

/// Checks name and password. An imported hash is replaced by Argon2id with the first right password.
///
/// # Errors
/// [`SignInError::TooSoon`] says nothing about the password, which was not looked at.
pub fn sign_in(
    store: &Store,
    name: &UserName,
    password: &str,
    now_us: u64,
) -> Result<User, SignInError> {
    let Some(user) = store.user(name)? else {
        // The same work as for a user that exists, so that the time does not tell.
        drop(Hashed::of("a password of nobody"));
        return Err(SignInError::Wrong);
    };
    let wait = wait_seconds(user.failures);
    let waited = now_us.saturating_sub(user.failed_us) / 1_000_000;
    if waited < wait {
        return Err(SignInError::TooSoon(wait.saturating_sub(waited)));
    }
    let found = user.password.as_ref().map_or(Match::Wrong, |hashed| hashed.check(password));
    let is_right = found != Match::Wrong && !user.locked;
    let stronger = if found == Match::RightAndOld { Some(Hashed::of(password)?) } else { None };
    let record = Record {
        time_us: now_us,
        org: OrgId::root(),
        principal: user.name.to_string(),
        operation: if is_right { "Login" } else { "Invalid password" }.to_owned(),
        allowed: is_right,
        details: json!({"locked": user.locked}),
    };
    let name = name.clone();
    store.write(move |db| {
        // Read again: somebody else may have tried in the meantime, and each try counts.
        if let Some(mut user) = user::find(db, &name)? {
            (user.failures, user.failed_us) = match is_right {
                true => (0, user.failed_us),
                false => (user.failures.saturating_add(1), now_us),
            };
            user.password = stronger.or(user.password);
            user::put(db, &user)?;
        }
        audit::append(db, &record)
    })?;
    if is_right { Ok(user) } else { Err(SignInError::Wrong) }
}

/// None for the first mistakes, then twice as long each time.
fn wait_seconds(failures: u64) -> u64 {
    match failures.checked_sub(limits::FREE_FAILURES) {
        None => 0,
        Some(further) => {
            let doubled = u32::try_from(further).ok().and_then(|n| 1_u64.checked_shl(n));
            doubled.unwrap_or(u64::MAX).min(limits::SIGN_IN_WAIT_SECONDS)
        }
    }
}
