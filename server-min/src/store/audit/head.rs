//! Heads of the audit log with the server's signature.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use troodon_core::rsa::{PrivateKey, PublicKey};

use crate::entropy;
use crate::limits::AUDIT_HEADS;
use crate::model::audit::Link;
use crate::store::{Store, StoreError, now_us, signed as to_signed, unsigned};

/// Goes before what is signed, so that no signature of the same key for something else fits.
const PURPOSE: &[u8] = b"troodon audit head 1\n";

impl Store {
    /// Signs the last record, unless that has happened. A later head covers all records before it, so that only the last
    /// [`AUDIT_HEADS`] are kept.
    ///
    /// # Errors
    /// The key cannot sign, or the store cannot be written.
    pub fn sign_audit(&self, key: &dyn PrivateKey) -> Result<(), StoreError> {
        let Some((number, hash)) = self.read(unsigned_head)? else { return Ok(()) };
        let time_us = now_us();
        let mut rng = entropy::generator().map_err(|_| StoreError::Signature)?;
        let message = message(number, &hash, time_us);
        let signature =
            key.sign_pkcs1_sha256(&mut rng, &message).map_err(|_| StoreError::Signature)?;
        let signer = signer(key.public());
        self.write(move |db| {
            let sql = "INSERT INTO audit_head (number, hash, time_us, signer, signature) \
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            let number = to_signed(number);
            db.execute(sql, params![number, hash, to_signed(time_us), signer, signature])?;
            let sql = "DELETE FROM audit_head WHERE number NOT IN \
                       (SELECT number FROM audit_head ORDER BY number DESC LIMIT ?1)";
            db.execute(sql, [AUDIT_HEADS])?;
            Ok(())
        })
    }
}

/// The last record, when no head is as late.
fn unsigned_head(db: &Connection) -> Result<Option<(u64, Link)>, StoreError> {
    let sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let last = db.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    let Some((number, hash)) = last.optional()? else { return Ok(None) };
    let sql = "SELECT EXISTS (SELECT 1 FROM audit_head WHERE number >= ?1)";
    let is_signed: bool = db.query_row(sql, [number], |row| row.get(0))?;
    Ok((!is_signed).then_some((unsigned(number), hash)))
}

/// The heads that this key has signed, by number; `None` for one whose signature is wrong. Those of an earlier key of the
/// server cannot be judged, and are left out.
pub(super) fn signed(
    db: &Connection,
    key: &PublicKey,
) -> Result<Vec<(u64, Option<Link>)>, StoreError> {
    let sql = "SELECT number, hash, time_us, signature FROM audit_head WHERE signer = ?1";
    let mut query = db.prepare(sql)?;
    let mut rows = query.query([signer(key)])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, time_us) = (unsigned(row.get(0)?), unsigned(row.get(2)?));
        let hash: Option<Link> = row.get(1).ok();
        let signature: Vec<u8> = row.get(3)?;
        let is_right = |hash: &Link| {
            key.verify_pkcs1_sha256(&message(number, hash, time_us), &signature).is_ok()
        };
        heads.push((number, hash.filter(is_right)));
    }
    Ok(heads)
}

fn message(number: u64, hash: &Link, time_us: u64) -> Vec<u8> {
    [PURPOSE, &number.to_be_bytes(), hash, &time_us.to_be_bytes()].concat()
}

/// What tells one key of the server from another.
fn signer(key: &PublicKey) -> Vec<u8> {
    Sha256::digest(key.pkcs1_der()).to_vec()
}
