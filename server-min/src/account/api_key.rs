//! Keys that users make for their programs: shown once, kept as hashes, for a time, and never more than their user may do.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits;
use crate::model::audit::Record;
use crate::model::id::{OrgId, UserName};
use crate::store::api_key::{self, ApiKey};
use crate::store::user::{self, User};
use crate::store::{Store, StoreError, audit};

/// What a key begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "troodon_";
/// Random bytes of a key: guessing one is hopeless.
const KEY_BYTES: usize = 32;
const DAY_US: u64 = 86_400_000_000;

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It has no label, or one that is too long.
    #[error("say what the key is for, in up to {} characters", limits::KEY_LABEL_CHARS)]
    Label,
    /// It would last too long.
    #[error("a key lasts for a day up to {} days", limits::KEY_DAYS)]
    Days,
    /// There are enough.
    #[error("you have {} keys; end one that is not needed", limits::KEYS)]
    Many,
    /// There is no such user, or none that may come in.
    #[error("there is no such user")]
    User,
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What somebody wants of a key.
pub struct Wish {
    /// What it is for.
    pub label: String,
    /// The one organisation that it shows.
    pub org: OrgId,
    /// For how long.
    pub days: u64,
}

/// Makes a key; its text is nowhere else.
///
/// # Errors
/// See [`KeyError`]; nothing is made then.
pub fn make_key(
    store: &Store,
    name: &UserName,
    wish: Wish,
    now_us: u64,
) -> Result<Zeroizing<String>, KeyError> {
    let label = wish.label.trim().to_owned();
    let length = label.chars().count();
    if length == 0 || length > limits::KEY_LABEL_CHARS || label.chars().any(char::is_control) {
        return Err(KeyError::Label);
    }
    if !(1..=limits::KEY_DAYS).contains(&wish.days) {
        return Err(KeyError::Days);
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *bytes)?;
    let digits = Zeroizing::new(hex::encode(*bytes));
    let text = Zeroizing::new(format!("{PREFIX}{}", *digits));
    let (hash, name) = (hash(&text), name.clone());
    store.write(move |db| {
        let found = user::find(db, &name)?.filter(|user| !user.locked);
        let Some(user) = found else { return Ok(Err(KeyError::User)) };
        let made = ApiKey {
            hash,
            user: user.name.clone(),
            label,
            org: wish.org,
            credential: user.credential(),
            made_us: now_us,
            until_us: now_us.saturating_add(wish.days.saturating_mul(DAY_US)),
            used_us: 0,
            address: String::new(),
        };
        if api_key::put(db, &made)? > limits::KEYS {
            api_key::end(db, &made.user, &made.hash)?;
            return Ok(Err(KeyError::Many));
        }
        let details = json!({"label": made.label, "days": wish.days});
        audit::append(db, &record(&made.user, &made.org, now_us, "api_key_create", details))?;
        Ok(Ok(()))
    })??;
    Ok(text)
}

/// Ends a key of a user, which is named by its hash in hex.
///
/// # Errors
/// The store cannot be used.
pub fn end_key(store: &Store, name: &UserName, id: &str, now_us: u64) -> Result<(), StoreError> {
    let Ok(hash) = hex::decode(id) else { return Ok(()) };
    let name = name.clone();
    store.write(move |db| {
        if let Some(label) = api_key::end(db, &name, &hash)? {
            let (root, details) = (OrgId::root(), json!({"label": label}));
            audit::append(db, &record(&name, &root, now_us, "api_key_end", details))?;
        }
        Ok(())
    })
}

/// Whose key a text is and what it shows, as long as the key lasts and the account is as it was when it was made: there,
/// not locked, and with the same password. It counts as used.
///
/// # Errors
/// The store cannot be used.
pub fn find_key(
    store: &Store,
    text: &str,
    address: &str,
    now_us: u64,
) -> Result<Option<(UserName, OrgId)>, StoreError> {
    let Some(key) = store.api_key(&hash(text))? else { return Ok(None) };
    let fits = |user: User| !user.locked && bool::from(key.credential.ct_eq(&user.credential()));
    if now_us >= key.until_us || !store.user(&key.user)?.is_some_and(fits) {
        return Ok(None);
    }
    if key.address != address || now_us.saturating_sub(key.used_us) >= limits::SESSION_NOTED_US {
        store.use_api_key(&key.hash, now_us, address)?;
    }
    Ok(Some((key.user, key.org)))
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn record(name: &UserName, org: &OrgId, time_us: u64, operation: &str, details: Value) -> Record {
    Record {
        time_us,
        org: org.clone(),
        principal: name.to_string(),
        operation: operation.to_owned(),
        allowed: true,
        details,
    }
}
