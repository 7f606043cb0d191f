//! Which user an identity of another server is: tied together at the first sign-in, until an administrator unties it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, signed, unsigned};
use crate::model::id::UserName;

/// The identity of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Who vouches for it.
    pub issuer: String,
    /// Who it is there.
    pub subject: String,
    /// Since when, in microseconds since 1970.
    pub pinned_us: u64,
}

impl Store {
    /// The identity of a user.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn identity(&self, user: &UserName) -> Result<Option<Pin>, StoreError> {
        self.read(|db| of_user(db, user))
    }
}

/// The identity of a user, within a transaction.
pub(crate) fn of_user(db: &Connection, user: &UserName) -> Result<Option<Pin>, StoreError> {
    let sql = "SELECT issuer, subject, pinned_us FROM identity WHERE user = ?1";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row([user.key()], |row| {
        Ok(Pin { issuer: row.get(0)?, subject: row.get(1)?, pinned_us: unsigned(row.get(2)?) })
    });
    Ok(found.optional()?)
}

/// The key of the user of an identity, within a transaction.
pub(crate) fn user_of(
    db: &Connection,
    issuer: &str,
    subject: &str,
) -> Result<Option<UserName>, StoreError> {
    let sql = "SELECT user FROM identity WHERE issuer = ?1 AND subject = ?2";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row([issuer, subject], |row| row.get::<_, String>(0)).optional()?;
    Ok(found.map(|name| name.parse()).transpose()?)
}

/// Ties an identity to a user; neither may be tied.
pub(crate) fn put(db: &Connection, user: &UserName, pin: &Pin) -> Result<(), StoreError> {
    let sql = "INSERT INTO identity (issuer, subject, user, pinned_us) VALUES (?1, ?2, ?3, ?4)";
    db.execute(sql, params![pin.issuer, pin.subject, user.key(), signed(pin.pinned_us)])?;
    Ok(())
}

/// Unties the identity of a user. Answers whether there was one.
pub(crate) fn remove(db: &Connection, user: &UserName) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM identity WHERE user = ?1", [user.key()])? == 1)
}
