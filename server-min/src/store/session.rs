//! Who is signed in to the web pages. A token is a browser's; here is its hash, which opens nothing.

use rusqlite::{Connection, Row, params};

use super::{Store, StoreError, signed, unsigned};
use crate::model::id::{OrgId, UserName};

/// The hash of a token.
pub type TokenHash = [u8; 32];

/// One session. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// By which it is found.
    pub token: TokenHash,
    /// Whose it is.
    pub user: UserName,
    /// Changes with the password, so that a new password ends old sessions.
    pub credential: [u8; 32],
    /// When somebody signed in.
    pub began_us: u64,
    /// When it ends whatever happens.
    pub until_us: u64,
    /// When it was last used, to the minute.
    pub used_us: u64,
    /// From where it was begun.
    pub address: String,
    /// What the browser says about itself. A claim.
    pub browser: String,
    /// The organisation that it shows. What may be done there is asked at each door.
    pub org: OrgId,
}

const COLUMNS: &str = "token, user, credential, began_us, until_us, used_us, address, browser, org";

impl Store {
    /// The session of a token.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn session(&self, token: &TokenHash) -> Result<Option<Session>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM session WHERE token = ?1");
            let mut query = db.prepare_cached(&sql)?;
            query.query_and_then([token], from_row)?.next().transpose()
        })
    }

    /// The sessions of a user, the one that was used last before the others.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn sessions(&self, user: &UserName) -> Result<Vec<Session>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM session WHERE key = ?1 ORDER BY used_us DESC");
            let mut query = db.prepare_cached(&sql)?;
            query.query_and_then([user.key()], from_row)?.collect()
        })
    }

    /// Notes that a session is used.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn use_session(&self, token: &TokenHash, now_us: u64) -> Result<(), StoreError> {
        let token = *token;
        self.write(move |db| {
            let sql = "UPDATE session SET used_us = ?2 WHERE token = ?1";
            db.prepare_cached(sql)?.execute(params![token, signed(now_us)])?;
            Ok(())
        })
    }
}

/// Lets a session show another organisation.
pub(crate) fn choose(db: &Connection, token: &TokenHash, org: &OrgId) -> Result<(), StoreError> {
    db.execute("UPDATE session SET org = ?2 WHERE token = ?1", params![token, org.as_str()])?;
    Ok(())
}

/// Keeps a session, within a transaction. Those that are over go, and of more than `most` the ones that were used longest
/// ago.
pub(crate) fn begin(
    db: &Connection,
    session: &Session,
    idle_us: u64,
    most: usize,
) -> Result<(), StoreError> {
    let now = session.began_us;
    let sql = "DELETE FROM session WHERE until_us <= ?1 OR used_us <= ?2";
    db.execute(sql, params![signed(now), signed(now.saturating_sub(idle_us))])?;
    let sql = "DELETE FROM session WHERE token IN \
               (SELECT token FROM session ORDER BY used_us DESC LIMIT -1 OFFSET ?1)";
    db.execute(sql, [i64::try_from(most.saturating_sub(1)).unwrap_or(i64::MAX)])?;
    let sql = "INSERT INTO session (token, user, credential, began_us, until_us, used_us, address, browser, key, org) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    db.execute(
        sql,
        params![
            session.token,
            session.user.as_str(),
            session.credential,
            signed(session.began_us),
            signed(session.until_us),
            signed(session.used_us),
            session.address,
            session.browser,
            session.user.key(),
            session.org.as_str(),
        ],
    )?;
    Ok(())
}

/// Ends all sessions of a user.
pub(crate) fn end_all(db: &Connection, user: &UserName) -> Result<(), StoreError> {
    db.execute("DELETE FROM session WHERE key = ?1", [user.key()])?;
    Ok(())
}

/// Ends a session of a user, within a transaction. Answers whether there was one.
pub(crate) fn end(db: &Connection, user: &UserName, token: &TokenHash) -> Result<bool, StoreError> {
    let sql = "DELETE FROM session WHERE token = ?1 AND key = ?2";
    Ok(db.execute(sql, params![token, user.key()])? == 1)
}

fn from_row(row: &Row<'_>) -> Result<Session, StoreError> {
    Ok(Session {
        token: row.get(0)?,
        user: row.get::<_, String>(1)?.parse()?,
        credential: row.get(2)?,
        began_us: unsigned(row.get(3)?),
        until_us: unsigned(row.get(4)?),
        used_us: unsigned(row.get(5)?),
        address: row.get(6)?,
        browser: row.get(7)?,
        org: row.get::<_, String>(8)?.parse()?,
    })
}
