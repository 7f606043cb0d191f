//! Users, their rights, and one's own account.

use hyper::StatusCode;
use troodon_server::model::role::Role;
use troodon_server::totp::Secret;

use super::bench::{Bench, PASSWORD};
use super::browser::{Browser, Page};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_a_user_changes_rights_and_locks() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let page = ann.get("/users").await;
    assert!(page.text.contains("like an administrator"));
    let csrf = page.csrf();
    let fields =
        [("csrf", csrf.as_str()), ("name", "rob"), ("password", PASSWORD), ("role", "reader")];
    assert_eq!(ann.post("/users", &fields).await.place(), "/users/rob");
    let again = ann.post("/users", &fields).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert!(again.text.contains("already"));
    let mut rob = bench.browser();
    assert_eq!(rob.sign_in("rob", PASSWORD).await.place(), "/");
    assert!(!rob.get("/").await.text.contains("href=\"/users\""));
    let rights = [
        ("csrf", csrf.as_str()),
        ("role", "reader"),
        ("permission", "label_clients"),
        ("queues", "Server.Test"),
    ];
    assert_eq!(ann.post("/users/rob/rights", &rights).await.place(), "/users/rob");
    let page = ann.get("/users/rob").await;
    for part in ["LABEL_CLIENT", "given by itself", "READ_RESULTS", "Server.Test"] {
        assert!(page.text.contains(part), "{part}");
    }
    let odd = [("csrf", csrf.as_str()), ("role", "king")];
    let odd = ann.post("/users/rob/rights", &odd).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    assert_eq!(rob.get("/").await.status, StatusCode::OK);
    ann.post("/users/rob/lock", &[("csrf", &csrf), ("lock", "Y")]).await;
    assert_eq!(rob.get("/").await.place(), "/sign-in");
    ann.post("/users/rob/lock", &[("csrf", &csrf), ("lock", "N")]).await;
    let set = [("csrf", csrf.as_str()), ("password", "another password")];
    assert_eq!(ann.post("/users/rob/password", &set).await.place(), "/users/rob");
    assert_eq!(rob.sign_in("rob", "another password").await.place(), "/");
    for operation in ["user_create", "user_grant", "user_lock", "user_unlock", "Update password"] {
        assert!(bench.audited().contains(&(operation.to_owned(), true)), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_or_is_offered_what_they_lack() {
    let bench = Bench::new().await;
    bench.visitor("ann", Role::Administrator).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let csrf = rita.get("/").await.csrf();
    for path in ["/users", "/users/ann", "/server"] {
        assert_eq!(rita.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let fields = [("csrf", csrf.as_str()), ("name", "x"), ("role", "administrator"), ("lock", "Y")];
    for path in
        ["", "/rita/rights", "/ann/rights", "/ann/password", "/ann/lock", "/ann/second-factor"]
    {
        let mut fields = fields.to_vec();
        fields.push(("password", PASSWORD));
        let refused = rita.post(&format!("/users{path}"), &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {}", refused.text);
    }
    assert!(bench.audited().contains(&("user_grant".to_owned(), false)));
    // An administrator has not what an organisation's administrator has not given: nothing may be given beyond one's own.
    bench.add_policy("boss", "{\"datastore_access\":true}").await;
    let mut ann = bench.browser();
    ann.sign_in("ann", PASSWORD).await;
    let page = ann.get("/users/boss").await;
    assert!(page.text.contains("you cannot change this account"), "{}", page.text);
    assert!(!page.text.contains("/rights"));
    let page = ann.get("/users/rita").await;
    assert!(!page.text.contains("value=\"datastore_access\""));
    let beyond = [("csrf", page.csrf()), ("permission", "datastore_access".to_owned())];
    let beyond: Vec<(&str, &str)> =
        beyond.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(ann.post("/users/rita/rights", &beyond).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn ones_own_password_takes_the_current_one_and_ends_other_sessions() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Reader).await;
    let mut elsewhere = bench.browser();
    elsewhere.sign_in("ann", PASSWORD).await;
    let csrf = ann.get("/account").await.csrf();
    let change = |current, again| {
        [
            ("csrf", csrf.clone()),
            ("current", current),
            ("password", "a new password".to_owned()),
            ("again", again),
        ]
    };
    let new = || "a new password".to_owned();
    let wrong = post(&mut ann, "/account/password", &change("wrong".to_owned(), new())).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let typo =
        post(&mut ann, "/account/password", &change(PASSWORD.to_owned(), "other".into())).await;
    assert_eq!(typo.status, StatusCode::BAD_REQUEST);
    let done = post(&mut ann, "/account/password", &change(PASSWORD.to_owned(), new())).await;
    assert_eq!(done.place(), "/", "{}", done.text);
    assert_eq!(ann.get("/account").await.status, StatusCode::OK);
    assert_eq!(elsewhere.get("/account").await.place(), "/sign-in");
    assert!(bench.audited().contains(&("Confirm password".to_owned(), true)));
}

async fn post(browser: &mut Browser, path: &str, fields: &[(&str, String)]) -> Page {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(path, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_one_by_one() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Reader).await;
    let mut bob = bench.visitor("bob", Role::Reader).await;
    let mut elsewhere = bench.browser();
    elsewhere.headers = vec![("user-agent", "Elsewhere/1 <b>".to_owned())];
    elsewhere.sign_in("ann", PASSWORD).await;
    let page = ann.get("/account").await;
    assert!(
        page.text.contains("Elsewhere/1 &#60;b&#62;") || page.text.contains("Elsewhere/1 &lt;b")
    );
    let (_, id) = page.text.split_once("name=\"session\" value=\"").unwrap();
    let id = id.split_once('"').unwrap().0.to_owned();
    let csrf = bob.get("/account").await.csrf();
    bob.post("/account/sessions", &[("csrf", &csrf), ("session", &id)]).await;
    assert_eq!(elsewhere.get("/").await.status, StatusCode::OK, "it is not bob's to end");
    ann.post("/account/sessions", &[("csrf", &page.csrf()), ("session", &id)]).await;
    assert_eq!(elsewhere.get("/").await.place(), "/sign-in");
    elsewhere.sign_in("ann", PASSWORD).await;
    ann.post("/account/sessions", &[("csrf", &page.csrf()), ("session", "others")]).await;
    assert_eq!(elsewhere.get("/").await.place(), "/sign-in");
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
}

/// The secret that the page shows, and a code of it.
fn secret(page: &Page) -> Secret {
    let (_, rest) = page.text.split_once("<p><code>").expect("a secret");
    let text = rest.split_once('<').unwrap().0;
    let bits: String = text
        .bytes()
        .map(|letter| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|one| *one == letter))
        .map(|value| format!("{:05b}", value.unwrap()))
        .collect();
    let bytes: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    Secret::kept(&bytes).unwrap()
}

/// What the authenticator shows so many seconds from this moment on.
fn code(secret: &Secret, later: u64) -> String {
    secret.shown(troodon_server::store::now_us() / 1_000_000 + later)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_set_up_asked_for_and_replaced_by_a_recovery_code() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let csrf = ann.get("/account").await.csrf();
    let wrong = ann.post("/account/second-factor", &[("csrf", &csrf), ("current", "x")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let page = ann.post("/account/second-factor", &[("csrf", &csrf), ("current", PASSWORD)]).await;
    assert!(page.text.contains("<svg") && page.header("cache-control").contains("no-store"));
    let secret = secret(&page);
    let first = code(&secret, 0);
    let confirm = |code: &str| [("csrf", csrf.clone()), ("code", code.to_owned())];
    assert!(bench.browser().sign_in("ann", PASSWORD).await.place() == "/", "nothing is confirmed");
    let odd = post(&mut ann, "/account/second-factor/confirm", &confirm("000")).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    let page = post(&mut ann, "/account/second-factor/confirm", &confirm(&first)).await;
    let recovery =
        page.text.split_once("<li><code>").unwrap().1.split_once('<').unwrap().0.to_owned();
    assert_eq!(recovery.len(), 19);
    assert!(ann.get("/account").await.text.contains("Recovery codes left: 10"));

    let mut other = bench.browser();
    let page = other.sign_in("ann", PASSWORD).await;
    assert_eq!((page.status, page.place()), (StatusCode::OK, ""));
    assert!(page.text.contains("/sign-in/code"));
    assert_eq!(other.clone().get("/").await.place(), "/sign-in", "a password is not enough");
    let used = other.post("/sign-in/code", &[("code", &first)]).await;
    assert_eq!(used.status, StatusCode::UNAUTHORIZED, "a code counts once");
    let next = code(&secret, 30);
    assert_eq!(other.post("/sign-in/code", &[("code", &next)]).await.place(), "/");

    let mut third = bench.browser();
    third.sign_in("ann", PASSWORD).await;
    assert_eq!(third.post("/sign-in/code", &[("code", &recovery)]).await.place(), "/");
    assert!(third.get("/account").await.text.contains("Recovery codes left: 9"));
    let mut fourth = bench.browser();
    fourth.sign_in("ann", PASSWORD).await;
    for _ in 0..3 {
        let page = fourth.post("/sign-in/code", &[("code", &recovery)]).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    }
    let over = fourth.post("/sign-in/code", &[("code", &recovery)]).await;
    assert!(over.text.contains("Sign in anew"), "{}", over.text);
    let mut stranger = bench.browser();
    assert!(stranger.post("/sign-in/code", &[("code", &next)]).await.text.contains("anew"));
    for (operation, allowed) in [
        ("Login", true),
        ("Invalid code", false),
        ("Right password", true),
        ("second_factor_begin", true),
    ] {
        assert!(bench.audited().contains(&(operation.to_owned(), allowed)), "{operation}");
    }

    let mut bea = bench.visitor("bea", Role::Administrator).await;
    let page = bea.get("/users/ann").await;
    assert!(page.text.contains("/users/ann/second-factor"));
    bea.post("/users/ann/second-factor", &[("csrf", &page.csrf())]).await;
    assert!(bench.audited().contains(&("second_factor_end".to_owned(), true)));
    let mut fifth = bench.browser();
    let page = fifth.sign_in("ann", PASSWORD).await;
    assert_eq!(page.place(), "/", "{}", page.text);
}
