//! Who is signed in: random tokens in cookies, and what the store remembers for each.
//!
//! Only a hash of each token is kept, and what forms carry is made from the token: whoever reads the store can be nobody.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits;
use crate::model::id::{OrgId, UserName};
use crate::store::session::{self, Session, TokenHash};
use crate::store::user::User;
use crate::store::{Store, StoreError};

/// Bytes of a token: guessing one is hopeless.
const TOKEN_BYTES: usize = 32;
const IDLE_US: u64 = limits::SESSION_IDLE_SECONDS * 1_000_000;

/// A token, and the session that it opens.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) session: Session,
    token: Zeroizing<String>,
}

/// From where somebody comes.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) address: String,
    pub(super) browser: String,
}

/// A new token, which is nowhere else.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn token() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(TOKEN_BYTES * 2));
    for byte in &*bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Begins the session of a token.
pub(super) fn begin(
    store: &Store,
    token: &str,
    user: &User,
    origin: Origin,
    (now_us, lasts_us): (u64, u64),
) -> Result<(), StoreError> {
    let session = Session {
        token: hash(token),
        user: user.name.clone(),
        credential: user.credential(),
        began_us: now_us,
        until_us: now_us.saturating_add(lasts_us),
        used_us: now_us,
        address: origin.address,
        browser: origin.browser.chars().take(limits::BROWSER_CHARS).collect(),
        org: OrgId::root(),
    };
    store.write(move |db| session::begin(db, &session, IDLE_US, limits::SESSIONS))
}

/// The session of a token with its user, as long as it lasts and the account is as it was at the sign-in: there, not
/// locked, and with the same password. It counts as used.
pub(super) fn find(store: &Store, token: &str, now_us: u64) -> Result<Option<Open>, StoreError> {
    let Some(session) = store.session(&hash(token))? else { return Ok(None) };
    let fits =
        |user: User| !user.locked && bool::from(session.credential.ct_eq(&user.credential()));
    if !is_alive(&session, now_us) || !store.user(&session.user)?.is_some_and(fits) {
        end(store, &session)?;
        return Ok(None);
    }
    if now_us.saturating_sub(session.used_us) >= limits::SESSION_NOTED_US {
        store.use_session(&session.token, now_us)?;
    }
    Ok(Some(Open { token: Zeroizing::new(token.to_owned()), session }))
}

/// Ends a session.
pub(super) fn end(store: &Store, session: &Session) -> Result<(), StoreError> {
    let (user, token) = (session.user.clone(), session.token);
    store.write(move |db| session::end(db, &user, &token).map(drop))
}

pub(super) fn is_alive(session: &Session, now_us: u64) -> bool {
    now_us < session.until_us && now_us.saturating_sub(session.used_us) < IDLE_US
}

impl Open {
    /// For one request of somebody who has no session: nothing is kept, and no form fits.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn once(user: UserName, org: OrgId, now_us: u64) -> Result<Self, getrandom::Error> {
        let token = token()?;
        let session = Session {
            token: hash(&token),
            user,
            credential: [0; 32],
            began_us: now_us,
            until_us: now_us,
            used_us: now_us,
            address: String::new(),
            browser: String::new(),
            org,
        };
        Ok(Self { session, token })
    }

    /// What forms carry on pages of an organisation: what was looked at in one is not done in another.
    pub(super) fn csrf(&self, org: &OrgId) -> String {
        let parts = Sha256::new().chain_update("csrf ").chain_update(self.token.as_bytes());
        hex::encode(parts.chain_update(" ").chain_update(org.as_str()).finalize())
    }

    /// Whether a form came from a page of this session, of this organisation.
    pub(super) fn sent(&self, org: &OrgId, csrf: &str) -> bool {
        bool::from(self.csrf(org).as_bytes().ct_eq(csrf.as_bytes()))
    }
}

fn hash(text: &str) -> TokenHash {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Hashed;
    use crate::store::user;

    const HOUR_US: u64 = 3_600_000_000;

    struct Bench {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            Self { store, _folder: folder }
        }

        fn put(&self, user: User) {
            self.store.write(move |db| user::put(db, &user)).unwrap();
        }

        fn begin(&self, at_us: u64) -> String {
            let token = token().unwrap().to_string();
            let lasts = (at_us, 2 * HOUR_US);
            begin(&self.store, &token, &user("x"), Origin::default(), lasts).unwrap();
            token
        }

        fn is_open(&self, token: &str, at_us: u64) -> bool {
            find(&self.store, token, at_us).unwrap().is_some()
        }
    }

    fn user(password: &str) -> User {
        User {
            name: "ann".parse().unwrap(),
            password: Some(Hashed::stored(password.to_owned())),
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: 0,
        }
    }

    #[test]
    fn a_session_ends_by_its_age_by_idleness_and_on_request() {
        let bench = Bench::new();
        bench.put(user("x"));
        let token = bench.begin(1);
        assert!(!bench.is_open("", 1));
        for at in [HOUR_US / 2, HOUR_US, 3 * HOUR_US / 2, 2 * HOUR_US - 1] {
            assert!(bench.is_open(&token, at), "{at}");
        }
        assert!(!bench.is_open(&token, 2 * HOUR_US + 1));
        assert!(!bench.is_open(&token, 2 * HOUR_US), "what has ended is gone");
        let token = bench.begin(1);
        assert!(!bench.is_open(&token, 1 + IDLE_US));
        let token = bench.begin(1);
        end(&bench.store, &find(&bench.store, &token, 1).unwrap().unwrap().session).unwrap();
        assert!(!bench.is_open(&token, 1));
    }

    #[test]
    fn another_password_or_a_lock_ends_a_session() {
        for other in [user("y"), User { locked: true, ..user("x") }] {
            let bench = Bench::new();
            bench.put(user("x"));
            let token = bench.begin(1);
            let open = find(&bench.store, &token, 1).unwrap().unwrap();
            let (root, elsewhere) = (OrgId::root(), "OA".parse().unwrap());
            let csrf = open.csrf(&root);
            assert!(open.sent(&root, &csrf) && !open.sent(&elsewhere, &csrf));
            assert!(!open.sent(&root, "") && !open.sent(&root, &token));
            bench.put(other);
            assert!(!bench.is_open(&token, 1));
        }
    }

    #[test]
    fn the_least_used_session_gives_way_when_there_are_too_many() {
        let bench = Bench::new();
        bench.put(user("x"));
        let first = bench.begin(1);
        for _ in 0..limits::SESSIONS {
            bench.begin(2);
        }
        assert!(!bench.is_open(&first, 2));
        assert_eq!(bench.store.sessions(&user("x").name).unwrap().len(), limits::SESSIONS);
    }
}
