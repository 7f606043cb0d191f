//! Users, by queries.

use serde_json::json;

use super::bench::{Bench, text};

#[test]
fn queries_make_users_who_may_do_what_they_were_given() {
    let bench = Bench::new();
    bench.rows(
        "SELECT user_create(user='ann', roles=['reader', 'api'], password='secret') FROM scope()",
    );
    let asked = bench.run(&[
        "--runas",
        "ann",
        "query",
        "--format",
        "jsonl",
        "SELECT whoami() AS W FROM scope()",
    ]);
    assert_eq!(text(&asked.stdout), "{\"W\":\"ann\"}\n", "{}", text(&asked.stderr));
    let rows = bench.rows("SELECT name, roles FROM gui_users()");
    assert_eq!(rows, [json!({"name": "ann", "roles": ["reader", "api"]})]);
    let grant = "SELECT user_grant(user='ann', policy=dict(publish_queues=['Custom.Alerts'], read_results=TRUE)) AS P \
                 FROM scope()";
    let policy = json!({"read_results": true, "publish_queues": ["Custom.Alerts"]});
    assert_eq!(bench.rows(grant), [json!({"P": policy})]);
    let made = bench.run(&["query", "SELECT user_create(user='eve', roles='king') FROM scope()"]);
    assert!(text(&made.stderr).contains("no role `king`"), "{}", text(&made.stderr));
}
