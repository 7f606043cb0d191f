//! Users, and the policies of everybody who may do something.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, signed, unsigned};
use crate::model::decision::Standing;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::Policy;
use crate::password::Hashed;

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct User {
    /// The name as it was first written.
    pub name: UserName,
    /// `None`: no password fits.
    pub password: Option<Hashed>,
    /// May not do anything until unlocked.
    pub locked: bool,
    /// Wrong passwords since the last right one.
    pub failures: u64,
    /// When the last of them was typed, in microseconds since 1970.
    pub failed_us: u64,
    /// Microseconds since 1970.
    pub created_us: u64,
}

impl User {
    /// Changes with the password, and tells nothing about it: what was begun with an earlier one ends by it.
    #[must_use]
    pub fn credential(&self) -> [u8; 32] {
        Sha256::digest(self.password.as_ref().map_or("", |hashed| hashed.expose())).into()
    }
}

impl Store {
    /// A user by name, in any letter case.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn user(&self, name: &UserName) -> Result<Option<User>, StoreError> {
        self.read(|db| find(db, name))
    }

    /// All users in the order of their names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT name, password, locked, failures, failed_us, created_us FROM user ORDER BY key",
            )?;
            let rows = query.query_and_then([], from_row)?;
            rows.collect()
        })
    }

    /// What a principal was given in an organisation; `None` when nothing ever was.
    ///
    /// # Errors
    /// The store cannot be read, or a policy in it is damaged: then nobody has its rights.
    pub fn policy(&self, name: &UserName, org: &OrgId) -> Result<Option<Policy>, StoreError> {
        self.read(|db| policy(db, name, org))
    }

    /// Everybody with a policy in an organisation.
    ///
    /// # Errors
    /// Those of [`Store::policy`].
    pub fn policies(&self, org: &OrgId) -> Result<Vec<(UserName, Policy)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT name, policy FROM policy WHERE org = ?1 ORDER BY key";
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_and_then([org.as_str()], |row| {
                Ok((row.get::<_, String>(0)?.parse()?, parsed(&row.get::<_, String>(1)?)?))
            })?;
            rows.collect()
        })
    }
}

/// A user, within a transaction.
pub(crate) fn find(db: &Connection, name: &UserName) -> Result<Option<User>, StoreError> {
    let sql =
        "SELECT name, password, locked, failures, failed_us, created_us FROM user WHERE key = ?1";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query([name.key()])?;
    rows.next()?.map(from_row).transpose()
}

/// What counts for a decision about a principal, within a transaction: a user who is locked has nothing.
pub(crate) fn standing(
    db: &Connection,
    name: &UserName,
    org: &OrgId,
) -> Result<Standing, StoreError> {
    if find(db, name)?.is_some_and(|user| user.locked) {
        return Ok(Standing::Nobody);
    }
    let found = policy(db, name, org)?;
    Ok(found.map_or(Standing::Nobody, |policy| Standing::Holds(policy.rights(org))))
}

/// The organisations in which a principal has a policy, within a transaction.
pub(crate) fn orgs_of(db: &Connection, name: &UserName) -> Result<Vec<OrgId>, StoreError> {
    let mut query = db.prepare_cached("SELECT org FROM policy WHERE key = ?1 ORDER BY org")?;
    let rows = query.query_and_then([name.key()], |row| Ok(row.get::<_, String>(0)?.parse()?))?;
    rows.collect()
}

/// A policy, within a transaction.
pub(crate) fn policy(
    db: &Connection,
    name: &UserName,
    org: &OrgId,
) -> Result<Option<Policy>, StoreError> {
    let sql = "SELECT policy FROM policy WHERE key = ?1 AND org = ?2";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row(params![name.key(), org.as_str()], |row| row.get::<_, String>(0));
    found.optional()?.map(|text| parsed(&text)).transpose()
}

/// Writes a user, whether or not there was one. The name keeps the letter case that it had.
pub(crate) fn put(db: &Connection, user: &User) -> Result<(), StoreError> {
    let sql = "INSERT INTO user (key, name, password, locked, failures, failed_us, created_us) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (key) DO UPDATE SET \
               password = excluded.password, locked = excluded.locked, \
               failures = excluded.failures, failed_us = excluded.failed_us";
    db.prepare_cached(sql)?.execute(params![
        user.name.key(),
        user.name.as_str(),
        user.password.as_ref().map(Hashed::expose),
        user.locked,
        signed(user.failures),
        signed(user.failed_us),
        signed(user.created_us),
    ])?;
    Ok(())
}

/// Writes a policy over the one that was there.
pub(crate) fn put_policy(
    db: &Connection,
    name: &UserName,
    org: &OrgId,
    policy: &Policy,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO policy (key, org, name, policy) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (key, org) DO UPDATE SET policy = excluded.policy";
    let text = policy.to_json().to_string();
    db.prepare_cached(sql)?.execute(params![name.key(), org.as_str(), name.as_str(), text])?;
    Ok(())
}

fn parsed(text: &str) -> Result<Policy, StoreError> {
    Policy::parse(text).map_err(|_| StoreError::Damaged("a policy"))
}

fn from_row(row: &Row<'_>) -> Result<User, StoreError> {
    Ok(User {
        name: row.get::<_, String>(0)?.parse()?,
        password: row.get::<_, Option<String>>(1)?.map(Hashed::stored),
        locked: row.get(2)?,
        failures: unsigned(row.get(3)?),
        failed_us: unsigned(row.get(4)?),
        created_us: unsigned(row.get(5)?),
    })
}
