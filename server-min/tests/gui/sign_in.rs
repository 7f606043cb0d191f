//! Who gets in, and for how long.

use hyper::StatusCode;
use troodon_server::limits::ADDRESS_FAILURES;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT, PASSWORD};

const PAGES: [&str; 13] = [
    "/",
    "/clients",
    "/hunts",
    "/hunts/new",
    "/monitoring",
    "/monitoring/events",
    "/clients/C.0123456789abcdef/events",
    "/clients/C.0123456789abcdef",
    "/clients/C.0123456789abcdef/collect",
    "/clients/C.0123456789abcdef/flows/F.1",
    "/artifacts",
    "/artifacts/Generic.Client.Info",
    "/audit",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_to_nobody() {
    let bench = Bench::new().await;
    for path in PAGES {
        for cookie in [None, Some("troodon-session="), Some("troodon-session=0000")] {
            let mut browser = bench.browser();
            browser.cookie = cookie.map(str::to_owned);
            let page = browser.get(path).await;
            assert_eq!((page.status, page.place()), (StatusCode::SEE_OTHER, "/sign-in"), "{path}");
            let page = browser.post("/clients/C.0123456789abcdef/label", &[("add", "x")]).await;
            assert_eq!(page.place(), "/sign-in");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_tells_nothing_and_a_right_one_gives_a_guarded_cookie() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
    let mut stranger = bench.browser();
    let wrong = stranger.sign_in("ann", "wrong").await;
    let nobody = stranger.sign_in("nobody", PASSWORD).await;
    let odd = stranger.sign_in("<script>", PASSWORD).await;
    for page in [&wrong, &nobody, &odd] {
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        assert_eq!(page.header("set-cookie"), "");
        assert!(!page.text.contains("<script>"));
    }
    assert_eq!(wrong.text.replace("ann", "nobody"), nobody.text);
    let right = bench.browser().sign_in("ann", PASSWORD).await;
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    assert!(cookie.contains("Path=/") && !cookie.contains("Secure"), "there is no TLS: {cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_button_with_the_password_and_with_a_lock() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Reader).await;
    let csrf = ann.get("/").await.csrf();
    let before = ann.clone();
    assert_eq!(ann.post("/sign-out", &[("csrf", &csrf)]).await.place(), "/sign-in");
    assert_eq!(before.clone().get("/").await.place(), "/sign-in");

    ann.sign_in("ann", PASSWORD).await;
    bench
        .change_accounts(|all, name| all.set_password(name, "another password").unwrap(), "ann")
        .await;
    assert_eq!(ann.get("/").await.place(), "/sign-in");

    ann.sign_in("ann", "another password").await;
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
    bench.change_accounts(|all, name| all.set_locked(name, true).unwrap(), "ann").await;
    assert_eq!(ann.get("/").await.place(), "/sign-in");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_and_sessions_are_refused() {
    let bench = Bench::new().await;
    bench.add_client(troodon_server::model::client::Host::default()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let mut bob = bench.visitor("bob", Role::Administrator).await;
    let (own, other) = (ann.get("/").await.csrf(), bob.get("/").await.csrf());
    let path = format!("/clients/{CLIENT}/label");
    for csrf in ["", other.as_str()] {
        let page = ann.post(&path, &[("csrf", csrf), ("add", "x")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        ann.headers = vec![(name, value.to_owned())];
        let page = ann.post(&path, &[("csrf", &own), ("add", "x")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        let mut stranger = bench.browser();
        stranger.headers = ann.headers.clone();
        assert_eq!(stranger.sign_in("ann", PASSWORD).await.status, StatusCode::FORBIDDEN);
    }
    ann.headers = vec![("origin", "https://troodon.example".to_owned())];
    assert_eq!(
        ann.post(&path, &[("csrf", &own), ("add", "x")]).await.status,
        StatusCode::SEE_OTHER
    );
    let page = ann.get(&format!("/clients/{CLIENT}")).await;
    assert!(page.text.contains("Take away the label x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_networks_are_kept_out() {
    let bench =
        Bench::with(|settings| settings.allowed = vec!["192.0.2.0/24".parse().unwrap()]).await;
    for path in ["/", "/sign-in", "/style.css"] {
        let page = bench.browser().get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        assert!(page.text.contains("allowed_cidr"));
    }
    let bench =
        Bench::with(|settings| settings.allowed = vec!["127.0.0.0/8".parse().unwrap()]).await;
    assert_eq!(bench.browser().get("/sign-in").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_is_not_listened_to_for_a_while() {
    let bench = Bench::new().await;
    bench.visitor("ann", Role::Reader).await;
    let mut guesser = bench.browser();
    // Names that nobody can have cost no work.
    for _ in 0..ADDRESS_FAILURES {
        assert_eq!(guesser.sign_in("<", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = guesser.sign_in("ann", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("set-cookie"), "");
    let code = guesser.post("/sign-in/code", &[("code", "123456")]).await;
    assert_eq!(code.status, StatusCode::TOO_MANY_REQUESTS);
}
