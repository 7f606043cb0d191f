//! Clients in pages: labels of several at once, and deletion.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::id::ClientId;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT};

const OTHER: &str = "C.1123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_are_ticked_get_a_label_and_lose_it() {
    let bench = Bench::new().await;
    bench.add_client(Host { hostname: "web-1".into(), ..Host::default() }).await;
    bench.store.enrol(ClientId::parse(OTHER).unwrap(), vec![1]).await.unwrap();
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let page = ann.get("/clients").await;
    assert_eq!(page.text.matches("name=\"client\"").count(), 2, "{}", page.text);
    let csrf = page.csrf();
    let form = |label: &'static str, action: &'static str| {
        let csrf = csrf.clone();
        let both = [("client", CLIENT.to_owned()), ("client", OTHER.to_owned())];
        let rest = [("csrf", csrf), ("q", "a&b".to_owned())];
        let what = [("label", label.to_owned()), ("action", action.to_owned())];
        [both, rest, what].concat()
    };
    let post = async |browser: &mut super::browser::Browser, fields: &[(&str, String)]| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/clients/labels", &fields).await
    };
    assert_eq!(post(&mut ann, &form("lab", "add")).await.place(), "/clients?q=a%26b");
    let page = ann.get("/clients?q=label%3Alab").await.text;
    assert!(page.contains(CLIENT) && page.contains(OTHER), "{page}");
    assert_eq!(post(&mut ann, &form("lab", "remove")).await.status, StatusCode::SEE_OTHER);
    assert!(ann.get("/clients?q=label%3Alab").await.text.contains("No client fits"));
    for (wrong, status) in [
        (form("", "add"), StatusCode::BAD_REQUEST),
        (form("lab", "add")[2..].to_vec(), StatusCode::BAD_REQUEST),
        (vec![("client", "../x".to_owned())], StatusCode::NOT_FOUND),
    ] {
        assert_eq!(post(&mut ann, &wrong).await.status, status, "{wrong:?}");
    }
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let seen = rita.get("/clients").await;
    assert!(!seen.text.contains("name=\"client\"") && !seen.text.contains("/clients/labels"));
    let mut theirs = form("lab", "add");
    theirs[2].1 = seen.csrf();
    assert_eq!(post(&mut rita, &theirs).await.status, StatusCode::FORBIDDEN);
    assert!(bench.audited().contains(&("SetClientLabel".to_owned(), false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_deleted_by_those_who_may() {
    let bench = Bench::new().await;
    bench.add_client(Host::default()).await;
    let (page, delete) = (format!("/clients/{CLIENT}"), format!("/clients/{CLIENT}/delete"));
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let seen = rita.get(&page).await;
    assert!(!seen.text.contains(&delete));
    let refused = rita.post(&delete, &[("csrf", seen.csrf().as_str())]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let seen = ann.get(&page).await;
    assert!(seen.text.contains(&delete), "{}", seen.text);
    let csrf = seen.csrf();
    assert_eq!(ann.post(&delete, &[("csrf", csrf.as_str())]).await.place(), "/clients");
    assert_eq!(ann.get(&page).await.status, StatusCode::NOT_FOUND);
    let again = ann.post(&delete, &[("csrf", csrf.as_str())]).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert!(bench.audited().contains(&("client_delete".to_owned(), false)));
}
