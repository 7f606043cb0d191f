//! Keys that people make for their programs.

use hyper::StatusCode;
use troodon_server::account::{self, KeyError, Wish};
use troodon_server::limits::{ADDRESS_FAILURES, KEY_DAYS, KEYS};
use troodon_server::model::id::OrgId;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::store::now_us;

use super::bench::{Bench, PASSWORD};
use super::browser::{Browser, Page};
use super::tools::{ROWS, filled};

fn program(bench: &Bench, key: &str) -> Browser {
    let mut program = bench.browser();
    program.headers = vec![("authorization", format!("Bearer {key}"))];
    program
}

async fn make(browser: &mut Browser, fields: &[(&str, &str)]) -> Page {
    let csrf = browser.get("/account").await.csrf();
    let usual =
        [("csrf", csrf.as_str()), ("current", PASSWORD), ("label", "backup"), ("days", "30")];
    let mut all: Vec<_> = usual.to_vec();
    all.retain(|(name, _)| fields.iter().all(|(other, _)| other != name));
    all.extend_from_slice(fields);
    browser.post("/account/keys", &all).await
}

fn shown(page: &Page) -> String {
    let (_, rest) = page.text.split_once("<code>troodon_").expect("a key");
    format!("troodon_{}", rest.split_once('<').unwrap().0)
}

#[track_caller]
fn assert_refused(page: &Page) {
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text);
    assert!(!page.text.contains("4711") && page.header("set-cookie").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_fetches_rows_and_ends() {
    let bench = filled().await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let key = shown(&make(&mut rita, &[]).await);
    assert_eq!(key.len(), "troodon_".len() + 64);
    let page = rita.get("/account").await;
    assert!(page.text.contains("backup") && page.text.contains("never"), "{}", page.text);
    assert!(!page.text.contains(&key));
    let page = program(&bench, &key).get(ROWS).await;
    assert!(page.status == StatusCode::OK && page.text.contains("4711"), "{}", page.text);
    assert_eq!(page.header("set-cookie"), "");
    let page = rita.get("/account").await;
    assert!(page.text.contains("127.0.0.1") && !page.text.contains("never"), "{}", page.text);
    assert!(bench.audited().contains(&("api_key_create".to_owned(), true)));
    let files = std::fs::read_dir(bench.folder()).unwrap().map(|one| one.unwrap().path());
    let files: Vec<_> =
        files.filter(|one| one.is_file()).map(|one| std::fs::read(one).unwrap()).collect();
    let has = |text: &str| {
        files.iter().any(|file| file.windows(text.len()).any(|part| part == text.as_bytes()))
    };
    assert!(has("backup") && !has(&key), "only a hash is kept");
    let (_, rest) = page.text.split_once("name=\"key\" value=\"").unwrap();
    let id = rest.split_once('"').unwrap().0.to_owned();
    // Another's key is nobody else's to end.
    let mut bob = bench.visitor("bob", Role::Administrator).await;
    let csrf = bob.get("/account").await.csrf();
    bob.post("/account/keys/end", &[("csrf", &csrf), ("key", &id)]).await;
    assert_eq!(program(&bench, &key).get(ROWS).await.status, StatusCode::OK);
    let csrf = page.csrf();
    rita.post("/account/keys/end", &[("csrf", &csrf), ("key", &id)]).await;
    assert_refused(&program(&bench, &key).get(ROWS).await);
    assert!(bench.audited().contains(&("api_key_end".to_owned(), true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_changes_nothing_and_opens_no_page_and_nothing_to_a_browser() {
    let bench = filled().await;
    let key = shown(&make(&mut bench.visitor("ann", Role::Administrator).await, &[]).await);
    for path in ["/", "/users", "/account", "/live", "/clients/C.0123456789abcdef"] {
        assert_eq!(program(&bench, &key).get(path).await.place(), "/sign-in", "{path}");
    }
    for path in ["/account/keys", "/clients/C.0123456789abcdef/label", "/users"] {
        let page = program(&bench, &key).post(path, &[("csrf", "")]).await;
        assert_eq!(page.place(), "/sign-in", "{path}");
    }
    for (name, value) in [("sec-fetch-site", "none"), ("origin", "https://troodon.example")] {
        let mut browser = program(&bench, &key);
        browser.headers.push((name, value.to_owned()));
        assert_eq!(browser.get(ROWS).await.place(), "/sign-in", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_never_does_more_than_its_user_does_at_that_moment() {
    let bench = filled().await;
    let org = bench.add_org("OA").await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let key = shown(&make(&mut rita, &[]).await);
    bench.put_policy("rita", &OrgId::root(), Policy::of([Role::ArtifactWriter])).await;
    let page = program(&bench, &key).get(ROWS).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    bench.put_policy("rita", &OrgId::root(), Policy::default()).await;
    bench.put_policy("rita", &org, Policy::of([Role::Reader])).await;
    bench.drop_policy_in("rita", &OrgId::root()).await;
    let page = program(&bench, &key).get(ROWS).await;
    assert!(page.status != StatusCode::OK && !page.text.contains("4711"), "{}", page.text);
    bench.put_policy("rita", &OrgId::root(), Policy::of([Role::Reader])).await;
    assert_eq!(program(&bench, &key).get(ROWS).await.status, StatusCode::OK);
    bench.change_accounts(|all, name| all.set_locked(name, true).unwrap(), "rita").await;
    assert_refused(&program(&bench, &key).get(ROWS).await);
    bench.change_accounts(|all, name| all.set_locked(name, false).unwrap(), "rita").await;
    assert_eq!(program(&bench, &key).get(ROWS).await.status, StatusCode::OK);
    bench
        .change_accounts(|all, name| all.set_password(name, "another horse").unwrap(), "rita")
        .await;
    assert_refused(&program(&bench, &key).get(ROWS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_the_password_a_purpose_and_an_end() {
    let bench = filled().await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    assert_eq!(make(&mut rita, &[("current", "wrong")]).await.status, StatusCode::FORBIDDEN);
    let (long, late) = ("x".repeat(101), (KEY_DAYS + 1).to_string());
    for fields in [("label", ""), ("label", " "), ("label", "a\nb"), ("label", &long)] {
        let page = make(&mut rita, &[fields]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{fields:?}");
    }
    for days in ["0", &late] {
        assert_eq!(make(&mut rita, &[("days", days)]).await.status, StatusCode::BAD_REQUEST);
    }
    let label = "<script>alert(1)</script>";
    let key = shown(&make(&mut rita, &[("label", label)]).await);
    assert!(!rita.get("/account").await.text.contains(label));
    let (store, name) = (bench.store.clone(), "rita".parse().unwrap());
    let fill = move || {
        let wish = || Wish { label: "x".into(), org: OrgId::root(), days: 1 };
        let now = now_us();
        for _ in 1..KEYS {
            account::make_key(&store, &name, wish(), now).unwrap();
        }
        let error = account::make_key(&store, &name, wish(), now).unwrap_err();
        assert!(matches!(error, KeyError::Many), "{error}");
        // Two days later those are over.
        let later = now + 2 * 86_400_000_000;
        let short = account::make_key(&store, &name, wish(), later).unwrap();
        assert!(account::find_key(&store, &short, "x", later).unwrap().is_some());
        let over = later + 86_400_000_000;
        assert!(account::find_key(&store, &short, "x", over).unwrap().is_none());
    };
    tokio::task::spawn_blocking(fill).await.unwrap();
    assert_eq!(program(&bench, &key).get(ROWS).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_keys_becomes_slow() {
    let bench = filled().await;
    let guess = format!("troodon_{}", "0".repeat(64));
    for _ in 0..ADDRESS_FAILURES {
        assert_refused(&program(&bench, &guess).get(ROWS).await);
    }
    let page = program(&bench, &guess).get(ROWS).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
}
