//! The second factor: set up by its user, asked for behind the password, and taken away by whoever may manage the user.

use std::fmt::Write as _;

use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::sign_in::{SignInError, wait_of};
use super::{AccountError, Accounts};
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::store::second_factor::{self, Factor, Kept};
use crate::store::{Store, StoreError, audit, user};
use crate::totp::Secret;

/// Bytes of a recovery code: it cannot be guessed, and can be typed.
const RECOVERY_BYTES: usize = 8;

/// Why a second factor was not set up.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// The code is not that of the secret.
    #[error("this code does not fit; is the clock of the device right?")]
    Wrong,
    /// Nothing was begun, or one is in use already.
    #[error("there is nothing to confirm; begin again")]
    Nothing,
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins to set up a second factor; one that is in use stays. The secret is shown this once.
///
/// # Errors
/// [`FactorError::Nothing`] when one is in use.
pub fn begin_factor(store: &Store, name: &UserName) -> Result<Secret, FactorError> {
    let secret = Secret::generate()?;
    let kept = Kept::of(&secret, name, store.sealed_with().as_deref())?;
    let name = name.clone();
    let begun = store.write(move |db| {
        if second_factor::find(db, &name)?.is_some_and(|factor| factor.confirmed) {
            return Ok(false);
        }
        let factor = Factor { kept, confirmed: false, used_step: 0, recovery: Vec::new() };
        second_factor::put(db, &name, &factor)?;
        Ok(true)
    })?;
    if begun { Ok(secret) } else { Err(FactorError::Nothing) }
}

/// Puts the second factor into use with a first code; answers recovery codes, which are shown this once.
///
/// # Errors
/// The code is wrong, or nothing was begun.
pub fn confirm_factor(
    store: &Store,
    name: &UserName,
    code: &str,
    now_us: u64,
) -> Result<Vec<Zeroizing<String>>, FactorError> {
    let codes = (0..limits::RECOVERY_CODES).map(|_| recovery_code());
    let codes = codes.collect::<Result<Vec<_>, _>>()?;
    let recovery = codes.iter().map(|code| digest(code)).collect();
    let (name, code, seal) = (name.clone(), code.to_owned(), store.sealed_with());
    store.write(move |db| {
        let found = second_factor::find(db, &name)?.filter(|factor| !factor.confirmed);
        let Some(factor) = found else { return Ok(Err(FactorError::Nothing)) };
        let secret = factor.kept.secret(&name, seal.as_deref());
        let Some(step) = secret.and_then(|one| one.check(&code, now_us / 1_000_000, 0)) else {
            return Ok(Err(FactorError::Wrong));
        };
        let factor = Factor { confirmed: true, used_step: step, recovery, ..factor };
        second_factor::put(db, &name, &factor)?;
        audit::append(db, &record(&name, now_us, "second_factor_begin", true, json!({})))?;
        Ok(Ok(()))
    })??;
    Ok(codes)
}

/// Checks a code, or a recovery code, behind a right password. It counts as a failure before it is looked at, and a right
/// one takes all failures back: so a guesser with the password is as slow as one without.
///
/// # Errors
/// [`SignInError::TooSoon`] says nothing about the code.
pub fn check_code(
    store: &Store,
    name: &UserName,
    code: &str,
    now_us: u64,
) -> Result<(), SignInError> {
    let (name, code) = (name.clone(), Zeroizing::new(code.trim().to_owned()));
    let seal = store.sealed_with();
    store.write(move |db| {
        let (Some(mut user), Some(factor)) =
            (user::find(db, &name)?, second_factor::find(db, &name)?)
        else {
            return Ok(Err(SignInError::Wrong));
        };
        if let Some(wait) = wait_of(&user, now_us) {
            return Ok(Err(SignInError::TooSoon(wait)));
        }
        let secret = factor.kept.secret(&name, seal.as_deref());
        let passed = pass(db, &name, (factor, secret), &code, now_us)?.filter(|_| !user.locked);
        match passed {
            Some(_) => user.failures = 0,
            None => {
                user.failures = user.failures.saturating_add(1);
                user.failed_us = now_us;
            }
        }
        user::put(db, &user)?;
        let operation = if passed.is_some() { "Login" } else { "Invalid code" };
        let details = json!({"locked": user.locked, "second_factor": passed});
        audit::append(db, &record(&name, now_us, operation, passed.is_some(), details))?;
        Ok(if passed.is_some() { Ok(()) } else { Err(SignInError::Wrong) })
    })?
}

/// Uses a code up; answers which kind it was.
fn pass(
    db: &Connection,
    name: &UserName,
    (mut factor, secret): (Factor, Option<Secret>),
    code: &str,
    now_us: u64,
) -> Result<Option<&'static str>, StoreError> {
    if secret.is_none() {
        tracing::warn!(user = %name, "a second factor was sealed with another key of the server; it has to be set up anew");
    }
    let used = factor.used_step;
    let step = secret.and_then(|secret| secret.check(code, now_us / 1_000_000, used));
    let kind = if let Some(step) = step {
        factor.used_step = step;
        "code"
    } else {
        let hash = digest(&code.to_ascii_lowercase());
        let before = factor.recovery.len();
        factor.recovery.retain(|kept| !bool::from(kept.as_bytes().ct_eq(hash.as_bytes())));
        if factor.recovery.len() == before {
            return Ok(None);
        }
        "recovery code"
    };
    second_factor::put(db, name, &factor)?;
    Ok(Some(kind))
}

/// Gives up one's own second factor. Whoever calls this has asked for the password.
///
/// # Errors
/// The store cannot be written.
pub fn end_factor(store: &Store, name: &UserName, now_us: u64) -> Result<(), StoreError> {
    let name = name.clone();
    store.write(move |db| {
        if second_factor::remove(db, &name)? {
            audit::append(db, &record(&name, now_us, "second_factor_end", true, json!({})))?;
        }
        Ok(())
    })
}

impl Accounts {
    /// Takes the second factor of somebody who has lost it.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn take_factor(&self, name: &UserName) -> Result<(), AccountError> {
        self.change(name, |db, caller, user| {
            caller.enter(db, Door::ManageUsers)?;
            caller.may_touch(db, &user.name)?;
            second_factor::remove(db, &user.name)?;
            Ok(caller.record("second_factor_end", &user.name, json!({})))
        })
    }
}

fn recovery_code() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; RECOVERY_BYTES]);
    getrandom::fill(&mut *bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(RECOVERY_BYTES * 2 + 3));
    for (number, two) in bytes.chunks(2).enumerate() {
        if number > 0 {
            text.push('-');
        }
        for byte in two {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
    }
    Ok(text)
}

/// Codes are random, so that a plain hash of one tells nothing.
fn digest(code: &str) -> String {
    hex::encode(Sha256::digest(code))
}

fn record(
    name: &UserName,
    time_us: u64,
    operation: &str,
    allowed: bool,
    mut details: serde_json::Value,
) -> Record {
    if let Some(details) = details.as_object_mut() {
        details.insert("username".into(), name.as_str().into());
    }
    Record {
        time_us,
        org: OrgId::root(),
        principal: name.to_string(),
        operation: operation.to_owned(),
        allowed,
        details,
    }
}
