//! Leaving lockdown for a time: two administrators, a configuration that allows it, and an end that comes by itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use troodon_server::account::{Accounts, SignInError};
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::Actor;
use troodon_server::config::Config;
use troodon_server::lockdown::{self, LockdownError, Proven, State};
use troodon_server::model::decision::LOCKDOWN;
use troodon_server::model::id::{OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::model::unlock::{Exit, ExitFault};
use troodon_server::password::Hashed;
use troodon_server::store::setting::Setting;
use troodon_server::store::{Store, now_us};
use troodon_vql::Permission;

const PASSWORD: &str = "correct horse battery";
const MINUTE_US: u64 = 60_000_000;

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
    acl: Acl,
}

fn config(lockdown: bool, minutes: u64) -> Config {
    let mut config = Config { lockdown, ..Config::default() };
    config.security.lockdown_exit_minutes = minutes;
    config
}

impl Bench {
    /// A server in lockdown, with two administrators and a reader.
    fn new(minutes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let before = Acl::new(&config(false, 0), store.clone()).unwrap();
        let accounts = Accounts::new(before, server(), OrgId::root());
        let roles =
            [("ann", Role::Administrator), ("bob", Role::Administrator), ("rita", Role::Reader)];
        for (name, role) in roles {
            let password = Hashed::of(PASSWORD).unwrap();
            accounts.add(&user(name), Some(password), &Policy::of([role])).unwrap();
        }
        let acl = Acl::new(&config(true, minutes), store.clone()).unwrap();
        Self { folder, store, acl }
    }

    fn actor(&self, name: &str) -> Actor {
        let principal = Principal::User { name: user(name) };
        Actor::new(self.store.clone(), self.acl.clone(), principal)
    }

    fn proven(&self, name: &str) -> Proven {
        Proven::by_password(&self.store, &user(name), PASSWORD).unwrap()
    }

    fn ask(&self, name: &str, minutes: u64) -> Result<Exit, LockdownError> {
        lockdown::ask(&self.actor(name), &self.acl, &self.proven(name), ("to mend it", minutes))
    }

    fn approve(&self, name: &str, request: u64) -> Result<Exit, LockdownError> {
        lockdown::approve(&self.actor(name), &self.acl, &self.proven(name), request)
    }

    /// Whether everything that lockdown denies is allowed to an administrator, or none of it.
    fn is_open(&self) -> bool {
        let ann = Principal::User { name: user("ann") };
        let root = OrgId::root();
        let may = |one: &Permission| self.acl.check(&ann, &root, &[*one]).is_ok();
        let denied: Vec<_> = LOCKDOWN.iter().collect();
        let open = denied.iter().filter(|one| may(one)).count();
        assert!(open == 0 || open == denied.len(), "{open} of {}", denied.len());
        open > 0
    }

    /// The steps on record: what, who, and whether it was allowed.
    fn steps(&self) -> Vec<(String, String, bool)> {
        let records = self.store.audit_records(0, usize::MAX).unwrap().into_iter();
        let steps = records.filter(|(_, one)| one.operation.starts_with("lockdown_exit"));
        steps.map(|(_, one)| (one.operation, one.principal, one.allowed)).collect()
    }
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn server() -> Principal {
    Principal::Server { name: "VelociraptorServer".into() }
}

fn step(operation: &str, who: &str, allowed: bool) -> (String, String, bool) {
    (format!("lockdown_exit{operation}"), who.to_owned(), allowed)
}

#[test]
fn two_administrators_leave_lockdown_and_one_ends_that() {
    let bench = Bench::new(30);
    assert!(!bench.is_open());
    let asked = bench.ask("ann", 30).unwrap();
    assert!(!bench.is_open(), "one is not enough");
    let alone = bench.approve("ann", asked.asked_us).unwrap_err();
    assert!(matches!(alone, LockdownError::Exit(ExitFault::Alone)), "{alone}");
    let state = State::of(&bench.acl).unwrap();
    assert!(state.is_locked && state.most == Some(30));
    assert_eq!(state.to_json()["exit"]["by"], "ann");
    bench.approve("bob", asked.asked_us).unwrap();
    assert!(bench.is_open());
    let state = State::of(&bench.acl).unwrap();
    assert!(!state.is_locked && state.to_json()["until_us"].as_u64().unwrap() > now_us());
    lockdown::end(&bench.actor("bob"), &bench.acl).unwrap();
    assert!(!bench.is_open());
    assert_eq!(
        bench.steps(),
        [
            step("_request", "ann", true),
            step("_approve", "ann", false),
            step("_approve", "bob", true),
            step("_end", "bob", true),
        ]
    );
}

#[test]
fn lockdown_is_back_by_itself_also_after_a_restart() {
    let bench = Bench::new(30);
    let asked = bench.ask("ann", 1).unwrap();
    let open = bench.approve("bob", asked.asked_us).unwrap();
    assert!(bench.is_open());
    let put = |exit: &Exit| {
        let text = exit.to_json().to_string();
        bench.store.set_setting(Setting::LockdownExit, text.into_bytes()).unwrap();
    };
    let at = |asked_us: u64, approved_us: u64| {
        let approved = Some((user("bob"), approved_us));
        Exit { asked_us, approved, ..open.clone() }
    };
    // As if it had been approved a minute ago.
    let now = now_us();
    put(&at(now - 2 * MINUTE_US, now - MINUTE_US));
    assert!(!bench.is_open());
    let again = Store::open(bench.folder.path()).unwrap();
    let restarted = Bench {
        acl: Acl::new(&config(true, 30), again.clone()).unwrap(),
        store: again,
        folder: tempfile::tempdir().unwrap(),
    };
    assert!(!restarted.is_open());
    lockdown::settle(&restarted.acl).unwrap();
    lockdown::settle(&restarted.acl).unwrap();
    let steps = restarted.steps();
    assert_eq!(steps.last(), Some(&step("_expire", "VelociraptorServer", true)));
    assert_eq!(steps.iter().filter(|one| one.0.ends_with("_expire")).count(), 1);
    // While it lasts, a restart changes nothing; one whose configuration allows less does.
    put(&at(now - 2 * MINUTE_US, now));
    assert!(restarted.is_open());
    lockdown::settle(&restarted.acl).unwrap();
    assert!(restarted.is_open());
    for (lockdown, minutes) in [(true, 0), (true, 30)] {
        let acl = Acl::new(&config(lockdown, minutes), restarted.store.clone()).unwrap();
        assert_eq!(acl.denied_to_all().is_empty(), minutes > 0);
    }
    // A record that nobody could have made by the two steps opens nothing.
    for text in ["", "{}", "null"] {
        bench.store.set_setting(Setting::LockdownExit, text.as_bytes().to_vec()).unwrap();
        assert!(!bench.is_open(), "{text}");
    }
    put(&Exit { approved: Some((user("ANN"), now)), ..at(now, now) });
    assert!(!bench.is_open());
    put(&Exit { minutes: 31, ..at(now, now) });
    assert!(!bench.is_open());
}

#[test]
fn without_the_line_in_the_configuration_nobody_leaves_lockdown() {
    let bench = Bench::new(0);
    for name in ["ann", "rita"] {
        let refused = bench.ask(name, 5).unwrap_err().to_string();
        assert_eq!(refused, "PermissionDenied: Server locked down: [SERVER_ADMIN]");
        let refused = bench.approve(name, 1).unwrap_err().to_string();
        assert_eq!(refused, "PermissionDenied: Server locked down: [SERVER_ADMIN]");
    }
    assert!(!bench.is_open());
    assert!(bench.steps().iter().all(|one| !one.2));
    assert_eq!(bench.steps().len(), 4);
    let wrong = Acl::new(&config(true, 1_441), bench.store).err().unwrap().to_string();
    assert!(wrong.starts_with("security.lockdown_exit_minutes: "), "{wrong}");
}

#[test]
fn only_administrators_with_their_own_passwords_take_part() {
    let bench = Bench::new(30);
    let refused = bench.ask("rita", 5).unwrap_err().to_string();
    assert_eq!(refused, "PermissionDenied: Permission denied: [SERVER_ADMIN]");
    let wrong = Proven::by_password(&bench.store, &user("ann"), "guess").unwrap_err();
    assert!(matches!(wrong, SignInError::Wrong));
    // bob's password is not ann's, whoever types it.
    let mixed = lockdown::ask(&bench.actor("ann"), &bench.acl, &bench.proven("bob"), ("x", 5));
    assert!(matches!(mixed, Err(LockdownError::Act(_))), "{mixed:?}");
    let host = Actor::new(bench.store.clone(), bench.acl.clone(), server());
    let by_host = lockdown::ask(&host, &bench.acl, &bench.proven("ann"), ("x", 5));
    assert!(matches!(by_host, Err(LockdownError::Act(_))), "{by_host:?}");
    let asked = bench.ask("ann", 5).unwrap();
    let refused = bench.approve("rita", asked.asked_us).unwrap_err();
    assert!(matches!(refused, LockdownError::Act(_)), "{refused}");
    assert!(!bench.is_open());
    // Somebody who was locked meanwhile is nobody.
    let sql = "UPDATE user SET locked = 1 WHERE key = 'bob'";
    let bob = bench.proven("bob");
    bench.store.write(move |db| Ok(db.execute(sql, [])?)).unwrap();
    let refused = lockdown::approve(&bench.actor("bob"), &bench.acl, &bob, asked.asked_us);
    assert!(matches!(refused, Err(LockdownError::Act(_))), "{refused:?}");
    assert!(!bench.is_open());
}
