//! Second factors of users: the secret that an authenticator shares, and codes for whoever has lost it.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreError, signed, unsigned};
use crate::model::id::UserName;
use crate::totp::Secret;

/// The second factor of one user.
#[derive(Debug)]
pub(crate) struct Factor {
    /// What the authenticator knows.
    pub(crate) secret: Secret,
    /// A code has shown that the authenticator has it: from then on it is asked for.
    pub(crate) confirmed: bool,
    /// The step of the last code, which counts once.
    pub(crate) used_step: u64,
    /// SHA-256 of the recovery codes that are left, in hex.
    pub(crate) recovery: Vec<String>,
}

impl Store {
    /// How many recovery codes a user has left; `None` without a second factor.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn second_factor(&self, user: &UserName) -> Result<Option<usize>, StoreError> {
        let found = self.read(|db| find(db, user))?;
        Ok(found.filter(|factor| factor.confirmed).map(|factor| factor.recovery.len()))
    }
}

/// The factor of a user, confirmed or not.
pub(crate) fn find(db: &Connection, user: &UserName) -> Result<Option<Factor>, StoreError> {
    let sql = "SELECT secret, confirmed, used_step, recovery FROM second_factor WHERE user = ?1";
    let mut query = db.prepare_cached(sql)?;
    let found = query.query_row([user.key()], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?))
    });
    let Some((secret, confirmed, used_step, recovery)) = found.optional()? else { return Ok(None) };
    let secret = zeroize::Zeroizing::new(secret);
    Ok(Some(Factor {
        secret: Secret::kept(&secret).ok_or(StoreError::Damaged("a second factor"))?,
        confirmed,
        used_step: unsigned(used_step),
        recovery: serde_json::from_str(&recovery)?,
    }))
}

/// Keeps a factor over the one that was there.
pub(crate) fn put(db: &Connection, user: &UserName, factor: &Factor) -> Result<(), StoreError> {
    let sql = "INSERT INTO second_factor (user, secret, confirmed, used_step, recovery) \
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (user) DO UPDATE SET \
               secret = excluded.secret, confirmed = excluded.confirmed, \
               used_step = excluded.used_step, recovery = excluded.recovery";
    db.execute(
        sql,
        params![
            user.key(),
            factor.secret.expose(),
            factor.confirmed,
            signed(factor.used_step),
            serde_json::to_string(&factor.recovery)?,
        ],
    )?;
    Ok(())
}

/// Forgets a factor. Answers whether there was one.
pub(crate) fn remove(db: &Connection, user: &UserName) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM second_factor WHERE user = ?1", [user.key()])? == 1)
}
