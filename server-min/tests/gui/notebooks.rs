//! Notebooks in pages: written, run, shared, stopped, taken out.

use hyper::StatusCode;
use troodon_server::model::role::Role;

use super::bench::Bench;
use super::browser::{Browser, Page};

/// Somebody's new notebook; answers its path.
async fn create(browser: &mut Browser) -> String {
    let csrf = browser.get("/notebooks/new").await.csrf();
    let fields = [("csrf", csrf.as_str()), ("name", "Case 7"), ("description", "What happened")];
    browser.post("/notebooks", &fields).await.place().to_owned()
}

/// Adds a cell; answers the number of it and the page that follows.
async fn add(browser: &mut Browser, path: &str, kind: &str, text: &str) -> (String, Page) {
    let csrf = browser.get(path).await.csrf();
    let fields = [("csrf", csrf.as_str()), ("kind", kind), ("text", text)];
    let sent = browser.post(&format!("{path}/cells"), &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
    let (place, cell) = sent.place().split_once("#cell-").unwrap();
    assert_eq!(place, path);
    (cell.to_owned(), browser.get(path).await)
}

async fn act(browser: &mut Browser, path: &str, cell: &str, action: &str, text: &str) -> Page {
    let csrf = browser.get(path).await.csrf();
    let fields = [("csrf", csrf.as_str()), ("action", action), ("text", text)];
    browser.post(&format!("{path}/cells/{cell}"), &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_written_run_moved_taken_out_and_deleted() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert!(ann.get("/notebooks").await.text.contains("There is none of yours"));
    let path = create(&mut ann).await;
    let (_, page) = add(&mut ann, &path, "markdown", "# First\r\n<script>alert(1)</script>").await;
    assert!(page.text.contains("<h1>First</h1>") && !page.text.contains("<script>alert"));
    let query = "SELECT _value AS N, '<b>' AS B FROM range(start=0, end=30)";
    let (cell, page) = add(&mut ann, &path, "vql", query).await;
    assert!(page.text.contains("<td class=\"text\">19</td><td class=\"text\">&#60;b&#62;</td>"));
    assert!(!page.text.contains("<td class=\"text\">20</td>"), "the first rows only");
    assert!(page.text.contains("All 30 rows"));
    let rows = ann.get(&format!("{path}/cells/{cell}?sort=-N&filter=2")).await;
    assert!(rows.text.contains("Rows 1 to 12 of 12"), "{}", rows.text);
    let saved = ann.get(&format!("{path}/cells/{cell}/rows?format=csv")).await;
    assert!(saved.header("content-disposition").starts_with("attachment"));
    assert_eq!(saved.text.lines().count(), 31);
    let wrong = act(&mut ann, &path, &cell, "run", "SELECT FROM").await;
    assert_eq!(wrong.status, StatusCode::SEE_OTHER);
    let page = ann.get(&path).await;
    assert!(
        page.text.contains("line 1, column 8") && page.text.contains("failed"),
        "{}",
        page.text
    );
    act(&mut ann, &path, &cell, "up", "").await;
    let page = ann.get(&path).await.text;
    assert!(page.find("SELECT FROM") < page.find("<h1>First</h1>"));
    let saved = ann.get(&format!("{path}/page")).await;
    assert!(saved.text.contains("<title>Case 7</title>"), "{}", saved.text);
    act(&mut ann, &path, &cell, "remove", "").await;
    assert_eq!(ann.get(&format!("{path}/cells/{cell}")).await.status, StatusCode::NOT_FOUND);
    let csrf = ann.get(&path).await.csrf();
    let gone = ann.post(&format!("{path}/delete"), &[("csrf", csrf.as_str())]).await;
    assert_eq!(gone.place(), "/notebooks");
    assert_eq!(ann.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_is_seen_by_those_it_is_shared_with_and_run_with_their_own_rights() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let mut ben = bench.visitor("ben", Role::Analyst).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let path = create(&mut ann).await;
    let (cell, page) = add(&mut ann, &path, "vql", "SELECT OS FROM info()").await;
    assert!(page.text.contains("linux"), "{}", page.text);
    for other in [&mut ben, &mut rita] {
        assert_eq!(other.get(&path).await.status, StatusCode::NOT_FOUND);
        assert!(!other.get("/notebooks").await.text.contains("Case 7"));
    }
    let csrf = ann.get(&path).await.csrf();
    let share = format!("{path}/share");
    let wrong = ann.post(&share, &[("csrf", csrf.as_str()), ("users", "ben, ../x")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let shared = ann.post(&share, &[("csrf", csrf.as_str()), ("users", "ben, rita")]).await;
    assert_eq!(shared.place(), path);
    let page = rita.get(&path).await;
    assert!(page.text.contains("linux") && !page.text.contains("Add a cell"), "{}", page.text);
    let csrf = page.csrf();
    let forged = [("csrf", csrf.as_str()), ("action", "run"), ("text", "SELECT 1 FROM scope()")];
    let refused = rita.post(&format!("{path}/cells/{cell}"), &forged).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    act(&mut ben, &path, &cell, "run", "SELECT OS FROM info()").await;
    let page = ben.get(&path).await;
    let denied = "PermissionDenied: Permission denied: [MACHINE_STATE]";
    assert!(page.text.contains(denied) && page.text.contains("Run by ben"), "{}", page.text);
    assert!(!page.text.contains("linux"));
    let csrf = page.csrf();
    let delete = ben.post(&format!("{path}/delete"), &[("csrf", csrf.as_str())]).await;
    assert_eq!(delete.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_does_not_end_is_shown_at_once_and_stopped_by_a_button() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let path = create(&mut ann).await;
    let (cell, page) = add(&mut ann, &path, "vql", "SELECT 1 FROM clock(period=3600)").await;
    assert!(page.text.contains("value=\"stop\""), "{}", page.text);
    let stopped = act(&mut ann, &path, &cell, "stop", "").await;
    assert_eq!(stopped.status, StatusCode::SEE_OTHER);
    let page = ann.get(&path).await;
    assert!(page.text.contains("cancelled") && !page.text.contains("value=\"stop\""));
    let forged = [("csrf", "of another session"), ("action", "run"), ("text", "")];
    let refused = ann.post(&format!("{path}/cells/{cell}"), &forged).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(bench.audited().contains(&("EditNotebook".to_owned(), true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn editors_are_told_the_names_that_queries_can_use() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let path = create(&mut ann).await;
    let page = ann.get(&path).await.text;
    assert!(page.contains("data-vql=\"server\"") && page.contains("src=\"/vql.js\""));
    for (host, name) in [("server", "hunt_results"), ("agent", "pslist")] {
        let names = ann.get(&format!("/vql/{host}")).await;
        let names: serde_json::Value = serde_json::from_str(&names.text).unwrap();
        let found = names.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert!(found["doc"].is_string() && found["arguments"].is_array(), "{found}");
    }
    assert_eq!(ann.get("/vql/elsewhere").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.browser().get("/vql/server").await.place(), "/sign-in");
}
