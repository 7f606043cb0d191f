//! Organisations: who may make them, who reaches them, and that nobody of one reaches another.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use troodon_server::account::{AccountError, Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::ActError;
use troodon_server::artifact::Repository;
use troodon_server::config::Config;
use troodon_server::model::id::{OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::orgs::{NewOrg, Orgs};
use troodon_server::query::{self, Backend};
use troodon_server::store::audit::verify_archive;
use troodon_server::store::{Store, StoreError};
use troodon_vql::{Interrupt, Level, LogSink, Permission, json};

struct Bench {
    orgs: Arc<Orgs>,
    config: Config,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.client.nonce = "root".to_owned();
        config.datastore.location = folder.path().to_str().unwrap().to_owned();
        Self { orgs: started(&config), config, folder }
    }

    fn org(&self, id: &str) -> OrgId {
        let wanted =
            NewOrg { name: format!("Org {id}"), id: Some(id.parse().unwrap()), nonce: None };
        self.orgs.create(&server(), wanted).unwrap().id
    }

    fn accounts(&self, actor: &Principal, org: &OrgId) -> Accounts {
        Accounts::new(self.orgs.acl().clone(), actor.clone(), org.clone())
    }

    fn user(&self, name: &str, org: &OrgId, roles: &[Role]) -> Principal {
        let user: UserName = name.parse().unwrap();
        let accounts = self.accounts(&server(), org);
        accounts.add(&user, None, &Policy::of(roles.iter().copied())).unwrap();
        Principal::User { name: user }
    }

    fn grant(&self, name: &str, org: &OrgId, roles: &[Role]) {
        let policy = Policy::of(roles.iter().copied());
        let accounts = self.accounts(&server(), org);
        accounts.grant(&name.parse().unwrap(), policy, Grant::Replace).unwrap();
    }

    /// What is on record of queries elsewhere: who, whether it was allowed, as whom.
    fn told(&self, org: &OrgId) -> Vec<(String, bool, String)> {
        let store = &self.orgs.find(org).unwrap().unwrap().store;
        let records = store.audit_records(0, usize::MAX).unwrap().into_iter();
        let of_query = records.filter(|(_, one)| one.details["call"] == "query");
        let line = |one: troodon_server::model::audit::Record| {
            let runas = one.details["runas"].as_str().unwrap_or_default().to_owned();
            (one.principal, one.allowed, runas)
        };
        of_query.map(|(_, one)| line(one)).collect()
    }

    fn may(&self, who: &Principal, org: &OrgId, permission: Permission) -> bool {
        self.orgs.acl().check(who, org, &[permission]).is_ok()
    }

    /// Rows as JSON, and the log.
    fn query(&self, who: &Principal, org: &OrgId, vql: &str) -> (Vec<String>, Vec<String>) {
        let org = self.orgs.find(org).unwrap().unwrap();
        let backend = Backend::new(&self.orgs, &org, self.orgs.acl(), who.clone());
        let registry = Arc::new(query::registry(&self.config).unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Box::new(Log(Arc::clone(&lines)));
        let mut rows = Vec::new();
        let sink = |row| {
            let mut line = Vec::new();
            json::write_row(&row, &mut line);
            rows.push(String::from_utf8(line).unwrap());
            Ok(())
        };
        query::run(vql, &[], Arc::new(backend), registry, log, Interrupt::new(), sink).unwrap();
        let lines = lines.lock().unwrap().clone();
        (rows, lines)
    }
}

struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

fn started(config: &Config) -> Arc<Orgs> {
    let store = Store::open(config.datastore.location.as_ref()).unwrap();
    let acl = Acl::new(config, store.clone()).unwrap();
    let repository = Arc::new(Repository::built_in().unwrap());
    Arc::new(Orgs::of(config, repository, store, acl))
}

fn server() -> Principal {
    Principal::Server { name: "VelociraptorServer".into() }
}

#[test]
fn rights_in_one_organisation_are_none_in_another() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    for permission in Permission::ALL {
        let expected = Policy::of([Role::Administrator]).rights(&a).has(permission);
        assert_eq!(bench.may(&ann, &a, permission), expected, "{permission}");
        assert!(!bench.may(&ann, &b, permission), "{permission}");
        assert!(!bench.may(&ann, &OrgId::root(), permission), "{permission}");
    }
    assert_eq!(
        bench.query(&ann, &a, "SELECT OrgId FROM orgs()").0,
        [r#"{"OrgId":"OA"}"#],
        "and of others she does not know"
    );
    let (rows, log) = bench.query(&ann, &b, "SELECT * FROM clients()");
    assert_eq!(
        (rows.len(), &log[..]),
        (0, &["clients: PermissionDenied: [READ_RESULTS]".to_owned()][..])
    );
}

#[test]
fn who_has_no_rights_does_not_learn_which_organisations_there_are() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let eve = bench.user("eve", &a, &[Role::Reader]);
    let nowhere = bench.orgs.of_caller(&eve, &"ONOWHERE".parse().unwrap()).err().unwrap();
    assert!(matches!(&nowhere, ActError::Denied(why) if why == "[READ_RESULTS]"), "{nowhere}");
    let records = bench.orgs.root().store.audit_records(0, usize::MAX).unwrap();
    let (_, last) = records.last().unwrap();
    assert_eq!((last.operation.as_str(), last.allowed), ("User Unauthorized for Org", false));
    assert_eq!(last.details["org_id"], "ONOWHERE");
}

#[test]
fn who_makes_an_organisation_holds_there_what_they_hold_in_the_root() {
    let bench = Bench::new();
    let olga = bench.user("olga", &OrgId::root(), &[Role::OrgAdmin, Role::Investigator]);
    let (rows, log) = bench.query(
        &olga,
        &OrgId::root(),
        "SELECT org_create(name='New', org_id='ONEW') AS Id FROM scope()",
    );
    assert_eq!((&rows[..], log.len()), (&[r#"{"Id":"ONEW"}"#.to_owned()][..], 0), "{log:?}");
    let fresh: OrgId = "ONEW".parse().unwrap();
    assert!(bench.may(&olga, &fresh, Permission::CollectClient));
    assert!(!bench.may(&olga, &fresh, Permission::ServerAdmin));
    assert!(!bench.may(&olga, &fresh, Permission::OrgAdmin));
    // Elsewhere ORG_ADMIN does not count.
    let (_, log) = bench.query(&olga, &fresh, "SELECT org_create(name='Next') FROM scope()");
    assert_eq!(log, ["org_create: PermissionDenied: Permission denied: [ORG_ADMIN]"]);
}

#[test]
fn who_manages_organisations_gives_there_no_more_than_they_hold_in_the_root() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let olga = bench.user("olga", &OrgId::root(), &[Role::OrgAdmin, Role::Analyst]);
    let accounts = bench.accounts(&olga, &a);
    let ben: UserName = "ben".parse().unwrap();
    let grant = |role| accounts.grant(&ben, Policy::of([role]), Grant::Replace);
    grant(Role::Reader).unwrap();
    assert!(matches!(grant(Role::Administrator), Err(AccountError::Denied(_))));
    // In the root it takes SERVER_ADMIN.
    let in_root = bench.accounts(&olga, &OrgId::root());
    let denied = in_root.grant(&ben, Policy::of([Role::OrgAdmin]), Grant::Replace);
    assert!(matches!(denied, Err(AccountError::Denied(_))), "{denied:?}");
}

#[test]
fn the_administrator_of_an_organisation_has_no_hold_on_people_of_others() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.user("bob", &b, &[Role::Reader]);
    bench.user("rita", &OrgId::root(), &[Role::Administrator]);
    let accounts = bench.accounts(&ann, &a);
    for victim in ["bob", "rita"] {
        let victim: UserName = victim.parse().unwrap();
        for refused in [
            accounts.set_password(&victim, "a long password").unwrap_err(),
            accounts.set_locked(&victim, true).unwrap_err(),
        ] {
            assert!(matches!(refused, AccountError::Unknown(_)), "{refused}");
        }
        // One may let them in; what they hold elsewhere keeps their account out of reach.
        accounts.grant(&victim, Policy::of([Role::Reader]), Grant::Replace).unwrap();
        let refused = accounts.set_password(&victim, "a long password").unwrap_err();
        assert!(matches!(refused, AccountError::Denied(_)), "{refused}");
    }
    let (rows, _) = bench.query(&ann, &a, "SELECT name FROM gui_users()");
    assert_eq!(rows.len(), 3, "{rows:?}");
    let elsewhere = bench.accounts(&ann, &b).grant(
        &"ann".parse().unwrap(),
        Policy::of([Role::Reader]),
        Grant::Replace,
    );
    assert!(matches!(elsewhere, Err(AccountError::Denied(_))), "{elsewhere:?}");
}

#[test]
fn what_is_done_in_an_organisation_is_on_record_there_and_grants_in_the_root() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.query(&ann, &a, "SELECT org_create(name='x') FROM scope()");
    let records = |org: &OrgId| {
        let org = bench.orgs.find(org).unwrap().unwrap();
        let all = org.store.audit_records(0, usize::MAX).unwrap();
        all.into_iter().map(|(_, one)| (one.operation, one.org)).collect::<Vec<_>>()
    };
    assert_eq!(records(&a), [("Query".to_owned(), a.clone())]);
    let root = records(&OrgId::root());
    assert!(root.contains(&("org_create".to_owned(), OrgId::root())), "{root:?}");
    assert!(root.contains(&("user_create".to_owned(), a.clone())), "{root:?}");
}

#[test]
fn queries_see_the_audit_log_of_their_organisation_as_events_that_nobody_makes_up() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.query(&ann, &a, "SELECT org_create(name='x') FROM scope()");
    let seen = "SELECT operation, principal, details.call AS call, allowed, org \
                FROM monitoring(artifact='Server.Audit.Logs')";
    let expected =
        r#"{"operation":"Query","principal":"ann","call":"org_create","allowed":false,"org":"OA"}"#;
    assert_eq!(bench.query(&ann, &a, seen).0, [expected]);
    let root = bench.query(&server(), &OrgId::root(), seen).0;
    assert!(root.iter().any(|row| row.contains("user_create")), "{root:?}");
    assert!(!root.iter().any(|row| row.contains("\"ann\"")), "{root:?}");
    let later = "SELECT * FROM monitoring(artifact='Server.Audit.Logs', start_time=now() + 100)";
    assert_eq!(bench.query(&ann, &a, later).0, [""; 0]);
    for queue in ["Server.Audit.Logs", "Server.Internal.Alerts", "System.Flow.Completion"] {
        let vql = format!("SELECT send_event(artifact='{queue}', row=dict(a=1)) FROM scope()");
        for who in [&ann, &server()] {
            let (_, log) = bench.query(who, &a, &vql);
            assert!(log[0].contains("is written by the server only"), "{log:?}");
        }
    }
}

#[test]
fn a_query_in_a_query_has_no_more_rights_than_its_caller() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    let rob = bench.user("rob", &a, &[Role::Api]);
    let nested = "SELECT * FROM query(query='SELECT * FROM clients()')";
    assert_eq!(bench.query(&rob, &a, nested).1, [""; 0]);
    assert_eq!(bench.query(&ann, &b, nested).1, ["clients: PermissionDenied: [READ_RESULTS]"]);
    let machine = "SELECT * FROM query(query='SELECT * FROM info()', env=dict(X=1))";
    let denied = "info: PermissionDenied: Permission denied: [MACHINE_STATE]";
    assert_eq!(bench.query(&rob, &a, machine).1, [denied]);
    let records = bench.orgs.find(&a).unwrap().unwrap().store.audit_records(0, usize::MAX).unwrap();
    let calls: Vec<_> = records.iter().map(|(_, record)| &record.details["call"]).collect();
    assert_eq!(calls, ["info"]);
}

#[test]
fn a_query_elsewhere_has_the_rights_that_its_caller_holds_there() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    let both = bench.user("both", &a, &[Role::Administrator]);
    bench.grant("both", &b, &[Role::Api]);
    let there =
        |inner: &str, org: &str| format!("SELECT * FROM query(query='{inner}', org_id='{org}')");
    let whose = "SELECT org().OrgId AS Org, whoami() AS Me FROM scope()";
    let expected = r#"{"Org":"OB","Me":"both"}"#;
    assert_eq!(bench.query(&both, &a, &there(whose, "OB")), (vec![expected.into()], vec![]));
    // Rights in OA do not go along, and afterwards the caller is at home again.
    let machine = there("SELECT OS FROM info()", "OB");
    let and_here = format!("{machine} SELECT org().OrgId AS Org FROM scope()");
    let (rows, log) = bench.query(&both, &a, &and_here);
    assert_eq!(rows, [r#"{"Org":"OA"}"#]);
    assert_eq!(log, ["info: PermissionDenied: Permission denied: [MACHINE_STATE]"]);
    // Whether there is such an organisation is not told to who has no rights in it.
    for org in ["OB", "ONONE", "root"] {
        let (rows, log) = bench.query(&ann, &a, &there(whose, org));
        assert_eq!(
            (rows.len(), &log[..]),
            (0, &["query: PermissionDenied: [ANY_QUERY]".into()][..])
        );
    }
    let (_, log) = bench.query(&ann, &a, &there(whose, "../OB"));
    assert!(log[0].starts_with("query: ") && !log[0].contains("PermissionDenied"), "{log:?}");
    let told: Vec<_> = bench.told(&b).into_iter().map(|(who, allowed, _)| (who, allowed)).collect();
    let expected = [("both", true), ("both", true), ("ann", false)];
    assert_eq!(told, expected.map(|(who, allowed)| (who.to_owned(), allowed)));
}

#[test]
fn to_be_somebody_else_takes_impersonation_here_and_there() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    let rob = bench.user("rob", &a, &[Role::Api]);
    bench.user("rita", &a, &[Role::Reader]);
    bench.grant("rita", &b, &[Role::Administrator]);
    let as_rita = "SELECT * FROM query(query='SELECT whoami() AS Me, \
                   {SELECT OS FROM info()} AS X FROM scope()', runas='RITA')";
    // She has no ANY_QUERY: whoami() is not for her; and the machine is not, though it is for ann.
    let (rows, log) = bench.query(&ann, &a, as_rita);
    assert_eq!(rows, [r#"{"Me":null,"X":null}"#]);
    let denied =
        |name: &str, needs: &str| format!("{name}: PermissionDenied: Permission denied: [{needs}]");
    assert_eq!(log, [denied("whoami", "ANY_QUERY"), denied("info", "MACHINE_STATE")]);
    let sees = |org: &str| {
        format!(
            "SELECT * FROM query(query={{SELECT * FROM clients()}}, runas='rita', org_id='{org}')"
        )
    };
    assert_eq!(bench.query(&ann, &a, &sees("")).1, [""; 0], "results are for readers");
    let refused = |who: &str, other: &str, org: &str| {
        format!("query: User {who} (OA) impersonation to {other} ({org}): PermissionDenied")
    };
    assert_eq!(bench.query(&rob, &a, &sees("OA")).1, [refused("rob", "rita", "OA")]);
    // Neither organisation lends the permission to the other.
    assert_eq!(bench.query(&ann, &a, &sees("OB")).1, [refused("ann", "rita", "OB")]);
    bench.grant("ann", &b, &[Role::Api]);
    assert_eq!(bench.query(&ann, &a, &sees("OB")).1, [refused("ann", "rita", "OB")]);
    bench.grant("rob", &b, &[Role::Administrator]);
    assert_eq!(bench.query(&rob, &a, &sees("OB")).1, [refused("rob", "rita", "OB")]);
    bench.grant("ann", &b, &[Role::Administrator]);
    assert_eq!(bench.query(&ann, &a, &sees("OB")).1, [""; 0]);
    // Nobody becomes the server, somebody who is not there, or who is locked.
    let locked: UserName = "rita".parse().unwrap();
    bench.accounts(&server(), &a).set_locked(&locked, true).unwrap();
    for other in ["VelociraptorServer", "nobody", "rita"] {
        let vql = format!("SELECT * FROM query(query='SELECT 1 FROM scope()', runas='{other}')");
        assert_eq!(bench.query(&ann, &a, &vql), (vec![], vec![refused("ann", other, "OA")]));
    }
    // To be oneself takes nothing.
    let own = "SELECT * FROM query(query='SELECT whoami() AS Me FROM scope()', runas='Rob')";
    assert_eq!(bench.query(&rob, &a, own).0, [r#"{"Me":"rob"}"#]);
    let told = bench.told(&a);
    for expected in [("ann", true, "RITA"), ("rob", false, "rita"), ("ann", false, "nobody")] {
        let expected = (expected.0.to_owned(), expected.1, expected.2.to_owned());
        assert_eq!(told.iter().filter(|one| **one == expected).count(), 1, "{expected:?} {told:?}");
    }
}

#[test]
fn in_lockdown_nobody_is_somebody_else() {
    let mut bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.user("rita", &a, &[Role::Reader]);
    bench.config.lockdown = true;
    bench.orgs = started(&bench.config);
    let vql = "SELECT * FROM query(query='SELECT 1 FROM scope()', runas='rita')";
    for who in [&ann, &server()] {
        let (rows, log) = bench.query(who, &a, vql);
        let name = who.name();
        let refused =
            format!("query: User {name} (OA) impersonation to rita (OA): PermissionDenied");
        assert_eq!((rows.len(), log), (0, vec![refused]));
    }
}

#[test]
fn a_query_tells_what_lockdown_denies() {
    let mut bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Api]);
    let vql = "SELECT lockdown() AS Denied FROM scope()";
    assert_eq!(bench.query(&ann, &a, vql), (vec![r#"{"Denied":[]}"#.into()], vec![]));
    bench.config.lockdown = true;
    bench.orgs = started(&bench.config);
    let (rows, log) = bench.query(&ann, &a, vql);
    assert!(rows[0].contains("\"EXECVE\"") && log.is_empty(), "{rows:?} {log:?}");
    assert!(!rows[0].contains("READ_RESULTS"), "{rows:?}");
}

#[test]
fn what_somebody_else_calls_is_launched_anew_and_has_an_end() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.user("rob", &a, &[Role::Api]);
    let deep = "LET Deeper <= 'SELECT * FROM query(query=Deeper, env=dict(Deeper=Deeper), runas=if(\
                condition=whoami() = \"ann\", then=\"both\", else=\"ann\"))' \
                SELECT * FROM query(query=Deeper, env=dict(Deeper=Deeper), runas='both')";
    bench.user("both", &a, &[Role::Administrator]);
    let (rows, log) = bench.query(&ann, &a, deep);
    assert!(
        rows.is_empty() && log.iter().any(|line| line.to_lowercase().contains("stack overflow")),
        "{log:?}"
    );
}

#[test]
fn of_a_deleted_organisation_only_its_audit_log_remains() {
    let bench = Bench::new();
    let a = bench.org("OA");
    let ann = bench.user("ann", &a, &[Role::Administrator]);
    bench.query(&ann, &a, "SELECT org_create(name='x') FROM scope()");
    assert!(bench.orgs.delete(&server(), &OrgId::root()).is_err());
    let olga = bench.user("olga", &OrgId::root(), &[Role::Reader]);
    assert!(matches!(bench.orgs.delete(&olga, &a), Err(ActError::Denied(_))));
    bench.orgs.delete(&server(), &a).unwrap();
    assert!(bench.orgs.find(&a).unwrap().is_none());
    assert!(!bench.may(&ann, &a, Permission::ReadResults));
    let left: Vec<_> = std::fs::read_dir(bench.folder.path().join("orgs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let file = std::io::BufReader::new(std::fs::File::open(&left[0]).unwrap());
    assert_eq!(verify_archive(file, None).unwrap().end.0, 1);
    // A second one of the same id begins with nothing.
    bench.org("OA");
    assert!(!bench.may(&ann, &a, Permission::ReadResults));
    assert_eq!(bench.orgs.find(&a).unwrap().unwrap().store.audit_records(0, 9).unwrap().len(), 0);
}

#[test]
fn the_store_of_one_organisation_does_not_open_as_that_of_another() {
    let bench = Bench::new();
    let (a, b) = (bench.org("OA"), bench.org("OB"));
    let place = |id: &OrgId| bench.folder.path().join("orgs").join(id.as_str());
    std::fs::remove_dir_all(place(&b)).unwrap();
    std::fs::rename(place(&a), place(&b)).unwrap();
    let wrong = bench.orgs.find(&b).err().unwrap();
    assert!(matches!(wrong, StoreError::OtherOrg { .. }), "{wrong}");
}

#[test]
fn ids_nonces_and_names_of_organisations_are_taken_once_and_checked() {
    let bench = Bench::new();
    bench.org("OA");
    let make = |name: &str, id: Option<&str>, nonce: Option<&str>| {
        let id = id.map(|id| id.parse().unwrap());
        bench.orgs.create(&server(), NewOrg { name: name.into(), id, nonce: nonce.map(Into::into) })
    };
    assert!(make("x", Some("OA"), None).is_err());
    assert!(make("x", Some("root"), None).is_err());
    assert!(make("x", None, Some("root")).is_err(), "the root's agents have it");
    assert!(make("", None, None).is_err());
    assert!(make("a\nb", None, None).is_err());
    make("x", None, Some("n")).unwrap();
    assert!(make("y", None, Some("n")).is_err());
    let fresh = make("x", None, None).unwrap();
    assert_eq!((fresh.id.as_str().len(), fresh.nonce.len()), (5, 12), "{fresh:?}");
    assert_eq!(bench.orgs.of_nonce(&fresh.nonce).unwrap().unwrap().id(), &fresh.id);
    assert!(bench.orgs.of_nonce("other").unwrap().is_none());
}

#[test]
fn fifty_organisations_start_in_seconds() {
    let bench = Bench::new();
    for number in 0..50 {
        bench.org(&format!("O{number:04}"));
    }
    drop(bench.orgs);
    let begin = Instant::now();
    let orgs = started(&bench.config);
    let ready = begin.elapsed();
    let mut count = 0;
    orgs.each(|org| {
        org.monitoring.check().unwrap();
        count += 1;
        Ok(())
    })
    .unwrap();
    println!("ready after {ready:?}; all {count} open after {:?}", begin.elapsed());
    assert_eq!(count, 51);
    assert!(begin.elapsed().as_secs() < 20, "a loaded machine has time enough");
}
