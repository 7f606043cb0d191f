//! Hunts and monitoring, from making to deleting, and what each role is offered of it.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::id::HuntId;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT};

const HASH: [(&str, &str); 2] = [("artifact", "Generic.File.Hash"), ("p:Globs", "Glob\n/etc/x\n")];

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_is_made_led_and_deleted() {
    let bench = Bench::new().await;
    bench.add_client(Host { system: "linux".into(), ..Host::default() }).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert!(ann.get("/hunts").await.text.contains("There was no hunt yet"));
    let form = ann.get("/hunts/new?artifact=Generic.File.Hash").await;
    assert!(form.text.contains("p:Globs") && form.text.contains("name=\"running\""));
    let csrf = form.csrf();
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("labels", "lab, front"),
        ("excluded_labels", "fragile"),
        ("os", "linux"),
        ("client_limit", "7"),
        ("days", "2"),
        ("description", "All of the lab"),
        ("running", "Y"),
    ];
    fields.extend(HASH);
    let made = ann.post("/hunts", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let place = made.place().to_owned();
    let page = ann.get(&place).await;
    for part in ["All of the lab", "RUNNING", "system Linux", "lab, front", "fragile", "at most 7"]
    {
        assert!(page.text.contains(part), "{part}");
    }
    for (state, shown) in [("pause", "PAUSED"), ("run", "RUNNING"), ("stop", "STOPPED")] {
        let done = ann.post(&format!("{place}/state"), &[("csrf", &csrf), ("state", state)]).await;
        assert_eq!(done.place(), place, "{}", done.text);
        assert!(ann.get(&place).await.text.contains(shown), "{shown}");
    }
    let odd = ann.post(&format!("{place}/state"), &[("csrf", &csrf), ("state", "x")]).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    assert!(ann.get("/hunts").await.text.contains("All of the lab"));
    assert!(ann.get("/").await.text.contains("All of the lab"));
    let gone = ann.post(&format!("{place}/delete"), &[("csrf", &csrf)]).await;
    assert_eq!(gone.place(), "/hunts");
    assert_eq!(ann.get(&place).await.status, StatusCode::NOT_FOUND);
    for operation in ["CreateHunt", "ModifyHunt", "hunt_delete"] {
        assert!(bench.audited().contains(&(operation.to_owned(), true)), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_hunt_name_the_client_that_sent_them() {
    let bench = Bench::new().await;
    let host = Host { fqdn: "web-1.example".into(), ..Host::default() };
    let client = bench.add_client(host).await;
    let lines = (0..60).map(|n| format!("{{\"N\":{n},\"ClientId\":\"forged\"}}\n")).collect();
    let flow = bench.add_rows(client, lines).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let hunt = bench.add_hunt("ann", "x", false).await;
    bench.put_into_hunt("ann", &hunt, client, flow).await;
    let page = ann.get(&format!("/hunts/{hunt}")).await;
    assert!(page.text.contains("web-1.example") && page.text.contains(CLIENT));
    assert!(!page.text.contains("forged"), "who sent a row is not for the agent to say");
    assert!(page.text.contains(">49</td>") && !page.text.contains(">50</td>"));
    let page = ann.get(&format!("/hunts/{hunt}?start=50")).await;
    assert!(page.text.contains(">50</td>") && page.text.contains(">59</td>"));
    let page = ann.get(&format!("/hunts/{hunt}?sort=-N&filter=example")).await;
    assert!(page.text.contains(">59</td>") && page.text.contains("of 60"));
    let page = ann.get(&format!("/hunts/{hunt}/clients")).await;
    assert!(page.text.contains(CLIENT) && page.text.contains("/flows/F.1"));
    let rows = ann.get(&format!("/hunts/{hunt}/rows?name=Custom.Rows&format=csv")).await;
    assert_eq!(rows.text.lines().count(), 61);
    assert!(rows.text.starts_with("Fqdn,ClientId,N\r\nweb-1.example,C.0123456789abcdef,0\r\n"));
    let rows = ann.get(&format!("/hunts/{hunt}/rows?name=Custom.Rows")).await;
    assert_eq!(rows.text.lines().count(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_hunt_is_offered_nothing_of_it_and_refused_on_record() {
    let bench = Bench::new().await;
    bench.visitor("ann", Role::Administrator).await;
    let hunt: HuntId = bench.add_hunt("ann", "x", false).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let page = rita.get(&format!("/hunts/{hunt}")).await;
    assert_eq!(page.status, StatusCode::OK);
    let list = rita.get("/hunts").await;
    for offer in ["/state", "/delete", "/hunts/new"] {
        assert!(!page.text.contains(offer) && !list.text.contains(offer), "{offer}");
    }
    assert_eq!(rita.get("/hunts/new").await.status, StatusCode::FORBIDDEN);
    let csrf = page.csrf();
    for (path, state) in [("", ""), ("/state", "run"), ("/state", "pause"), ("/delete", "")] {
        let path =
            if path.is_empty() { "/hunts".to_owned() } else { format!("/hunts/{hunt}{path}") };
        let mut fields = vec![("csrf", csrf.as_str()), ("state", state)];
        fields.extend(HASH);
        let refused = rita.post(&path, &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text);
    }
    for operation in ["CreateHunt", "StartHunt", "ModifyHunt", "hunt_delete"] {
        assert!(bench.audited().contains(&(operation.to_owned(), false)), "{operation}");
    }
    let mut ivy = bench.visitor("ivy", Role::Investigator).await;
    let page = ivy.get(&format!("/hunts/{hunt}")).await;
    assert!(page.text.contains("/state") && !page.text.contains("/delete"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_watch_is_changed_by_label() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let page = ann.get("/monitoring").await;
    assert!(page.text.contains("/monitoring/add"));
    let csrf = page.csrf();
    let form = ann.get("/monitoring/add?artifact=Generic.Client.Stats").await;
    assert!(form.text.contains("name=\"label\""));
    let fields = [
        ("csrf", csrf.as_str()),
        ("artifact", "Generic.Client.Stats"),
        ("label", "Lab"),
        ("p:Frequency", "77"),
    ];
    let added = ann.post("/monitoring/add", &fields).await;
    assert_eq!(added.place(), "/monitoring", "{}", added.text);
    let page = ann.get("/monitoring").await;
    assert!(page.text.contains("Generic.Client.Stats") && page.text.contains("77"));
    assert!(page.text.contains("<span class=\"label\">lab</span>"));
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let seen = rita.get("/monitoring").await;
    assert!(seen.text.contains("Generic.Client.Stats"));
    assert!(!seen.text.contains("/monitoring/add") && !seen.text.contains("/monitoring/remove"));
    let fields = [("csrf", seen.csrf()), ("artifact", "Generic.Client.Stats".to_owned())];
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for path in ["/monitoring/add", "/monitoring/remove"] {
        assert_eq!(rita.post(path, &fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let fields = [("csrf", csrf.as_str()), ("artifact", "Generic.Client.Stats"), ("label", "lab")];
    assert_eq!(ann.post("/monitoring/remove", &fields).await.place(), "/monitoring");
    assert!(!ann.get("/monitoring").await.text.contains("Generic.Client.Stats"));
    for allowed in [true, false] {
        assert!(bench.audited().contains(&("SetClientMonitoringState".to_owned(), allowed)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_shown_within_a_time() {
    let bench = Bench::new().await;
    let client = bench.add_client(Host::default()).await;
    bench.add_event(client, "{\"N\":5,\"_Received\":\"forged\"}\n").await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let events = format!("/clients/{CLIENT}/events");
    let page = rita.get(&events).await;
    assert!(page.text.contains(">5</td>") && !page.text.contains("forged"), "{}", page.text);
    let old = rita.get(&format!("{events}?from=2020-01-01T00:00&until=2020-01-02T00:00")).await;
    assert!(old.text.contains("There are no rows"));
    let odd = rita.get(&format!("{events}?from=yesterday")).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    let rows = rita.get(&format!("{events}/rows?name=Generic.Client.Stats&format=csv")).await;
    assert!(rows.text.starts_with("_Received,N\r\n"), "{}", rows.text);
    // Her sign-in is one; who may read results reads those of the server, as in Velociraptor.
    assert!(rita.get("/monitoring/events").await.text.contains("Server.Audit.Logs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_on_the_server_is_added_and_removed_by_those_who_may_collect_there() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let csrf = ann.get("/artifacts-editor").await.csrf();
    let text = "name: Custom.Beat\ntype: SERVER_EVENT\nparameters:\n- name: Period\n  default: \"60\"\n\
                sources:\n- query: SELECT * FROM clock(period=int(int=Period))\n";
    let kept = [("csrf", csrf.as_str()), ("text", text), ("keep", "Y")];
    assert_eq!(ann.post("/artifacts-editor", &kept).await.place(), "/artifacts/Custom.Beat");
    assert!(ann.get("/monitoring").await.text.contains("/monitoring/server/add"));
    assert!(ann.get("/monitoring/server/add").await.text.contains("?artifact=Custom.Beat"));
    let form = ann.get("/monitoring/server/add?artifact=Custom.Beat").await.text;
    assert!(form.contains("name=\"p:Period\"") && !form.contains("name=\"label\""), "{form}");
    let fields = [("csrf", csrf.as_str()), ("artifact", "Custom.Beat"), ("p:Period", "5")];
    let added = ann.post("/monitoring/server/add", &fields).await;
    assert_eq!(added.place(), "/monitoring", "{}", added.text);
    let page = ann.get("/monitoring").await.text;
    assert!(page.contains("<code>Period</code> 5") && page.contains("<td>ann</td>"), "{page}");
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let seen = rita.get("/monitoring").await;
    assert!(seen.text.contains("Custom.Beat") && !seen.text.contains("/monitoring/server/"));
    let theirs = [("csrf", seen.csrf()), ("artifact", "Custom.Beat".to_owned())];
    let theirs: Vec<_> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for path in ["/monitoring/server/add", "/monitoring/server/remove"] {
        assert_eq!(rita.post(path, &theirs).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let client = [("csrf", csrf.as_str()), ("artifact", "Generic.Client.Stats")];
    let wrong = ann.post("/monitoring/server/add", &client).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let removed = ann.post("/monitoring/server/remove", &fields).await;
    assert_eq!(removed.place(), "/monitoring");
    let again = ann.post("/monitoring/server/remove", &fields).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(bench.audited().contains(&("SetServerMonitoringState".to_owned(), false)));
}
