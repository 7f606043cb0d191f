//! Name and password to a user.

use serde_json::json;

use crate::limits;
use crate::model::audit::Record;
use crate::model::id::{OrgId, UserName};
use crate::password::{self, Hashed, Match, PasswordFault};
use crate::store::user::{self, User};
use crate::store::{Store, StoreError, audit, second_factor};

/// Why somebody may not sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The name, the password or both: which of them is nobody's business.
    #[error("name or password is wrong")]
    Wrong,
    /// After too many wrong passwords.
    #[error("too many wrong passwords; try again in {0} seconds")]
    TooSoon(u64),
    /// The password cannot be hashed anew.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody comes in.
    SignIn,
    /// Somebody who is in shows to be the same person still.
    Confirm,
}

/// Who gave the right password.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account.
    pub user: User,
    /// A code is needed as well: [`super::check_code`].
    pub needs_code: bool,
}

/// [`check_password`] of somebody who comes in.
///
/// # Errors
/// Those of [`check_password`].
pub fn sign_in(
    store: &Store,
    name: &UserName,
    password: &str,
    now_us: u64,
) -> Result<SignedIn, SignInError> {
    check_password(store, name, password, (Purpose::SignIn, now_us))
}

/// Checks name and password. An imported hash is replaced by Argon2id with the first right password.
///
/// A try is written down as a failure before the password is looked at, so that tries at the same time cannot all be
/// the first; a right password takes it back. Every answer but [`SignInError::TooSoon`] costs the same work, so that its
/// time does not tell who is a user, or has a password.
///
/// # Errors
/// [`SignInError::TooSoon`] says nothing about the password, which was not looked at.
pub fn check_password(
    store: &Store,
    name: &UserName,
    password: &str,
    (purpose, now_us): (Purpose, u64),
) -> Result<SignedIn, SignInError> {
    let Some(user) = begin(store, name, now_us)? else {
        password::spend(password);
        return Err(SignInError::Wrong);
    };
    let found = match &user.password {
        Some(hashed) => hashed.check(password),
        None => {
            password::spend(password);
            Match::Wrong
        }
    };
    let is_right = found != Match::Wrong && !user.locked;
    let stronger =
        if is_right && found == Match::RightAndOld { Some(Hashed::of(password)?) } else { None };
    let name = name.clone();
    let locked = user.locked;
    let needs_code = store.write(move |db| {
        let factor = second_factor::find(db, &name)?.filter(|factor| factor.confirmed);
        let needs_code = purpose == Purpose::SignIn && factor.is_some();
        if is_right && let Some(mut user) = user::find(db, &name)? {
            // With a second factor only its code takes failures back, or guessing codes would never become slow.
            if !needs_code {
                user.failures = 0;
            }
            user.password = stronger.or(user.password);
            user::put(db, &user)?;
        }
        let operation = match (is_right, purpose, needs_code) {
            (false, ..) => "Invalid password",
            (true, Purpose::Confirm, _) => "Confirm password",
            (true, Purpose::SignIn, true) => "Right password",
            (true, Purpose::SignIn, false) => "Login",
        };
        let record = Record {
            time_us: now_us,
            org: OrgId::root(),
            principal: name.to_string(),
            operation: operation.to_owned(),
            allowed: is_right,
            details: json!({"locked": locked}),
        };
        audit::append(db, &record)?;
        Ok(needs_code)
    })?;
    if is_right { Ok(SignedIn { user, needs_code }) } else { Err(SignInError::Wrong) }
}

/// Counts the try as a failure, and answers whose it is.
fn begin(store: &Store, name: &UserName, now_us: u64) -> Result<Option<User>, SignInError> {
    let name = name.clone();
    store.write(move |db| {
        let Some(mut user) = user::find(db, &name)? else { return Ok(Ok(None)) };
        if let Some(wait) = wait_of(&user, now_us) {
            return Ok(Err(SignInError::TooSoon(wait)));
        }
        user.failures = user.failures.saturating_add(1);
        user.failed_us = now_us;
        user::put(db, &user)?;
        Ok(Ok(Some(user)))
    })?
}

/// Seconds until the next try counts; `None` when it may be made.
pub(super) fn wait_of(user: &User, now_us: u64) -> Option<u64> {
    let wait = wait_seconds(user.failures);
    let waited = now_us.saturating_sub(user.failed_us) / 1_000_000;
    (waited < wait).then(|| wait.saturating_sub(waited))
}

/// None for the first mistakes, then twice as long each time.
fn wait_seconds(failures: u64) -> u64 {
    match failures.checked_sub(limits::FREE_FAILURES) {
        None => 0,
        Some(further) => {
            let doubled = u32::try_from(further).ok().and_then(|n| 1_u64.checked_shl(n));
            doubled.unwrap_or(u64::MAX).min(limits::SIGN_IN_WAIT_SECONDS)
        }
    }
}
