//! Passwords at rest: Argon2id, and the older hashes that configurations bring.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits;

/// Goes before salt and hash of an imported password: SHA-256 of both, as Velociraptor stores it.
const IMPORTED: &str = "$sha256$";

/// Why a password cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFault {
    /// Nothing was typed. An empty password would be no password.
    #[error("a password needs at least {} characters", limits::PASSWORD_CHARS)]
    Short,
    /// So long that hashing it would be an attack.
    #[error("a password has at most {} bytes", limits::PASSWORD_BYTES)]
    Long,
    /// Not 64 hex digits each.
    #[error("password_hash and password_salt have to be hex, the hash with 64 digits")]
    Imported,
    /// The system gives no random bytes, or no memory.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// What is stored in place of a password. It tells nobody the password, and is not shown either.
#[derive(Clone)]
pub struct Hashed(Zeroizing<String>);

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed(..)")
    }
}

/// Whether a password is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is not.
    Wrong,
    /// It is.
    Right,
    /// It is, and what is stored should be replaced by a stronger hash.
    RightAndOld,
}

impl Hashed {
    /// Hashes a password with Argon2id.
    ///
    /// # Errors
    /// See [`PasswordFault`].
    pub fn of(password: &str) -> Result<Self, PasswordFault> {
        if password.chars().count() < limits::PASSWORD_CHARS {
            return Err(PasswordFault::Short);
        }
        if password.len() > limits::PASSWORD_BYTES {
            return Err(PasswordFault::Long);
        }
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| PasswordFault::Hash(error.to_string()))?;
        let hash = hasher()?.hash_password_with_salt(password.as_bytes(), &salt);
        let hash = hash.map_err(|error| PasswordFault::Hash(error.to_string()))?;
        Ok(Self(hash.to_string().into()))
    }

    /// Takes salt and hash of `GUI.initial_users`, in hex.
    ///
    /// # Errors
    /// [`PasswordFault::Imported`].
    pub fn imported(salt: &str, hash: &str) -> Result<Self, PasswordFault> {
        let sound = |text: &str| hex::decode(text).is_ok_and(|bytes| !bytes.is_empty());
        if hash.len() != 64 || !sound(hash) || !sound(salt) {
            return Err(PasswordFault::Imported);
        }
        Ok(Self(format!("{IMPORTED}{salt}${hash}").into()))
    }

    /// What [`Hashed::expose`] gave.
    #[must_use]
    pub fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The text to store.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time. An imported hash costs as much as another, so that the time does not tell of it.
    #[must_use]
    pub fn check(&self, password: &str) -> Match {
        if !is_possible(password) {
            return Match::Wrong;
        }
        if let Some(rest) = self.0.strip_prefix(IMPORTED) {
            spend(password);
            return if is_imported(rest, password) { Match::RightAndOld } else { Match::Wrong };
        }
        let Ok(hasher) = hasher() else { return Match::Wrong };
        match hasher.verify_password(password.as_bytes(), self.0.as_str()) {
            Ok(()) => Match::Right,
            Err(_) => Match::Wrong,
        }
    }
}

/// The work of a check, for nothing: as long as this takes, it takes to find a password wrong.
pub fn spend(password: &str) {
    if is_possible(password)
        && let Ok(hasher) = hasher()
    {
        // What comes out is no use to anybody.
        let hash = hasher.hash_password_with_salt(password.as_bytes(), &[0; 16]);
        drop(std::hint::black_box(hash));
    }
}

/// Whether anybody can have this password.
const fn is_possible(password: &str) -> bool {
    !password.is_empty() && password.len() <= limits::PASSWORD_BYTES
}

/// OWASP's first choice: 19 MiB, two passes, one lane.
fn hasher() -> Result<Argon2<'static>, PasswordFault> {
    let params = Params::new(19 << 10, 2, 1, None);
    let params = params.map_err(|error| PasswordFault::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn is_imported(salt_and_hash: &str, password: &str) -> bool {
    let Some((salt, hash)) = salt_and_hash.split_once('$') else { return false };
    let (Ok(salt), Ok(hash)) = (hex::decode(salt), hex::decode(hash)) else { return false };
    let found = Sha256::new().chain_update(salt).chain_update(password).finalize();
    found.as_slice().ct_eq(&hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_checked() {
        let hashed = Hashed::of("correct horse").unwrap();
        assert!(hashed.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(hashed.check("correct horse"), Match::Right);
        assert_eq!(hashed.check("correct Horse"), Match::Wrong);
        assert_eq!(hashed.check(""), Match::Wrong);
        assert_ne!(Hashed::of("correct horse").unwrap().expose(), hashed.expose());
        assert_eq!(format!("{hashed:?}"), "Hashed(..)");
    }

    #[test]
    fn an_imported_hash_is_accepted_and_called_old() {
        let salt = "00ff".repeat(16);
        let digest = Sha256::new().chain_update(hex::decode(&salt).unwrap()).chain_update("secret");
        let hashed = Hashed::imported(&salt, &hex::encode(digest.finalize())).unwrap();
        assert_eq!(hashed.check("secret"), Match::RightAndOld);
        assert_eq!(hashed.check("Secret"), Match::Wrong);
    }

    #[test]
    fn what_is_no_password_is_refused() {
        assert!(matches!(Hashed::of(""), Err(PasswordFault::Short)));
        assert!(matches!(Hashed::of(&"x".repeat(2000)), Err(PasswordFault::Long)));
        for (salt, hash) in
            [("", ""), ("00", "00"), ("", &*"00".repeat(32)), ("0g", &*"00".repeat(32))]
        {
            assert!(Hashed::imported(salt, hash).is_err(), "{salt} {hash}");
        }
    }

    #[test]
    fn a_damaged_hash_lets_nobody_in() {
        for text in ["", "$sha256$", "$sha256$$", "$argon2id$", "x"] {
            for password in ["", "x"] {
                assert_eq!(Hashed::stored(text.into()).check(password), Match::Wrong, "{text}");
            }
        }
    }
}
