//! Signing in with a password: what guessers, and those who measure, get to know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::time::{Duration, Instant};

use troodon_server::account::{Accounts, SignInError, sign_in};
use troodon_server::acl::{Acl, Principal};
use troodon_server::config::Config;
use troodon_server::limits::FREE_FAILURES;
use troodon_server::model::id::{OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::password::Hashed;
use troodon_server::store::Store;

struct Bench {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(folder.path()).unwrap(), _folder: folder }
    }

    fn accounts(&self) -> Accounts {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let server = Principal::Server { name: "VelociraptorServer".into() };
        Accounts::new(acl, server, OrgId::root())
    }

    fn add(&self, user: &str, password: Option<Hashed>) {
        self.accounts().add(&name(user), password, &Policy::default()).unwrap();
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

#[test]
fn guessing_becomes_slow_and_a_right_password_ends_it() {
    let bench = Bench::new();
    bench.add("ann", Some(Hashed::of("right").unwrap()));
    let at = |password: &str, second: u64| {
        sign_in(&bench.store, &name("ann"), password, second * 1_000_000)
    };
    for _ in 0..6 {
        assert!(matches!(
            at("wrong", 1000).unwrap_err(),
            SignInError::Wrong | SignInError::TooSoon(_)
        ));
    }
    assert!(matches!(at("right", 1000).unwrap_err(), SignInError::TooSoon(1)));
    at("wrong", 1001).unwrap_err();
    assert!(matches!(at("right", 1002).unwrap_err(), SignInError::TooSoon(1)));
    at("right", 1003).unwrap();
    at("right", 1003).unwrap();
    assert!(matches!(sign_in(&bench.store, &name("eve"), "right", 1), Err(SignInError::Wrong)));
    bench.accounts().set_locked(&name("ann"), true).unwrap();
    assert!(matches!(at("right", 1004).unwrap_err(), SignInError::Wrong));
}

#[test]
fn tries_at_the_same_time_count_one_after_the_other() {
    let bench = Bench::new();
    bench.add("ann", Some(Hashed::of("right").unwrap()));
    let looked_at = std::thread::scope(|threads| {
        let tries: Vec<_> = (0..3 * FREE_FAILURES)
            .map(|n| {
                let guess = format!("guess {n}");
                threads.spawn(|| sign_in(&bench.store, &name("ann"), &{ guess }, 1_000_000))
            })
            .collect();
        let outcomes = tries.into_iter().map(|one| one.join().unwrap());
        outcomes.filter(|one| matches!(one, Err(SignInError::Wrong))).count()
    });
    assert_eq!(looked_at as u64, FREE_FAILURES);
}

#[test]
fn the_time_of_an_answer_does_not_tell_who_is_a_user() {
    let bench = Bench::new();
    bench.add("ann", Some(Hashed::of("right").unwrap()));
    bench.add("imported", Some(Hashed::imported("00", &"00".repeat(32)).unwrap()));
    bench.add("passwordless", None);
    let fastest = |user: &str| -> Duration {
        let time = |second: u64| {
            let start = Instant::now();
            sign_in(&bench.store, &name(user), "wrong", second * 1_000_000).unwrap_err();
            start.elapsed()
        };
        (1..=4).map(time).min().unwrap()
    };
    let usual = fastest("ann");
    for user in ["imported", "passwordless", "nobody"] {
        // What is looked for is a factor of hundreds.
        let found = fastest(user);
        assert!(found * 4 > usual, "{user}: {found:?}, usual {usual:?}");
    }
}
