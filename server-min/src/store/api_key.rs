//! Keys with which programs fetch what their users may see. Here are hashes, which open nothing.

use rusqlite::{Connection, Row, params};

use super::session::TokenHash;
use super::{Store, StoreError, signed, unsigned};
use crate::model::id::{OrgId, UserName};

/// One key. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// By which it is found.
    pub hash: TokenHash,
    /// Whose it is.
    pub user: UserName,
    /// What it is for, in the user's words.
    pub label: String,
    /// The one organisation that it shows.
    pub org: OrgId,
    /// Changes with the password, so that a new password ends keys.
    pub credential: [u8; 32],
    /// When it was made.
    pub made_us: u64,
    /// When it ends.
    pub until_us: u64,
    /// When it was last used, to the minute; 0 when it never was.
    pub used_us: u64,
    /// From where it was used last.
    pub address: String,
}

const COLUMNS: &str = "hash, user, label, org, credential, made_us, until_us, used_us, address";

impl Store {
    /// The key of a hash.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn api_key(&self, hash: &TokenHash) -> Result<Option<ApiKey>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM api_key WHERE hash = ?1");
            let mut query = db.prepare_cached(&sql)?;
            query.query_and_then([hash], from_row)?.next().transpose()
        })
    }

    /// The keys of a user, the latest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn api_keys(&self, user: &UserName) -> Result<Vec<ApiKey>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM api_key WHERE key = ?1 ORDER BY made_us DESC");
            let mut query = db.prepare_cached(&sql)?;
            query.query_and_then([user.key()], from_row)?.collect()
        })
    }

    /// Notes that a key is used.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn use_api_key(
        &self,
        hash: &TokenHash,
        now_us: u64,
        address: &str,
    ) -> Result<(), StoreError> {
        let (hash, address) = (*hash, address.to_owned());
        self.write(move |db| {
            let sql = "UPDATE api_key SET used_us = ?2, address = ?3 WHERE hash = ?1";
            db.prepare_cached(sql)?.execute(params![hash, signed(now_us), address])?;
            Ok(())
        })
    }
}

/// Keeps a key, within a transaction. Those that are over go. Answers how many the user has then.
pub(crate) fn put(db: &Connection, made: &ApiKey) -> Result<u64, StoreError> {
    db.execute("DELETE FROM api_key WHERE until_us <= ?1", [signed(made.made_us)])?;
    let sql = "INSERT INTO api_key (hash, user, key, label, org, credential, made_us, until_us, used_us, address) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, '')";
    db.execute(
        sql,
        params![
            made.hash,
            made.user.as_str(),
            made.user.key(),
            made.label,
            made.org.as_str(),
            made.credential,
            signed(made.made_us),
            signed(made.until_us),
        ],
    )?;
    let sql = "SELECT count(*) FROM api_key WHERE key = ?1";
    Ok(unsigned(db.query_row(sql, [made.user.key()], |row| row.get(0))?))
}

/// Ends a key of a user, within a transaction. Answers what it was for, if there was one.
pub(crate) fn end(
    db: &Connection,
    user: &UserName,
    hash: &[u8],
) -> Result<Option<String>, StoreError> {
    let sql = "DELETE FROM api_key WHERE hash = ?1 AND key = ?2 RETURNING label";
    let mut query = db.prepare(sql)?;
    let mut found = query.query_map(params![hash, user.key()], |row| row.get(0))?;
    Ok(found.next().transpose()?)
}

fn from_row(row: &Row<'_>) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        hash: row.get(0)?,
        user: row.get::<_, String>(1)?.parse()?,
        label: row.get(2)?,
        org: row.get::<_, String>(3)?.parse()?,
        credential: row.get(4)?,
        made_us: unsigned(row.get(5)?),
        until_us: unsigned(row.get(6)?),
        used_us: unsigned(row.get(7)?),
        address: row.get(8)?,
    })
}
