//! Collections from pages: on the server, and the same once more.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT};

const REPORT: &str = "name: Custom.Report\ntype: SERVER\nparameters:\n- name: Word\n  default: usual\nsources:\n\
                      - query: SELECT Word FROM scope()\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_of_the_server_is_started_seen_and_cancelled_on_its_pages() {
    let bench = Bench::new().await;
    bench.keep_artifact(REPORT).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert!(ann.get("/clients").await.text.contains("href=\"/clients/server\""));
    assert!(ann.get("/clients/server").await.text.contains("Nothing was collected here"));
    let choices = ann.get("/clients/server/collect").await.text;
    assert!(choices.contains("Custom.Report") && !choices.contains("Linux.Sys.Users"), "{choices}");
    let form = ann.get("/clients/server/collect?artifact=Custom.Report").await;
    assert!(form.text.contains("value=\"usual\""), "{}", form.text);
    let csrf = form.csrf();
    let fields = [("csrf", csrf.as_str()), ("artifact", "Custom.Report"), ("p:Word", "own")];
    let made = ann.post("/clients/server/collect", &fields).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let place = made.place().to_owned();
    assert!(place.starts_with("/clients/server/flows/F."), "{place}");
    let shown = ann.get(&place).await.text;
    for part in ["Custom.Report", "RUNNING", "Cancel the collection", "Collect again"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(ann.get("/clients/server").await.text.contains(&place));
    assert_eq!(ann.post(&format!("{place}/cancel"), &fields[..1]).await.place(), place);
    assert!(ann.get(&place).await.text.contains("Cancelled by ann"));

    let mut ivy = bench.visitor("ivy", Role::Investigator).await;
    let seen = ivy.get(&place).await.text;
    assert!(seen.contains("Custom.Report") && !seen.contains("Collect again"), "{seen}");
    assert!(!ivy.get("/clients/server").await.text.contains("/clients/server/collect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_collection_that_is_asked_for_again_has_what_was_given() {
    let bench = Bench::new().await;
    bench.add_client(Host::default()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let path = format!("/clients/{CLIENT}/collect");
    let csrf = ann.get(&format!("{path}?artifact=Generic.File.Search")).await.csrf();
    let fields = [
        ("csrf", csrf.as_str()),
        ("artifact", "Generic.File.Search"),
        ("p:Globs", "Glob\n/very/own/*\n"),
    ];
    let place = ann.post(&path, &fields).await.place().to_owned();
    let flow = place.rsplit('/').next().unwrap();
    let link = format!("{path}?artifact=Generic.File.Search&#38;again={flow}");
    let shown = ann.get(&place).await.text;
    assert!(shown.replace("&amp;", "&#38;").contains(&link), "{link}: {shown}");
    let form = ann.get(&format!("{path}?artifact=Generic.File.Search&again={flow}")).await.text;
    assert!(form.contains("/very/own/*"), "{form}");
    let gone = ann.get(&format!("{path}?artifact=Generic.File.Search&again=F.GONE")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_says_until_when_a_collection_may_begin_and_its_page_shows_that() {
    let bench = Bench::new().await;
    bench.add_client(Host::default()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let path = format!("/clients/{CLIENT}/collect");
    let csrf = ann.get(&format!("{path}?artifact=Linux.Sys.Users")).await.csrf();
    for (hours, status, is_shown) in [
        ("", StatusCode::SEE_OTHER, false),
        ("2", StatusCode::SEE_OTHER, true),
        ("soon", StatusCode::BAD_REQUEST, false),
    ] {
        let fields =
            [("csrf", csrf.as_str()), ("artifact", "Linux.Sys.Users"), ("expire_hours", hours)];
        let made = ann.post(&path, &fields).await;
        assert_eq!(made.status, status, "{hours}: {}", made.text);
        if status == StatusCode::SEE_OTHER {
            let place = made.place().to_owned();
            let shown = ann.get(&place).await.text;
            assert_eq!(shown.contains("unless it has begun"), is_shown, "{hours}: {shown}");
        }
    }
}
