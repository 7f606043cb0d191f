//! Who may do what: the decision over all of its space, and accounts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};
use troodon_server::account::{AccountError, Accounts, Grant, install, sign_in};
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::Repository;
use troodon_server::config::{Config, InitialUser, Secret};
use troodon_server::model::audit::Record;
use troodon_server::model::decision::{LOCKDOWN, Standing, decide};
use troodon_server::model::id::{OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::{Rights, Role};
use troodon_server::orgs::Orgs;
use troodon_server::store::Store;
use troodon_vql::Permission;

/// Written from the specification and not from the code: permission, then the roles that have it, `L` when lockdown
/// denies it. Roles are Org admin, Administrator, Reader, aNalyst, Investigator, artifact Writer, aPi.
const TABLE: [(&str, &str, &str); 22] = [
    ("ANY_QUERY", "ANIP", ""),
    ("PUBLISH", "", ""),
    ("READ_RESULTS", "ARNIP", ""),
    ("LABEL_CLIENT", "ANI", "L"),
    ("COLLECT_CLIENT", "AI", "L"),
    ("COLLECT_BASIC", "A", "L"),
    ("START_HUNT", "AI", "L"),
    ("COLLECT_SERVER", "A", "L"),
    ("ARTIFACT_WRITER", "AW", "L"),
    ("SERVER_ARTIFACT_WRITER", "A", "L"),
    ("EXECVE", "A", "L"),
    ("NOTEBOOK_EDITOR", "ANI", ""),
    ("SERVER_ADMIN", "A", "L"),
    ("ORG_ADMIN", "OA", "L"),
    ("IMPERSONATION", "A", "L"),
    ("FILESYSTEM_READ", "A", "L"),
    ("FILESYSTEM_WRITE", "A", "L"),
    ("NETWORK", "A", "L"),
    ("MACHINE_STATE", "A", "L"),
    ("PREPARE_RESULTS", "ANI", ""),
    ("DELETE_RESULTS", "A", ""),
    ("DATASTORE_ACCESS", "", ""),
];

const LETTERS: [(char, Role); 7] = [
    ('O', Role::OrgAdmin),
    ('A', Role::Administrator),
    ('R', Role::Reader),
    ('N', Role::Analyst),
    ('I', Role::Investigator),
    ('W', Role::ArtifactWriter),
    ('P', Role::Api),
];

/// All sets of roles.
fn role_sets() -> impl Iterator<Item = BTreeSet<Role>> {
    (0_u32..1 << LETTERS.len()).map(|bits| {
        let chosen = LETTERS.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, (_, role))| *role).collect()
    })
}

#[test]
fn every_combination_is_decided_as_the_specification_says() {
    assert_eq!(TABLE.map(|row| row.0), Permission::ALL.map(Permission::name));
    let orgs: [OrgId; 2] = [OrgId::root(), "OABCD".parse().unwrap()];
    let extras = [None].into_iter().chain(Permission::ALL.map(Some));
    let mut checked = 0_u64;
    for extra in extras {
        for roles in role_sets() {
            let policy = Policy {
                roles: roles.clone(),
                extra: extra.map_or(Rights::NONE, |one| Rights::of(&[one])),
                ..Policy::default()
            };
            for org in &orgs {
                let standing = Standing::Holds(policy.rights(org));
                for (at, (_, holders, lockdown)) in TABLE.iter().enumerate() {
                    let asked = Permission::ALL[at];
                    let has = extra == Some(asked)
                        || LETTERS
                            .iter()
                            .any(|(c, role)| holders.contains(*c) && roles.contains(role));
                    let has = has && (asked != Permission::OrgAdmin || org.is_root());
                    for (denied, is_lockdown) in [(Rights::NONE, false), (LOCKDOWN, true)] {
                        let expected = has && !(is_lockdown && *lockdown == "L");
                        let found = decide(denied, standing, &[asked]).is_ok();
                        assert_eq!(found, expected, "{asked} {policy:?} {org} {is_lockdown}");
                        checked += 1;
                    }
                }
            }
        }
    }
    println!("{checked} combinations");
    assert_eq!(checked, 23 * 128 * 2 * 22 * 2);
}

#[test]
fn lockdown_binds_the_server_and_nobody_is_nobody() {
    for (at, (_, _, lockdown)) in TABLE.iter().enumerate() {
        let asked = [Permission::ALL[at]];
        assert!(decide(Rights::NONE, Standing::Server, &asked).is_ok());
        assert_eq!(decide(LOCKDOWN, Standing::Server, &asked).is_err(), *lockdown == "L");
        assert!(decide(Rights::NONE, Standing::Nobody, &asked).is_err());
        assert!(decide(LOCKDOWN, Standing::Nobody, &asked).is_err());
    }
    assert!(decide(Rights::NONE, Standing::Nobody, &[]).is_err());
}

#[test]
fn more_than_one_permission_needs_all_of_them() {
    for first in Permission::ALL {
        for second in Permission::ALL {
            let standing = Standing::Holds(Rights::of(&[first]));
            let found = decide(Rights::NONE, standing, &[first, second]).is_ok();
            assert_eq!(found, first == second);
        }
    }
}

#[test]
fn more_roles_never_mean_fewer_rights() {
    for roles in role_sets() {
        let held = Policy::of(roles.clone()).rights(&OrgId::root());
        for further in Role::ALL {
            let more = Policy::of(roles.iter().copied().chain([further]));
            assert!(held.without(more.rights(&OrgId::root())).is_empty());
        }
    }
}

struct Bench {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(folder.path()).unwrap(), _folder: folder }
    }

    /// The accounts as this user may manage them, or the server's own account.
    fn accounts(&self, user: Option<&str>) -> Accounts {
        self.accounts_with(user, &Config::default())
    }

    fn orgs(&self, config: &Config) -> Orgs {
        let acl = Acl::new(config, self.store.clone()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        Orgs::of(config, repository, self.store.clone(), acl)
    }

    fn accounts_with(&self, user: Option<&str>, config: &Config) -> Accounts {
        let actor = match user {
            Some(user) => Principal::User { name: name(user) },
            None => Principal::Server { name: "VelociraptorServer".into() },
        };
        let acl = Acl::new(config, self.store.clone()).unwrap();
        Accounts::new(acl, actor, OrgId::root())
    }

    fn add(&self, user: &str, policy: &str) {
        let policy = Policy::parse(policy).unwrap();
        self.accounts(None).add(&name(user), None, &policy).unwrap();
    }

    fn allows(&self, user: &str, permission: Permission) -> bool {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let user = Principal::User { name: name(user) };
        acl.check(&user, &OrgId::root(), &[permission]).is_ok()
    }

    /// Operation and verdict of each record.
    fn log(&self) -> Vec<(String, bool)> {
        let records = self.store.audit_records(0, 1000).unwrap();
        records.into_iter().map(|(_, record)| (record.operation, record.allowed)).collect()
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn denied<T: std::fmt::Debug>(result: Result<T, AccountError>) -> String {
    match result {
        Err(AccountError::Denied(why)) => why,
        other => panic!("{other:?}"),
    }
}

const HELPDESK: &str = r#"{"roles":["reader"],"server_admin":true}"#;

#[test]
fn a_reader_may_also_label_clients() {
    let bench = Bench::new();
    bench.add("rita", r#"{"roles":["reader"],"label_clients":true}"#);
    for permission in Permission::ALL {
        let expected = [Permission::ReadResults, Permission::LabelClient].contains(&permission);
        assert_eq!(bench.allows("RITA", permission), expected, "{permission}");
    }
}

#[test]
fn a_grant_never_exceeds_the_grantor() {
    let bench = Bench::new();
    bench.add("hal", HELPDESK);
    bench.add("rita", r#"{"roles":["reader"]}"#);
    let hal = bench.accounts(Some("hal"));
    let why = denied(hal.grant(&name("rita"), Policy::of([Role::Administrator]), Grant::Merge));
    assert!(why.starts_with("you cannot give what you lack: [ANY_QUERY"), "{why}");
    let why = denied(hal.grant(&name("hal"), Policy::of([Role::Investigator]), Grant::Merge));
    assert!(why.starts_with("you cannot give"), "{why}");
    denied(hal.add(&name("new"), None, &Policy::of([Role::Api])));
    assert!(bench.store.user(&name("new")).unwrap().is_none());
    hal.add(&name("new"), None, &Policy::of([Role::Reader])).unwrap();
    bench.add("blank", "{}");
    // For each permission: who lacks it cannot give it, whatever else they hold.
    for lacking in Permission::ALL.into_iter().filter(|one| *one != Permission::Publish) {
        let all = Rights::of(&Permission::ALL).without(Rights::of(&[lacking, Permission::Publish]));
        if lacking == Permission::ServerAdmin {
            continue;
        }
        let own = Policy { extra: all, ..Policy::default() };
        bench.accounts(None).grant(&name("hal"), own, Grant::Replace).unwrap();
        let wanted = Policy { extra: Rights::of(&[lacking]), ..Policy::default() };
        denied(hal.grant(&name("blank"), wanted, Grant::Merge));
        assert!(!bench.allows("blank", lacking), "{lacking}");
    }
}

#[test]
fn the_account_of_somebody_with_more_rights_cannot_be_taken_over() {
    let bench = Bench::new();
    bench.add("hal", HELPDESK);
    bench.add("root", r#"{"roles":["administrator"]}"#);
    let hal = bench.accounts(Some("hal"));
    denied(hal.set_password(&name("root"), "mine now"));
    denied(hal.set_locked(&name("Root"), true));
    denied(hal.grant(&name("root"), Policy::default(), Grant::Replace));
    assert!(bench.allows("root", Permission::Execve));
    bench.accounts(Some("root")).set_locked(&name("hal"), true).unwrap();
    denied(hal.set_locked(&name("hal"), false));
    denied(hal.set_password(&name("hal"), "mine now"));
    assert!(!bench.allows("hal", Permission::ReadResults));
}

#[test]
fn rights_that_were_taken_away_do_not_count_in_changes_that_still_wait() {
    let bench = Bench::new();
    bench.add("rita", r#"{"roles":["reader"]}"#);
    for _ in 0..20 {
        let hal = r#"{"roles":["reader"],"server_admin":true,"label_clients":true}"#;
        let hal = Policy::parse(hal).unwrap();
        bench.accounts(None).grant(&name("hal"), hal, Grant::Replace).unwrap();
        // Nobody writes until this is told to go on.
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let (has_begun, begun) = std::sync::mpsc::channel();
        std::thread::scope(|threads| {
            let store = &bench.store;
            threads.spawn(move || {
                let wait = move |_: &_| {
                    has_begun.send(()).unwrap();
                    waits.recv().unwrap();
                    Ok(())
                };
                store.write(wait).unwrap();
            });
            begun.recv().unwrap();
            let taken = threads.spawn(|| {
                let nothing = Policy::default();
                bench.accounts(None).grant(&name("hal"), nothing, Grant::Replace).unwrap();
            });
            let given = threads.spawn(|| {
                let more = Policy::parse(r#"{"label_clients":true}"#).unwrap();
                bench.accounts(Some("hal")).grant(&name("rita"), more, Grant::Merge).is_ok()
            });
            // Both have the time to look at policies before anything is written.
            (0..500).for_each(|_| drop(store.users().unwrap()));
            go_on.send(()).unwrap();
            taken.join().unwrap();
            given.join().unwrap();
        });
        let records = bench.store.audit_records(0, 1000).unwrap();
        let taken = |(_, one): &&(u64, Record)| one.details["username"] == "hal";
        let (last_taken, _) = records.iter().rev().find(taken).unwrap();
        let late =
            records.iter().find(|(n, one)| n > last_taken && one.principal == "hal" && one.allowed);
        assert!(late.is_none(), "{late:?}");
    }
}

#[test]
fn without_server_admin_nobody_manages_anybody() {
    let bench = Bench::new();
    bench.add("ivan", r#"{"roles":["investigator","artifact_writer"]}"#);
    bench.add("rita", r#"{"roles":["reader"]}"#);
    for actor in ["ivan", "rita", "nobody"] {
        let accounts = bench.accounts(Some(actor));
        denied(accounts.add(&name("new"), None, &Policy::default()));
        denied(accounts.set_locked(&name("rita"), true));
        denied(accounts.grant(&name("rita"), Policy::default(), Grant::Replace));
        let other = if actor == "rita" { "ivan" } else { "rita" };
        denied(accounts.set_password(&name(other), "mine now"));
    }
    bench.accounts(Some("rita")).set_password(&name("rita"), "my own").unwrap();
    sign_in(&bench.store, &name("rita"), "my own", 1).unwrap();
}

#[test]
fn in_lockdown_rights_stay_as_they_are_and_ones_own_password_may_change() {
    let bench = Bench::new();
    bench.add("root", r#"{"roles":["administrator"]}"#);
    let config = Config { lockdown: true, ..Config::default() };
    for actor in [None, Some("root")] {
        let accounts = bench.accounts_with(actor, &config);
        let why = denied(accounts.grant(&name("new"), Policy::default(), Grant::Merge));
        assert_eq!(why, "Server locked down: [SERVER_ADMIN]");
        denied(accounts.add(&name("new"), None, &Policy::default()));
    }
    bench.accounts_with(Some("root"), &config).set_password(&name("root"), "other").unwrap();
}

#[test]
fn every_change_and_every_refusal_is_on_record() {
    let bench = Bench::new();
    bench.add("hal", HELPDESK);
    let hal = bench.accounts(Some("hal"));
    denied(hal.grant(&name("hal"), Policy::of([Role::Administrator]), Grant::Merge));
    hal.set_password(&name("hal"), "secret").unwrap();
    hal.add(&name("x"), None, &Policy::of([Role::Reader])).unwrap();
    hal.set_locked(&name("x"), true).unwrap();
    hal.set_locked(&name("x"), false).unwrap();
    sign_in(&bench.store, &name("hal"), "secret", 1).unwrap();
    sign_in(&bench.store, &name("hal"), "wrong", 1).unwrap_err();
    let expected = [
        ("user_create", true),
        ("user_grant", false),
        ("Update password", true),
        ("user_create", true),
        ("user_lock", true),
        ("user_unlock", true),
        ("Login", true),
        ("Invalid password", false),
    ];
    assert_eq!(bench.log(), expected.map(|(operation, verdict)| (operation.to_owned(), verdict)));
    let text = format!("{:?}", bench.store.audit_records(0, 100).unwrap());
    assert!(!text.contains("secret") && !text.contains("argon2"), "{text}");
}

#[test]
fn names_of_the_server_are_not_for_people() {
    let bench = Bench::new();
    for own in ["velociraptorserver", "GRPC_GW", "InterrogationService"] {
        let made = bench.accounts(None).add(&name(own), None, &Policy::default());
        assert!(matches!(made, Err(AccountError::Reserved(_))), "{own}");
    }
    bench.add("ann", "{}");
    let again = bench.accounts(None).add(&name("Ann"), None, &Policy::default());
    assert!(matches!(again, Err(AccountError::Exists(_))));
    let none = bench.accounts(None).set_locked(&name("bob"), true);
    assert!(matches!(none, Err(AccountError::Unknown(_))));
}

#[test]
fn initial_users_are_made_once_and_their_hash_becomes_argon2id() {
    let bench = Bench::new();
    let salt = [7_u8; 32];
    let hash = Sha256::new().chain_update(salt).chain_update("secret").finalize();
    let mut config = Config::default();
    config.gui.initial_users.push(InitialUser {
        name: "Ann".into(),
        password_hash: Secret::new(hex::encode(hash)),
        password_salt: Secret::new(hex::encode(salt)),
    });
    install(&config, &bench.orgs(&config)).unwrap();
    assert!(bench.allows("ann", Permission::ServerAdmin));
    let stored = || bench.store.user(&name("ann")).unwrap().unwrap().password.unwrap();
    assert!(stored().expose().starts_with("$sha256$"));
    sign_in(&bench.store, &name("ann"), "other", 1).unwrap_err();
    assert!(stored().expose().starts_with("$sha256$"));
    sign_in(&bench.store, &name("ann"), "secret", 1).unwrap();
    assert!(stored().expose().starts_with("$argon2id$"));
    sign_in(&bench.store, &name("ann"), "secret", 1).unwrap();
    // What was changed later is not undone by a restart.
    bench.accounts(None).grant(&name("ann"), Policy::default(), Grant::Replace).unwrap();
    config.gui.initial_users[0].name = "Bob".into();
    install(&config, &bench.orgs(&config)).unwrap();
    assert!(!bench.allows("ann", Permission::ServerAdmin));
    assert!(bench.store.user(&name("bob")).unwrap().is_none());
}

#[test]
fn a_wrong_initial_user_is_named() {
    let mut config = Config::default();
    let user = InitialUser {
        name: "ann".into(),
        password_hash: Secret::new("00".into()),
        ..InitialUser::default()
    };
    config.gui.initial_users.push(user);
    let error = install(&config, &Bench::new().orgs(&config)).unwrap_err().to_string();
    assert!(error.starts_with("GUI.initial_users: \"ann\": "), "{error}");
}

#[test]
fn a_policy_that_was_damaged_gives_nothing() {
    let bench = Bench::new();
    bench.add("ann", r#"{"roles":["administrator"]}"#);
    for text in ["", "{", r#"{"roles":["gone"]}"#, r#"{"super_user":true}"#] {
        let sql = format!("UPDATE policy SET policy = '{text}'");
        bench.store.write(move |db| Ok(db.execute(&sql, [])?)).unwrap();
        assert!(Permission::ALL.iter().all(|one| !bench.allows("ann", *one)), "{text}");
    }
    assert_eq!(json!({}), Policy::default().to_json());
}
