//! Programs that send a name and a password with each request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use troodon_server::gui::SignOn;
use troodon_server::limits::ADDRESS_FAILURES;
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, PASSWORD};
use super::browser::{Browser, Page};

pub const ROWS: &str = "/clients/C.0123456789abcdef/flows/F.1/rows?name=Custom.Rows&format=jsonl";

pub async fn filled() -> Bench {
    let bench = Bench::new().await;
    fill(&bench).await;
    bench
}

async fn fill(bench: &Bench) {
    let client = bench.add_client(Host::default()).await;
    bench.add_rows(client, vec!["{\"A\":4711}\n".to_owned()]).await;
}

fn tool(bench: &Bench, name: &str, password: &str) -> Browser {
    let mut tool = bench.browser();
    let both = STANDARD.encode(format!("{name}:{password}"));
    tool.headers = vec![("authorization", format!("Basic {both}"))];
    tool
}

#[track_caller]
fn assert_refused(page: &Page) {
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text);
    assert!(page.header("www-authenticate").starts_with("Basic realm="));
    assert_eq!(page.header("set-cookie"), "");
    assert!(!page.text.contains("4711"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_fetches_rows_with_a_name_and_a_password_and_gets_no_session() {
    let bench = filled().await;
    bench.visitor("rita", Role::Reader).await;
    let before = bench.store.sessions(&"rita".parse().unwrap()).unwrap().len();
    let page = tool(&bench, "rita", PASSWORD).get(ROWS).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("4711"), "{}", page.text);
    assert_eq!(page.header("set-cookie"), "");
    assert_eq!(bench.store.sessions(&"rita".parse().unwrap()).unwrap().len(), before);
    assert_refused(&tool(&bench, "rita", "wrong").get(ROWS).await);
    assert_refused(&tool(&bench, "nobody", PASSWORD).get(ROWS).await);
    assert_refused(&tool(&bench, "<", PASSWORD).get(ROWS).await);
    assert!(bench.audited().contains(&("Invalid password".to_owned(), false)));
    // Rights are those of the user.
    bench.visitor("wren", Role::ArtifactWriter).await;
    let page = tool(&bench, "wren", PASSWORD).get(ROWS).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    bench.change_accounts(|all, name| all.set_locked(name, true).unwrap(), "rita").await;
    assert_refused(&tool(&bench, "rita", PASSWORD).get(ROWS).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_a_request_opens_nothing_else_and_nothing_to_a_browser() {
    let bench = filled().await;
    bench.visitor("ann", Role::Administrator).await;
    for path in ["/", "/users", "/account", "/live", "/clients/C.0123456789abcdef"] {
        let page = tool(&bench, "ann", PASSWORD).get(path).await;
        assert_eq!((page.status, page.place()), (StatusCode::SEE_OTHER, "/sign-in"), "{path}");
    }
    let path = "/clients/C.0123456789abcdef/label";
    let page = tool(&bench, "ann", PASSWORD).post(path, &[("csrf", ""), ("add", "x")]).await;
    assert_eq!(page.place(), "/sign-in");
    for (name, value) in [
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("origin", "https://troodon.example"),
        ("referer", "https://troodon.example/"),
    ] {
        let mut browser = tool(&bench, "ann", PASSWORD);
        browser.headers.push((name, value.to_owned()));
        assert_eq!(browser.get(ROWS).await.place(), "/sign-in", "{name}");
    }
    let mut browser = tool(&bench, "ann", PASSWORD);
    browser.cookie = Some("troodon-session=0000".to_owned());
    assert_eq!(browser.get(ROWS).await.place(), "/sign-in");
    for odd in ["Basic", "Basic !", "Bearer", "Digest a=b"] {
        let mut browser = bench.browser();
        browser.headers = vec![("authorization", odd.to_owned())];
        assert_eq!(browser.get(ROWS).await.place(), "/sign-in", "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_not_gone_around_and_guessing_becomes_slow() {
    let bench = filled().await;
    bench.visitor("rita", Role::Reader).await;
    let (store, name) = (bench.store.clone(), "rita".parse().unwrap());
    let begin = move || {
        let secret = troodon_server::account::begin_factor(&store, &name).unwrap();
        let now = troodon_server::store::now_us();
        let code = secret.shown(now / 1_000_000);
        troodon_server::account::confirm_factor(&store, &name, &code, now).unwrap();
    };
    tokio::task::spawn_blocking(begin).await.unwrap();
    assert_refused(&tool(&bench, "rita", PASSWORD).get(ROWS).await);
    for _ in 1..ADDRESS_FAILURES {
        assert_refused(&tool(&bench, "<", PASSWORD).get(ROWS).await);
    }
    let page = tool(&bench, "rita", PASSWORD).get(ROWS).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    // The form does not listen either.
    let page = bench.browser().sign_in("rita", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_a_password_programs_have_none_either() {
    let no_passwords = SignOn { passwords: false, ..SignOn::default() };
    let bench = Bench::with(|settings| settings.sign_on = no_passwords).await;
    fill(&bench).await;
    let make = |all: &troodon_server::account::Accounts, name: &_| {
        let password = troodon_server::password::Hashed::of(PASSWORD).unwrap();
        let policy = troodon_server::model::policy::Policy::of([Role::Reader]);
        all.add(name, Some(password), &policy).unwrap();
    };
    bench.change_accounts(make, "rita").await;
    assert_refused(&tool(&bench, "rita", PASSWORD).get(ROWS).await);
}
