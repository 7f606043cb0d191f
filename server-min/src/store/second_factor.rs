//! Second factors of users: the secret that an authenticator shares, and codes for whoever has lost it.
//!
//! Secrets are sealed once [`Store::seal`] has said with which key. Those of an older store are sealed then.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::{Store, StoreError, signed, unsigned};
use crate::model::id::UserName;
use crate::seal::Seal;
use crate::totp::{SECRET_BYTES, Secret};

/// The second factor of one user.
#[derive(Debug)]
pub(crate) struct Factor {
    /// What the authenticator knows, as it is kept.
    pub(crate) kept: Kept,
    /// A code has shown that the authenticator has it: from then on it is asked for.
    pub(crate) confirmed: bool,
    /// The step of the last code, which counts once.
    pub(crate) used_step: u64,
    /// SHA-256 of the recovery codes that are left, in hex.
    pub(crate) recovery: Vec<String>,
}

/// A secret as it is kept: sealed, or plain while nobody has said with which key.
pub(crate) struct Kept(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

impl Kept {
    pub(crate) fn of(
        secret: &Secret,
        user: &UserName,
        seal: Option<&Seal>,
    ) -> Result<Self, StoreError> {
        let plain = secret.expose();
        let kept = seal.map_or(Ok(plain.to_vec()), |seal| seal.close(&about(&user.key()), plain));
        kept.map(|kept| Self(kept.into())).map_err(|_| StoreError::Seal)
    }

    /// The secret; `None` when it was sealed with another key of the server.
    pub(crate) fn secret(&self, user: &UserName, seal: Option<&Seal>) -> Option<Secret> {
        match (self.0.len(), seal) {
            (SECRET_BYTES, _) => Secret::kept(&self.0),
            (_, Some(seal)) => Secret::kept(&seal.open(&about(&user.key()), &self.0)?),
            (_, None) => None,
        }
    }
}

fn about(key: &str) -> String {
    format!("second factor of {key}")
}

impl Store {
    /// Seals secrets with this key from now on, and those that are there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn seal(&self, seal: Seal) -> Result<(), StoreError> {
        let seal = Arc::clone(self.shared.seal.get_or_init(|| Arc::new(seal)));
        self.write(move |db| {
            let mut query = db.prepare("SELECT user, secret FROM second_factor")?;
            let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let all: Vec<(String, Vec<u8>)> = rows.collect::<Result<_, _>>()?;
            for (user, secret) in all.into_iter().filter(|(_, kept)| kept.len() == SECRET_BYTES) {
                let secret = Zeroizing::new(secret);
                let sealed = seal.close(&about(&user), &secret).map_err(|_| StoreError::Seal)?;
                let sql = "UPDATE second_factor SET secret = ?2 WHERE user = ?1";
                db.execute(sql, params![user, sealed])?;
            }
            Ok(())
        })
    }

    /// With which key secrets are sealed; `None` when nobody has said so.
    pub(crate) fn sealed_with(&self) -> Option<Arc<Seal>> {
        self.shared.seal.get().cloned()
    }

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
    Ok(Some(Factor {
        kept: Kept(secret.into()),
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
            factor.kept.0.as_slice(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{FactorError, begin_factor, check_code, confirm_factor};
    use crate::config::{defaults, generate};
    use crate::store::user::{self, User};

    const AT_US: u64 = 1_000_000_000;

    fn raw(store: &Store) -> Vec<u8> {
        let sql = "SELECT secret FROM second_factor WHERE user = 'ann'";
        store.read(|db| Ok(db.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    fn seal(pem: &str) -> Seal {
        Seal::of(pem).unwrap()
    }

    #[test]
    fn secrets_of_an_older_store_are_sealed_and_still_give_codes() {
        let folder = tempfile::tempdir().unwrap();
        let ann: UserName = "ann".parse().unwrap();
        let keys = [(); 2].map(|()| generate(defaults()).unwrap().frontend.private_key);
        let store = Store::open(folder.path()).unwrap();
        let user = User {
            name: ann.clone(),
            password: None,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: 1,
        };
        store.write(move |db| user::put(db, &user)).unwrap();
        let secret = begin_factor(&store, &ann).unwrap();
        let code = |us: u64| secret.shown(us / 1_000_000);
        let recovery = confirm_factor(&store, &ann, &code(AT_US), AT_US).unwrap();
        assert_eq!(raw(&store), secret.expose(), "an older program keeps it as it is");
        drop(store);

        let open = |pem: &str| {
            let store = Store::open(folder.path()).unwrap();
            store.seal(seal(pem)).unwrap();
            store
        };
        let store = open(keys[0].expose());
        let sealed = raw(&store);
        assert_eq!(sealed.len(), SECRET_BYTES + 28);
        assert!(!sealed.windows(4).any(|part| secret.expose().windows(4).any(|own| own == part)));
        let later = AT_US + 60_000_000;
        check_code(&store, &ann, &code(later), later).unwrap();
        assert!(check_code(&store, &ann, &code(later), later).is_err(), "a code counts once");
        assert_eq!(raw(&store), sealed, "what is sealed stays");
        drop(store);

        // With another key of the server no code fits, and a recovery code does.
        let store = open(keys[1].expose());
        let later = later + 60_000_000;
        check_code(&store, &ann, &code(later), later).unwrap_err();
        assert_eq!(store.second_factor(&ann).unwrap(), Some(recovery.len()));
        check_code(&store, &ann, &recovery[0], later).unwrap();
        assert_eq!(raw(&store), sealed);
        // What is set up with it is sealed with it.
        store
            .write({
                let ann = ann.clone();
                move |db| remove(db, &ann)
            })
            .unwrap();
        let fresh = begin_factor(&store, &ann).unwrap();
        assert_eq!(raw(&store).len(), SECRET_BYTES + 28);
        let wrong = confirm_factor(&store, &ann, &code(later), later);
        assert!(matches!(wrong, Err(FactorError::Wrong)));
        confirm_factor(&store, &ann, &fresh.shown(later / 1_000_000), later).unwrap();
    }
}
