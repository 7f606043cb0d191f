//! An identity of another server to a user.
//!
//! It is tied to its user at the first sign-in, and from then on nothing else of what the provider says finds the user:
//! names and addresses are given to others some day. Who is no user stays out unless the configuration names roles for
//! them.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{SignedIn, is_reserved};
use crate::acl::{Acl, Principal};
use crate::identity::Identity;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::Role;
use crate::store::identity::{self, Pin};
use crate::store::user::{self, User};
use crate::store::{StoreError, audit, second_factor};

/// Somebody comes in through another server.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who that is there.
    pub identity: Identity,
    /// Through which of the ways that the configuration names.
    pub way: String,
    /// From where.
    pub address: String,
    /// Roles of people who are no users yet.
    pub newcomers: BTreeSet<Role>,
    /// Roles of the provider replace those that were granted.
    pub replaces_roles: bool,
    /// People sign in by passwords as well.
    pub passwords: bool,
}

/// Why an identity does not come in.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// There is no such user.
    #[error(
        "there is no user `{0}` here; an administrator makes one with `troodon user add --no-password`"
    )]
    Unknown(UserName),
    /// The user is locked.
    #[error("`{0}` is locked; an administrator can unlock the account")]
    Locked(UserName),
    /// The user is somebody else at a provider.
    #[error(
        "`{0}` is tied to another identity; an administrator can untie it with `troodon user unpin`"
    )]
    Other(UserName),
    /// The user has another way in, so that the name alone does not show that this is them.
    #[error("`{0}` signs in by password; an administrator can make a user without one")]
    HasPassword(UserName),
    /// A name of the server, or of a program with rights.
    #[error("`{0}` is taken; an administrator can make a user for you")]
    Taken(UserName),
    /// Nobody is made in lockdown.
    #[error("there is no user `{0}`, and the server makes none in lockdown")]
    Lockdown(UserName),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs an identity in as its user.
///
/// # Errors
/// See [`ArrivalError`]; nothing is changed then, and the refusal is on record.
pub fn arrive(acl: &Acl, arrival: Arrival, now_us: u64) -> Result<SignedIn, ArrivalError> {
    let coming = Coming { acl: acl.clone(), arrival, now_us };
    acl.store().write(move |db| match coming.decide(db) {
        Ok(user) => {
            coming.take_roles(db, &user)?;
            let factor = second_factor::find(db, &user.name)?.filter(|factor| factor.confirmed);
            let needs_code = factor.is_some();
            let operation = if needs_code { "Right identity" } else { "Login" };
            coming.record(db, operation, &user.name, true, json!({}))?;
            Ok(Ok(SignedIn { user, needs_code }))
        }
        Err(ArrivalError::Store(error)) => Err(error),
        Err(refusal) => {
            let name = &coming.arrival.identity.name;
            let details = json!({"refused": refusal.to_string()});
            coming.record(db, "Invalid identity", name, false, details)?;
            Ok(Err(refusal))
        }
    })?
}

struct Coming {
    acl: Acl,
    arrival: Arrival,
    now_us: u64,
}

impl Coming {
    /// Whose identity it is. Nothing is written before it is clear that they come in.
    fn decide(&self, db: &Connection) -> Result<User, ArrivalError> {
        let Identity { issuer, subject, name, .. } = &self.arrival.identity;
        let pinned = identity::user_of(db, issuer, subject)?;
        let found = user::find(db, pinned.as_ref().unwrap_or(name))?;
        let Some(user) = found else { return self.welcome(db) };
        if user.locked {
            return Err(ArrivalError::Locked(user.name));
        }
        if pinned.is_some() {
            return Ok(user);
        }
        if identity::of_user(db, &user.name)?.is_some() {
            return Err(ArrivalError::Other(user.name));
        }
        if self.arrival.passwords && user.password.is_some() {
            return Err(ArrivalError::HasPassword(user.name));
        }
        self.pin(db, &user.name)?;
        Ok(user)
    }

    /// Makes a user of somebody for whom the configuration has roles.
    fn welcome(&self, db: &Connection) -> Result<User, ArrivalError> {
        let name = self.arrival.identity.name.clone();
        let mapped = self.arrival.identity.roles.iter().flatten();
        let policy = Policy::of(mapped.chain(&self.arrival.newcomers).copied());
        if policy.roles.is_empty() {
            return Err(ArrivalError::Unknown(name));
        }
        // A program with a certificate has rights and no user.
        if is_reserved(&name, self.acl.server_name()) || !user::orgs_of(db, &name)?.is_empty() {
            return Err(ArrivalError::Taken(name));
        }
        if !self.may(db, Door::ManageUsers) || !self.may(db, Door::Grant) {
            return Err(ArrivalError::Lockdown(name));
        }
        let user = User {
            name,
            password: None,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: self.now_us,
        };
        user::put(db, &user)?;
        user::put_policy(db, &user.name, &OrgId::root(), &policy)?;
        self.record(db, "user_create", &user.name, true, json!({"acl": policy.to_json()}))?;
        self.pin(db, &user.name)?;
        Ok(user)
    }

    fn pin(&self, db: &Connection, name: &UserName) -> Result<(), StoreError> {
        let Identity { issuer, subject, .. } = self.arrival.identity.clone();
        identity::put(db, name, &Pin { issuer, subject, pinned_us: self.now_us })?;
        self.record(db, "identity_pin", name, true, json!({}))
    }

    /// Gives the roles that the provider's mean, in the root; lockdown keeps what was there.
    fn take_roles(&self, db: &Connection, user: &User) -> Result<(), StoreError> {
        let Some(roles) = &self.arrival.identity.roles else { return Ok(()) };
        let root = OrgId::root();
        let before = user::policy(db, &user.name, &root)?.unwrap_or_default();
        let mapped = Policy::of(roles.iter().copied());
        let policy = if self.arrival.replaces_roles { mapped } else { before.clone().and(mapped) };
        if policy == before {
            return Ok(());
        }
        let may = self.may(db, Door::Grant);
        if may {
            user::put_policy(db, &user.name, &root, &policy)?;
        }
        let operation = Door::Grant.operation();
        self.record(db, operation, &user.name, may, json!({"acl": policy.to_json()}))
    }

    /// What lockdown denies to everybody does not happen by itself either.
    fn may(&self, db: &Connection, door: Door) -> bool {
        let server = Principal::Server { name: self.acl.server_name().to_owned() };
        self.acl.check_within(db, &server, &OrgId::root(), door.permissions()).is_ok()
    }

    fn record(
        &self,
        db: &Connection,
        operation: &str,
        name: &UserName,
        allowed: bool,
        mut details: Value,
    ) -> Result<(), StoreError> {
        let Arrival { identity, way, address, .. } = &self.arrival;
        if let Some(details) = details.as_object_mut() {
            details.insert("username".into(), name.as_str().into());
            details.insert("authenticator".into(), way.as_str().into());
            details.insert("issuer".into(), identity.issuer.as_str().into());
            details.insert("subject".into(), identity.subject.as_str().into());
            details.insert("address".into(), address.as_str().into());
        }
        let record = Record {
            time_us: self.now_us,
            org: OrgId::root(),
            principal: name.to_string(),
            operation: operation.to_owned(),
            allowed,
            details,
        };
        audit::append(db, &record)
    }
}
