//! Every door, tried as every role, in and out of lockdown, here and in another organisation.
//!
//! The tables are written by hand from what each door should need, and not from the code. A door that is in the program
//! and not in a table is an error.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "tests/article.rs uses the rest of the bench")]

#[path = "doors/bench.rs"]
mod bench;

use std::collections::BTreeSet;

use bench::{Bench, CLIENT, FLOW, HUNT, NOTEBOOK, Who};
use troodon_server::cli::{self, GATES, Gate};
use troodon_server::config::Config;
use troodon_server::query;
use troodon_vql::{Registry, standard};

/// Roles and the permissions that doors ask for: Administrator, Reader, aNalyst, Investigator, artifact Writer, aPi,
/// Org admin; `L` when lockdown denies it.
const HOLDERS: &[(&str, &str)] = &[
    ("ANY_QUERY", "ANIP"),
    ("READ_RESULTS", "ARNIP"),
    ("LABEL_CLIENT", "ANIL"),
    ("COLLECT_CLIENT", "AIL"),
    ("COLLECT_SERVER", "AL"),
    ("NOTEBOOK_EDITOR", "ANI"),
    ("START_HUNT", "AIL"),
    ("PREPARE_RESULTS", "ANI"),
    ("DELETE_RESULTS", "A"),
    ("NETWORK", "AL"),
    ("SERVER_ADMIN", "AL"),
    ("ORG_ADMIN", "AOL"),
    ("ARTIFACT_WRITER", "AWL"),
    ("IMPERSONATION", "AL"),
    ("FILESYSTEM_READ", "AL"),
    ("MACHINE_STATE", "AL"),
    ("NETWORK", "AL"),
];

/// Plugins, functions and accessors with what they need.
const CALLS: &[(&str, &str, &str)] = &[
    ("plugin", "Artifact", "ANY_QUERY"),
    ("plugin", "artifact_definitions", "READ_RESULTS"),
    ("plugin", "client_delete", "SERVER_ADMIN"),
    ("plugin", "clients", "READ_RESULTS"),
    ("plugin", "delete_flow", "DELETE_RESULTS"),
    ("plugin", "elastic_upload", "NETWORK"),
    ("plugin", "enumerate_flow", "READ_RESULTS"),
    ("plugin", "http_client", "NETWORK"),
    ("plugin", "flow_logs", "READ_RESULTS"),
    ("plugin", "flow_results", "READ_RESULTS"),
    ("plugin", "flows", "READ_RESULTS"),
    ("plugin", "http_client", "NETWORK"),
    ("plugin", "hunt_delete", "SERVER_ADMIN"),
    ("plugin", "hunt_flows", "READ_RESULTS"),
    ("plugin", "hunt_results", "READ_RESULTS"),
    ("plugin", "hunts", "READ_RESULTS"),
    ("plugin", "info", "MACHINE_STATE"),
    ("plugin", "gui_users", "SERVER_ADMIN"),
    ("plugin", "monitoring", "READ_RESULTS"),
    ("plugin", "monitoring_logs", "READ_RESULTS"),
    ("plugin", "orgs", "READ_RESULTS"),
    ("plugin", "watch_monitoring", "READ_RESULTS"),
    ("plugin", "source", "READ_RESULTS"),
    ("plugin", "notebooks", "READ_RESULTS"),
    ("plugin", "uploads", "READ_RESULTS"),
    ("accessor", "auto", "FILESYSTEM_READ"),
    ("accessor", "file", "FILESYSTEM_READ"),
    ("function", "add_client_monitoring", "COLLECT_CLIENT"),
    ("function", "add_server_monitoring", "COLLECT_SERVER"),
    ("function", "cancel_flow", "ANY_QUERY"),
    ("function", "client_info", "READ_RESULTS"),
    ("function", "client_metadata", "READ_RESULTS"),
    ("function", "client_set_metadata", "LABEL_CLIENT"),
    ("function", "artifact_delete", "ANY_QUERY"),
    ("function", "artifact_set", "ANY_QUERY"),
    ("function", "artifact_set_metadata", "ARTIFACT_WRITER"),
    ("function", "collect_client", "ANY_QUERY"),
    ("function", "create_flow_download", "PREPARE_RESULTS"),
    ("function", "create_hunt_download", "PREPARE_RESULTS"),
    ("function", "get_client_monitoring", "READ_RESULTS"),
    ("function", "notebook_get", "READ_RESULTS"),
    ("function", "hunt", "COLLECT_CLIENT"),
    ("function", "hunt_add", "START_HUNT"),
    ("function", "hunt_info", "READ_RESULTS"),
    ("function", "hunt_update", "COLLECT_CLIENT"),
    ("function", "mail", "NETWORK"),
    ("function", "org", "ANY_QUERY"),
    ("function", "org_create", "ORG_ADMIN"),
    ("function", "org_delete", "ORG_ADMIN"),
    ("function", "send_event", "SERVER_ADMIN"),
    ("function", "user_create", "SERVER_ADMIN"),
    ("function", "user_grant", "SERVER_ADMIN"),
    ("function", "lockdown", "ANY_QUERY"),
    ("function", "whoami", "ANY_QUERY"),
    ("function", "label", "LABEL_CLIENT"),
    ("function", "rm_client_monitoring", "COLLECT_CLIENT"),
    ("function", "rm_server_monitoring", "COLLECT_SERVER"),
    ("function", "get_server_monitoring", "READ_RESULTS"),
    ("function", "server_metadata", "SERVER_ADMIN"),
    ("function", "server_set_metadata", "SERVER_ADMIN"),
];

/// Commands: what they need, the operation on record, and arguments with which they do no harm. `HOST` acts with the
/// keys in the configuration, `OPEN` shows what is no secret.
const COMMANDS: &[(&str, &str, &str, &[&str])] = &[
    ("config generate", "HOST", "", &[]),
    ("config show", "HOST", "", &[]),
    ("config client", "HOST", "", &[]),
    ("config api_client", "HOST", "", &["--name", "x", "/dev/null/x"]),
    ("config rotate_keys", "HOST", "", &[]),
    ("config reissue_certs", "HOST", "", &[]),
    ("frontend", "HOST", "", &[]),
    ("provision", "HOST", "", &["--board", "qemu-mps2-an386", "/dev/null/x"]),
    ("artifacts list", "OPEN", "", &[]),
    ("artifacts show", "OPEN", "", &["Generic.Client.Info"]),
    ("artifacts verify", "OPEN", "", &[]),
    (
        "artifacts collect",
        "READ_RESULTS COLLECT_CLIENT",
        "ReadResults ScheduleFlow",
        &["Generic.Client.Info", "--client_id", "C.ffffffffffffffff"],
    ),
    (
        "artifacts basic set",
        "ARTIFACT_WRITER COLLECT_CLIENT",
        "artifact_set_metadata",
        &["Linux.Sys.Users"],
    ),
    ("artifacts basic clear", "ARTIFACT_WRITER", "artifact_set_metadata", &["Linux.Sys.Users"]),
    ("artifacts basic list", "READ_RESULTS", "ReadArtifacts", &[]),
    ("artifacts uploads", "READ_RESULTS", "ReadUploads", &["F.1", "--client_id", CLIENT]),
    ("client list", "READ_RESULTS", "ReadClients", &["--limit", "0"]),
    ("client search", "READ_RESULTS", "ReadClients", &["nowhere"]),
    ("client show", "READ_RESULTS", "ReadClients", &[CLIENT]),
    ("client label", "LABEL_CLIENT", "SetClientLabel", &[CLIENT, "x"]),
    ("client note", "LABEL_CLIENT", "SetClientMetadata", &[CLIENT, "x=y"]),
    ("client delete", "SERVER_ADMIN", "client_delete", &[CLIENT]),
    ("flow list", "READ_RESULTS", "ReadResults", &[CLIENT]),
    ("flow cancel", "COLLECT_CLIENT", "CancelFlow", &[CLIENT, FLOW]),
    ("flow relaunch", "READ_RESULTS COLLECT_CLIENT", "ReadResults ScheduleFlow", &[CLIENT, FLOW]),
    ("flow delete", "DELETE_RESULTS", "delete_flow", &[CLIENT, FLOW]),
    ("flow export", "PREPARE_RESULTS", "CreateDownload", &[CLIENT, FLOW, "/dev/null/x"]),
    ("hunt export", "PREPARE_RESULTS", "CreateDownload", &[HUNT, "/dev/null/x"]),
    ("hunt create", "START_HUNT COLLECT_CLIENT", "StartHunt", &["Linux.Sys.Users"]),
    ("hunt list", "READ_RESULTS", "ReadHunts", &[]),
    ("hunt show", "READ_RESULTS", "ReadHunts", &[HUNT]),
    ("hunt pause", "COLLECT_CLIENT", "ModifyHunt", &[HUNT]),
    ("hunt resume", "START_HUNT COLLECT_CLIENT", "StartHunt", &[HUNT]),
    ("hunt stop", "COLLECT_CLIENT", "ModifyHunt", &[HUNT]),
    ("hunt add", "START_HUNT COLLECT_CLIENT", "StartHunt", &[HUNT, CLIENT]),
    ("hunt delete", "SERVER_ADMIN", "hunt_delete", &[HUNT]),
    ("hunt results", "READ_RESULTS", "ReadHunts", &[HUNT]),
    (
        "monitoring client add",
        "COLLECT_CLIENT",
        "ScheduleFlow SetClientMonitoringState",
        &["Generic.Client.Stats"],
    ),
    (
        "monitoring client remove",
        "COLLECT_CLIENT",
        "ScheduleFlow SetClientMonitoringState",
        &["Generic.Client.Stats"],
    ),
    ("monitoring client list", "READ_RESULTS", "ReadMonitoring", &[]),
    ("monitoring server add", "COLLECT_SERVER", "SetServerMonitoringState", &["Not.Here"]),
    ("monitoring server remove", "COLLECT_SERVER", "SetServerMonitoringState", &["Not.Here"]),
    ("monitoring server list", "READ_RESULTS", "ReadMonitoring", &[]),
    ("monitoring server show", "READ_RESULTS", "ReadMonitoring", &["Not.Here"]),
    ("notebook create", "NOTEBOOK_EDITOR", "EditNotebook", &["x"]),
    ("notebook list", "READ_RESULTS", "ReadNotebooks", &[]),
    ("notebook show", "READ_RESULTS", "ReadNotebooks", &[NOTEBOOK]),
    ("notebook add", "NOTEBOOK_EDITOR", "EditNotebook", &[NOTEBOOK, "--markdown", "x"]),
    ("notebook edit", "NOTEBOOK_EDITOR", "EditNotebook", &[NOTEBOOK, "1", "x"]),
    ("notebook remove", "NOTEBOOK_EDITOR", "EditNotebook", &[NOTEBOOK, "1"]),
    ("notebook run", "NOTEBOOK_EDITOR", "EditNotebook", &[NOTEBOOK, "1"]),
    ("notebook cancel", "NOTEBOOK_EDITOR", "EditNotebook", &[NOTEBOOK, "1"]),
    ("notebook share", "NOTEBOOK_EDITOR", "EditNotebook", &["N.GONE"]),
    ("notebook export", "PREPARE_RESULTS", "ExportNotebook", &[NOTEBOOK, "/dev/null/x"]),
    ("notebook delete", "NOTEBOOK_EDITOR", "EditNotebook", &["N.GONE"]),
    ("query", "ANY_QUERY", "Query", &["SELECT 1 FROM scope()"]),
    ("vql list", "OPEN", "", &[]),
    ("vql show", "OPEN", "", &["if"]),
    ("user add", "SERVER_ADMIN", "ManageUsers", &["victim", "--no-password", "--role", "reader"]),
    ("user password", "SERVER_ADMIN", "ManageUsers Update_password", &["victim", "some words"]),
    ("user lock", "SERVER_ADMIN", "ManageUsers user_lock", &["victim"]),
    ("user unlock", "SERVER_ADMIN", "ManageUsers user_unlock", &["victim"]),
    ("user unpin", "SERVER_ADMIN", "ManageUsers identity_unpin", &["victim"]),
    ("user show", "SERVER_ADMIN", "ShowUsers", &["victim"]),
    ("user list", "SERVER_ADMIN", "ShowUsers", &[]),
    ("acl grant", "SERVER_ADMIN", "user_grant", &["victim", "{}"]),
    ("acl show", "SERVER_ADMIN", "ShowUsers", &["victim"]),
    ("completions", "OPEN", "", &["bash"]),
    ("manual", "OPEN", "", &["/nonexistent"]),
    ("acl page", "OPEN", "", &[]),
    ("orgs create", "ORG_ADMIN", "org_create", &["Another"]),
    ("orgs delete", "ORG_ADMIN", "org_delete", &["OGONE", "--really_do_it"]),
    ("orgs list", "ORG_ADMIN", "ReadOrgs", &[]),
    ("orgs show", "ORG_ADMIN", "ReadOrgs", &["OABCD"]),
    ("audit show", "SERVER_ADMIN", "ReadAudit", &["--principal", "-"]),
    ("audit verify", "SERVER_ADMIN", "ReadAudit", &[]),
    ("lockdown show", "READ_RESULTS", "ReadLockdown", &[]),
    ("lockdown ask", "SERVER_ADMIN", "lockdown_exit", &["--minutes", "5", "--reason", "x"]),
    ("lockdown approve", "SERVER_ADMIN", "lockdown_exit", &["1"]),
    ("lockdown end", "SERVER_ADMIN", "lockdown_exit", &[]),
    (
        "audit rotate",
        "SERVER_ADMIN",
        "audit_rotate",
        &["--before", "1971-01-01T00:00:00Z", "/dev/null/x"],
    ),
];

/// Commands that need something else where the server stands in the place of a client.
const OF_THE_SERVER: &[(&str, &str, &str, &[&str])] = &[
    (
        "artifacts collect",
        "READ_RESULTS COLLECT_SERVER",
        "ReadResults ScheduleFlow",
        &["Generic.Client.Info", "--client_id", "server"],
    ),
    ("flow list", "READ_RESULTS", "ReadResults", &["server"]),
    ("flow cancel", "COLLECT_SERVER", "CancelFlow", &["server", FLOW]),
    ("flow relaunch", "READ_RESULTS COLLECT_SERVER", "ReadResults ScheduleFlow", &["server", FLOW]),
    ("flow delete", "DELETE_RESULTS", "delete_flow", &["server", FLOW]),
    ("flow export", "PREPARE_RESULTS", "CreateDownload", &["server", FLOW, "/dev/null/x"]),
];

/// Those of `needs` that somebody lacks, and the words in which that is said.
fn lacking(who: Who, needs: &str, lockdown: bool, elsewhere: bool) -> Option<String> {
    let held = |one: &str| {
        let holders = HOLDERS.iter().find(|(name, _)| *name == one).unwrap().1;
        (holders, who.letter().is_some_and(|letter| holders.contains(letter)))
    };
    if lockdown && needs.split(' ').any(|one| held(one).0.contains('L')) {
        return Some(format!("Server locked down: [{needs}]"));
    }
    match who {
        Who::Server => None,
        Who::Nobody => Some(format!("[{needs}]")),
        Who::Role(_) if elsewhere => Some(format!("[{needs}]")),
        Who::Role(_) if needs.split(' ').all(|one| held(one).1) => None,
        Who::Role(_) => Some(format!("Permission denied: [{needs}]")),
    }
}

#[test]
fn every_plugin_function_and_accessor_allows_whom_the_table_says() {
    let bench = Bench::new();
    let mut tried = 0;
    for &(kind, name, needs) in CALLS {
        for who in Who::all() {
            for (lockdown, elsewhere) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let vql = match kind {
                    "plugin" => format!("SELECT * FROM {name}() LIMIT 1"),
                    "function" => format!("SELECT {name}() AS X FROM scope()"),
                    _ => format!("SELECT read_file(filename='x', accessor='{name}') FROM scope()"),
                };
                let before = bench.last_record(elsewhere);
                let log = bench.query(who, lockdown, elsewhere, &vql);
                let refused: Vec<_> =
                    log.iter().filter(|line| line.contains("PermissionDenied")).collect();
                let told = bench.records_after(elsewhere, before);
                match lacking(who, needs, lockdown, elsewhere) {
                    None => {
                        assert!(
                            refused.is_empty(),
                            "{name} {who:?} {lockdown} {elsewhere}: {log:?}"
                        );
                        assert!(told.iter().all(|record| record.allowed), "{name} {who:?}");
                    }
                    Some(why) => {
                        let asker = match kind {
                            "accessor" => format!("read_file: Accessor {name}"),
                            _ => name.to_owned(),
                        };
                        assert_eq!(refused, [&format!("{asker}: PermissionDenied: {why}")]);
                        let one = told.first().expect("a refusal is on record");
                        assert_eq!((told.len(), one.allowed), (1, false), "{name} {who:?}");
                        assert_eq!(one.principal, who.name());
                        assert_eq!(one.details["call"], name);
                        assert_eq!(one.details["refused"], why);
                    }
                }
                tried += 1;
            }
        }
    }
    println!("{tried} calls");
    assert_eq!(tried, CALLS.len() * 9 * 4);
}

#[test]
fn no_plugin_function_or_accessor_is_missing_in_the_table() {
    let registry = query::registry(&Config::default()).unwrap();
    // What needs nothing and is part of the language cannot reach the server: it has no entry.
    let mut language = Registry::core();
    standard::add(&mut language);
    troodon_parsers::add(&mut language);
    let named = |registry: &Registry| {
        let mut all = BTreeSet::new();
        for one in registry.plugins() {
            let needs = bench::listed(one.entry.permissions);
            all.insert(("plugin", one.entry.name.to_owned(), needs));
        }
        for one in registry.functions() {
            let needs = bench::listed(one.entry.permissions);
            all.insert(("function", one.entry.name.to_owned(), needs));
        }
        for (name, permissions) in registry.accessors() {
            all.insert(("accessor", name.to_owned(), bench::listed(permissions)));
        }
        all
    };
    let plain: BTreeSet<_> =
        named(&language).into_iter().filter(|(_, _, needs)| needs.is_empty()).collect();
    let doors: BTreeSet<_> = named(&registry).difference(&plain).cloned().collect();
    let table: BTreeSet<_> = CALLS
        .iter()
        .map(|(kind, name, needs)| (*kind, (*name).to_owned(), (*needs).to_owned()))
        .collect();
    let difference: Vec<_> = doors.symmetric_difference(&table).collect();
    assert!(
        difference.is_empty(),
        "say in CALLS of tests/doors.rs what these need: {difference:?}"
    );
}

#[test]
fn every_command_has_a_gate_and_is_in_the_table() {
    let commands: BTreeSet<String> = cli::commands().into_iter().collect();
    let gated: BTreeSet<String> = GATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let table: BTreeSet<String> = COMMANDS.iter().map(|row| row.0.to_owned()).collect();
    assert_eq!(commands, gated);
    assert_eq!(commands, table, "say in COMMANDS of tests/doors.rs what it needs");
    for &(name, needs, _, _) in COMMANDS {
        let gate = GATES.iter().find(|(gated, _)| *gated == name).unwrap().1;
        match gate {
            Gate::Host => assert_eq!(needs, "HOST", "{name}"),
            Gate::Open => assert_eq!(needs, "OPEN", "{name}"),
            Gate::Doors(doors) => {
                let asked: BTreeSet<_> = doors
                    .iter()
                    .flat_map(|door| door.permissions())
                    .map(|one| one.name())
                    .collect();
                assert_eq!(asked, needs.split(' ').collect(), "{name}");
            }
        }
    }
}

#[test]
fn every_command_allows_whom_the_table_says() {
    let bench = Bench::new();
    let mut tried = 0;
    for &(command, needs, operations, arguments) in COMMANDS.iter().chain(OF_THE_SERVER) {
        for who in Who::all() {
            let Some(user) = who.user() else { continue };
            match needs {
                "OPEN" => continue,
                "HOST" => {
                    let why = bench.command(Some(user), false, command, arguments).unwrap_err();
                    assert!(why.to_string().ends_with("leave --runas out"), "{command}: {why}");
                    continue;
                }
                _ => {}
            }
            for lockdown in [false, true] {
                bench.prepare(command == "user add");
                let before = bench.last_record(false);
                let done = bench.command(Some(user), lockdown, command, arguments);
                let said = done.err().map(|why| format!("{why:#}")).unwrap_or_default();
                let told = bench.records_after(false, before);
                let own = told.iter().filter(|record| record.principal.eq_ignore_ascii_case(user));
                let missing = needs.split(' ').find_map(|one| lacking(who, one, lockdown, false));
                let verdict = own.clone().all(|record| record.allowed);
                assert_eq!(verdict, missing.is_none(), "{command} {user} {lockdown}: {told:?}");
                assert!(own.clone().count() > 0, "{command} {user}: nothing is on record");
                match missing {
                    None => assert!(!said.contains("PermissionDenied"), "{command} {user}: {said}"),
                    Some(why) => {
                        assert!(said.starts_with("PermissionDenied: "), "{command} {user}: {said}");
                        assert!(said.ends_with(&why), "{command} {user}: {said} and not {why}");
                        let refused = own.clone().find(|record| !record.allowed).unwrap();
                        assert!(operations.contains(&refused.operation), "{command}: {refused:?}");
                    }
                }
                tried += 1;
            }
        }
    }
    println!("{tried} command lines");
    assert!(tried > 200);
}

#[test]
fn no_command_of_who_has_rights_in_the_root_only_reaches_another_organisation() {
    let bench = Bench::new();
    let mut tried = 0;
    for &(command, needs, _, arguments) in COMMANDS {
        let is_of_the_list = command.starts_with("orgs ");
        if ["HOST", "OPEN"].contains(&needs) || is_of_the_list {
            let why = bench.command_in("OABCD", None, false, command, arguments);
            if !["config client", "config api_client"].contains(&command) {
                assert!(why.unwrap_err().to_string().ends_with("leave --org out"), "{command}");
            }
            continue;
        }
        let manages_users = ["user ", "acl grant"].iter().any(|one| command.starts_with(one));
        for who in Who::all() {
            let Some(user) = who.user() else { continue };
            // Who manages organisations manages their users: see tests/orgs.rs.
            if manages_users && who.letter().is_some_and(|letter| "AO".contains(letter)) {
                continue;
            }
            bench.prepare(false);
            let before = [false, true].map(|elsewhere| bench.last_record(elsewhere));
            let said = bench.command_in("OABCD", Some(user), false, command, arguments);
            let said = format!("{:#}", said.unwrap_err());
            assert!(said.starts_with("PermissionDenied: "), "{command} {user}: {said}");
            let mut told = bench.records_after(false, before[0]);
            told.extend(bench.records_after(true, before[1]));
            let own = told.iter().filter(|record| record.principal.eq_ignore_ascii_case(user));
            let refused: Vec<_> = own.filter(|record| !record.allowed).collect();
            assert_eq!(refused.len(), 1, "{command} {user}: {told:?}");
            assert_eq!(refused[0].org, bench::org(true), "{command} {user}");
            tried += 1;
        }
    }
    println!("{tried} command lines");
    assert!(tried > 200);
}

#[test]
fn the_server_s_own_account_passes_every_door_outside_of_lockdown_only() {
    let bench = Bench::new();
    for &(command, needs, _, arguments) in COMMANDS {
        if ["HOST", "OPEN"].contains(&needs) {
            continue;
        }
        bench.prepare(command == "user add");
        let said = |lockdown| {
            let done = bench.command(None, lockdown, command, arguments);
            done.err().map(|why| format!("{why:#}")).unwrap_or_default()
        };
        assert!(!said(false).contains("PermissionDenied"), "{command}");
        let missing = needs.split(' ').find_map(|one| lacking(Who::Server, one, true, false));
        let said = said(true);
        assert_eq!(said.contains("PermissionDenied"), missing.is_some(), "{command}: {said}");
    }
}
