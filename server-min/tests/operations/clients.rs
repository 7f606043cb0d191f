//! Clients: found, labelled, noted about, removed.

use serde_json::{Value, json};

use super::bench::{Bench, text};

const CLIENT: &str = "C.0000000000000001";

#[test]
fn clients_are_listed_found_and_shown() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.client(number);
    }
    bench.output(&["client", "label", CLIENT, "Lab", "Front"]);
    bench.output(&["client", "label", CLIENT, "front", "--remove"]);
    bench.output(&["client", "note", CLIENT, "owner=ann", "room=12"]);
    bench.output(&["client", "note", CLIENT, "room="]);

    let all: Vec<Value> =
        serde_json::from_str(&bench.output(&["client", "list", "--format", "json"])).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!((&all[0]["labels"], &all[0]["last_seen"]), (&json!("Lab"), &json!("never")));
    let found = bench.run(&["client", "search", "label:lab", "--format", "csv"]);
    assert_eq!(text(&found.stdout).lines().count(), 2, "{}", text(&found.stdout));
    assert!(text(&found.stderr).starts_with("1 of 3 clients in "), "{}", text(&found.stderr));
    let shown: Value = serde_json::from_str(&bench.output(&["client", "show", CLIENT])).unwrap();
    assert_eq!(shown["labels"], json!(["Lab"]));
    assert_eq!(shown["metadata"], json!({"owner": "ann"}));
    assert!(bench.refusal(&["client", "show", "C.00000000000000ff"]).contains("no client C.00"));
}

#[test]
fn notes_can_be_made_by_queries() {
    let bench = Bench::new();
    bench.client(1);
    let rows = bench.rows(&format!(
        "SELECT client_set_metadata(client_id='{CLIENT}', metadata=dict(a='1', b=2, c='x')), \
         client_set_metadata(client_id='{CLIENT}', metadata=dict(c=NULL)), \
         server_set_metadata(metadata=dict(Token='s')) FROM scope()"
    ));
    assert_eq!(rows.len(), 1);
    let rows = bench.rows(&format!(
        "SELECT client_metadata(client_id='{CLIENT}') AS C, server_metadata() AS S FROM scope()"
    ));
    assert_eq!(rows, [json!({"C": {"a": "1", "b": "2"}, "S": {"Token": "s"}})]);
    let records = bench.store.audit_records(0, 100).unwrap();
    let secret = |record: &str| record.contains("\"s\"");
    let told: Vec<_> =
        records.iter().filter(|(_, one)| one.operation == "SetServerMetadata").collect();
    assert!(told.len() == 1 && !secret(&told[0].1.details.to_string()), "{told:?}");
}

#[test]
fn a_deleted_client_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.client(1);
    bench.client(2);
    bench.output(&["client", "label", CLIENT, "Lab"]);
    bench.output(&["client", "note", CLIENT, "a=b"]);
    let collect = ["artifacts", "collect", "Linux.Sys.Users", "--no_wait", "--client_id"];
    let flow = bench.output(&[&collect[..], &[CLIENT]].concat());

    let listed = bench.rows(&format!("SELECT type, name FROM client_delete(client_id='{CLIENT}')"));
    assert_eq!(listed[1], json!({"type": "flow", "name": flow.trim()}));
    assert_eq!(bench.store.client_count().unwrap(), 2);

    assert_eq!(bench.output(&["client", "delete", CLIENT]), format!("{CLIENT} is gone\n"));
    assert!(bench.refusal(&["client", "delete", CLIENT]).contains("there is no client"));
    assert!(bench.rows("SELECT * FROM clients(search='label:lab')").is_empty());
    assert!(bench.rows(&format!("SELECT * FROM flows(client_id='{CLIENT}')")).is_empty());
    let left: i64 = bench
        .store
        .read(|db| {
            let count = |table: &str| -> rusqlite::Result<i64> {
                db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            };
            Ok(count("flow")? + count("task")? + count("client_metadata")?)
        })
        .unwrap();
    assert_eq!(left, 0);

    let gone = "SELECT * FROM client_delete(client_id='C.0000000000000002', really_do_it=TRUE)";
    assert_eq!(bench.rows(gone).len(), 1);
    assert_eq!(bench.store.client_count().unwrap(), 0);
}

#[test]
fn clients_are_changed_only_by_those_who_may() {
    let bench = Bench::new();
    bench.client(1);
    bench.output(&["user", "add", "rita", "secret", "--role", "reader"]);
    assert_eq!(
        bench.output(&["--runas", "rita", "client", "list", "--format", "csv"]).lines().count(),
        2
    );
    for refused in [
        &["client", "label", CLIENT, "x"][..],
        &["client", "note", CLIENT, "x=y"],
        &["client", "delete", CLIENT],
    ] {
        let said = bench.refusal(&[&["--runas", "rita"], refused].concat());
        assert!(said.contains("PermissionDenied: "), "{said}");
    }
    let told = bench.audited("rita");
    let expected = ["ReadClients", "SetClientLabel", "SetClientMetadata", "client_delete"];
    assert_eq!(told, expected.map(|one| (one.to_owned(), one == "ReadClients")));
    assert!(bench.store.client(&CLIENT.parse().unwrap()).unwrap().unwrap().labels.is_empty());
}
