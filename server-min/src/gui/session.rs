//! Who is signed in: random tokens in cookies, and what this server remembers for each.
//!
//! Only a hash of each token is kept. Sessions live in memory: after a restart one signs in again.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::limits;
use crate::model::id::UserName;
use crate::store::user::User;

/// Bytes of a token: guessing one is hopeless.
const TOKEN_BYTES: usize = 32;

type Digested = [u8; 32];

/// All sessions.
pub(super) struct Sessions {
    expiry: Duration,
    open: Mutex<HashMap<Digested, Session>>,
}

/// What is remembered of one.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: UserName,
    /// What its forms carry.
    pub(super) csrf: String,
    /// Changes with the password, so that a new password ends old sessions.
    credential: Digested,
    until: Instant,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(expiry: Duration) -> Self {
        Self { expiry, open: Mutex::default() }
    }

    /// Begins a session; answers its token, which is nowhere else.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn begin(
        &self,
        user: &User,
        now: Instant,
    ) -> Result<Zeroizing<String>, getrandom::Error> {
        let (token, csrf) = (random()?, random()?);
        let session = Session {
            user: user.name.clone(),
            csrf: csrf.to_string(),
            credential: credential(user),
            until: now + self.expiry,
            used: now,
        };
        let mut open = self.lock();
        open.retain(|_, session| session.is_alive(now));
        if open.len() >= limits::SESSIONS
            && let Some(oldest) =
                open.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            open.remove(&oldest);
        }
        open.insert(digest(&token), session);
        Ok(token)
    }

    /// The session of a token, which counts as used.
    pub(super) fn find(&self, token: &str, now: Instant) -> Option<Session> {
        let mut open = self.lock();
        let session = open.get_mut(&digest(token)).filter(|session| session.is_alive(now))?;
        session.used = now;
        Some(session.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, token: &str) {
        self.lock().remove(&digest(token));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digested, Session>> {
        // The map is whole between any two operations on it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_alive(&self, now: Instant) -> bool {
        let idle = Duration::from_secs(limits::SESSION_IDLE_SECONDS);
        now < self.until && now.saturating_duration_since(self.used) < idle
    }

    /// Whether the account is still as it was at the sign-in: there, not locked, and with the same password.
    pub(super) fn fits(&self, user: &User) -> bool {
        !user.locked && bool::from(self.credential.ct_eq(&credential(user)))
    }

    /// Whether a form came from a page of this session.
    pub(super) fn sent(&self, csrf: &str) -> bool {
        bool::from(self.csrf.as_bytes().ct_eq(csrf.as_bytes()))
    }
}

fn credential(user: &User) -> Digested {
    digest(user.password.as_ref().map_or("", |hashed| hashed.expose()))
}

fn digest(text: &str) -> Digested {
    Sha256::digest(text).into()
}

fn random() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(&mut *bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(TOKEN_BYTES * 2));
    for byte in &*bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::password::Hashed;

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

    fn sessions() -> Sessions {
        Sessions::new(Duration::from_secs(3_600))
    }

    #[test]
    fn a_session_ends_by_its_age_by_idleness_and_on_request() {
        let (sessions, now) = (sessions(), Instant::now());
        let token = sessions.begin(&user("x"), now).unwrap();
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(sessions.find("", now).is_none());
        for at in [1_000, 2_000, 3_000, 3_599] {
            assert!(sessions.find(&token, later(at)).is_some());
        }
        assert!(sessions.find(&token, later(3_600)).is_none());
        let token = sessions.begin(&user("x"), now).unwrap();
        assert!(sessions.find(&token, later(limits::SESSION_IDLE_SECONDS)).is_none());
        let token = sessions.begin(&user("x"), now).unwrap();
        sessions.end(&token);
        assert!(sessions.find(&token, now).is_none());
    }

    #[test]
    fn another_password_or_a_lock_ends_a_session() {
        let (sessions, now) = (sessions(), Instant::now());
        let token = sessions.begin(&user("x"), now).unwrap();
        let session = sessions.find(&token, now).unwrap();
        assert!(session.fits(&user("x")));
        assert!(!session.fits(&user("y")));
        assert!(!session.fits(&User { locked: true, ..user("x") }));
        assert!(session.sent(&session.csrf) && !session.sent("") && !session.sent(&token));
    }

    #[test]
    fn the_least_used_session_gives_way_when_there_are_too_many() {
        let (sessions, now) = (sessions(), Instant::now());
        let first = sessions.begin(&user("x"), now).unwrap();
        for _ in 0..limits::SESSIONS {
            sessions.begin(&user("x"), now + Duration::from_secs(1)).unwrap();
        }
        assert!(sessions.find(&first, now).is_none());
        assert_eq!(sessions.lock().len(), limits::SESSIONS);
    }
}
