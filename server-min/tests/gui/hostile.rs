//! What a hostile agent says about itself is shown as text, everywhere.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT, ROWS};

const PAYLOADS: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title><svg onload=alert(1)>",
    "{{ 7*7 }}<b>",
    "javascript:alert(1)//</textarea><script>",
];

/// None of the payloads has become markup or an address.
fn assert_inert(text: &str, place: &str) {
    let lower = text.to_lowercase();
    for bad in ["<script>", "<img", "<svg onload", "<b>", "onmouseover='", "javascript:alert(1)\""]
    {
        assert!(!lower.contains(bad), "{place}: {bad} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_payload_is_active_on_any_page() {
    for payload in PAYLOADS {
        let bench = Bench::new().await;
        let field = || payload.to_owned();
        let host = Host {
            hostname: field(),
            fqdn: field(),
            system: field(),
            release: field(),
            architecture: field(),
            client_name: field(),
            client_version: field(),
            ..Host::default()
        };
        let client = bench.add_client(host).await;
        let row = serde_json::json!({ payload: payload, "Nested": {payload: [payload]} });
        let flow_id = bench.add_rows(client, vec![format!("{row}\n")]).await;
        bench.add_file(client, &flow_id, payload, b"<script>alert(1)</script>").await;
        let mut ann = bench.visitor("ann", Role::Administrator).await;
        let csrf = ann.get("/").await.csrf();
        let label = [("csrf", csrf.as_str()), ("add", payload)];
        // A label may be refused, and then it is quoted.
        let labelled = ann.post(&format!("/clients/{CLIENT}/label"), &label).await;
        assert_inert(&labelled.text, "label");
        let encoded: String = form_urlencoded::byte_serialize(payload.as_bytes()).collect();
        let searched = format!("/clients?q={encoded}");
        let client = format!("/clients/{CLIENT}");
        let collect = format!("{client}/collect?artifact=Generic.File.Hash");
        let flow = format!("{client}/flows/F.1");
        let filtered =
            format!("{flow}?filter={}&sort=A", searched.trim_start_matches("/clients?q="));
        let hunt = bench.add_hunt("ann", payload, true).await;
        let id = troodon_server::model::id::ClientId::parse(CLIENT).unwrap();
        bench.put_into_hunt("ann", &hunt, id, flow_id).await;
        bench.add_event(id, &format!("{row}\n")).await;
        let hunt = format!("/hunts/{hunt}");
        let (joined, bytes) = (format!("{hunt}/clients"), format!("{flow}/uploads/0/bytes"));
        let events = format!("{client}/events?filter={encoded}");
        let audit = format!("/audit?who={encoded}&operation={encoded}");
        let text = [("csrf", csrf.as_str()), ("text", payload)];
        assert_inert(&ann.post("/artifacts-editor", &text).await.text, "editor");
        let rows = ann.get(&format!("{flow}/rows?name={ROWS}&format=csv")).await;
        assert_eq!(rows.header("content-type"), "text/csv; charset=utf-8");
        for path in [&hunt, &joined, &bytes, &events, &audit] {
            let page = ann.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
            assert_inert(&page.text, path);
        }
        for path in [
            "/", "/clients", "/hunts", "/account", "/users", &filtered, &searched, &client,
            &collect, &flow, "/audit",
        ] {
            let page = ann.get(path).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert_inert(&page.text, path);
        }
        let file = ann.get(&format!("{flow}/uploads/0")).await;
        assert_eq!(file.header("content-type"), "application/octet-stream");
        assert!(file.header("content-disposition").starts_with("attachment; "));
        let rows = ann.get(&format!("{flow}/rows?name={ROWS}")).await;
        assert_eq!(rows.header("content-type"), "application/x-ndjson");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_the_policy_for_browsers() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    for path in ["/", "/sign-in", "/nothing", "/clients/C.00", "/style.css", "/live.js", "/audit"] {
        let page = ann.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        let is_shared = path.contains('.') && !path.contains("C.");
        assert_eq!(page.header("cache-control") == "no-store", !is_shared, "{path}");
        assert!(!page.text.contains("style=\"") && !page.text.contains("<style"), "{path}");
    }
    let long = "x".repeat(3 << 20);
    let page = ann.post("/sign-in", &[("name", "ann"), ("password", &long)]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(page.header("x-frame-options"), "DENY");
}
