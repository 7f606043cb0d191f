//! Signing in through other servers: who comes in, and every way in which nobody does.

use std::sync::Arc;

use hyper::StatusCode;
use rustls::RootCertStore;
use serde_json::json;
use troodon_server::config::{Config, ProviderKind};
use troodon_server::gui::SignOn;
use troodon_server::identity::Provider;
use troodon_server::model::audit::Record;
use troodon_server::model::id::OrgId;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::password::Hashed;
use troodon_server::totp::Secret;

use super::bench::{Bench, PASSWORD};
use super::browser::{Browser, Page};
use super::provider::{ID, Idp, Lie, SECRET, ann};

const ANN: &str = "ann@example.org";

/// Pages with this authenticator beside others.
fn config(idp: &Idp, more: &str, others: &str) -> Config {
    let text = format!(
        "GUI:\n  public_url: https://troodon.example/app/index.html\n  authenticator:\n    type: Multi\n    \
         sub_authenticators:\n    - {{type: OIDC, oidc_issuer: '{}', oauth_client_id: {ID}, \
         oauth_client_secret: '{SECRET}'{more}}}\n{others}",
        idp.issuer
    );
    Config::parse(&text, "test").unwrap()
}

async fn bench(idp: &Idp, more: &str) -> Bench {
    let config = config(idp, more, "");
    Bench::with(|settings| settings.sign_on = SignOn::of(&config).unwrap()).await
}

/// Makes somebody who has no password.
async fn add(bench: &Bench, name: &str, role: Role) {
    let make = move |accounts: &troodon_server::account::Accounts, name: &_| {
        accounts.add(name, None, &Policy::of([role])).unwrap();
    };
    bench.change_accounts(make, name).await;
}

/// Goes to the provider and comes back.
async fn go(idp: &Idp, browser: &mut Browser) -> Page {
    let away = browser.get("/auth/oidc/login").await;
    if away.status != StatusCode::SEE_OTHER {
        return away;
    }
    let answer = idp.agree(away.place());
    browser.get(&format!("/auth/oidc/callback?{answer}")).await
}

fn records(bench: &Bench) -> Vec<Record> {
    bench.store.audit_records(0, 1_000).unwrap().into_iter().map(|(_, record)| record).collect()
}

/// That nobody came in, that the page says why, and that it is on record.
#[track_caller]
fn assert_refused(bench: &Bench, page: &Page, why: &str) {
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{why}: {}", page.text);
    assert!(page.text.contains(why), "{why}: {}", page.text);
    assert!(!page.header("set-cookie").contains("troodon-session"), "{why}");
    let last = records(bench).pop().unwrap();
    assert_eq!((last.operation.as_str(), last.allowed), ("Invalid identity", false), "{why}");
    assert!(last.details["refused"].as_str().unwrap().contains(&why.replace("&#39;", "'")));
    assert!(!last.details["address"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_comes_in_and_stays_the_same_whatever_the_address_is_later() {
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    add(&bench, ANN, Role::Reader).await;
    let mut browser = bench.browser();
    let page = browser.get("/sign-in").await;
    assert!(page.text.contains("Sign in with OpenID Connect"));
    assert!(!page.text.contains("name=\"password\""), "nobody has one here");
    let away = browser.get("/auth/oidc/login").await;
    let cookie = away.header("set-cookie").to_owned();
    for part in ["troodon-sign-on=", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(away.place().contains("scope=openid+email"), "{}", away.place());
    let back = format!("/auth/oidc/callback?{}", idp.agree(away.place()));
    let page = browser.get(&back).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("content=\"0; url=/\""), "a site that led to itself");
    assert!(page.header("set-cookie").contains("SameSite=Strict"));
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let account = browser.get("/account").await;
    assert!(account.text.contains(&idp.issuer) && !account.text.contains("New password"));
    for operation in ["identity_pin", "Login"] {
        let record = records(&bench).into_iter().find(|one| one.operation == operation).unwrap();
        assert_eq!(record.principal, ANN);
        assert_eq!(record.details["subject"], "s-1");
        assert_eq!(record.details["issuer"], idp.issuer.as_str());
    }
    // The address is another now, and somebody else here has it.
    add(&bench, "rob@example.org", Role::Administrator).await;
    idp.person(json!({"sub": "s-1", "email": "rob@example.org", "email_verified": true}));
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    assert!(browser.get("/account").await.text.contains(ANN));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lie_of_a_provider_lets_anybody_in() {
    let idp = Idp::start().await;
    let bench = bench(&idp, ", tenant: 8f14e45f-ceea-467f-9a5b-0123456789ab").await;
    add(&bench, ANN, Role::Reader).await;
    let mut person = ann();
    person["tid"] = "8F14E45F-ceea-467f-9a5b-0123456789ab".into();
    idp.person(person);
    for (lie, why) in [
        (Lie::Issuer, "Invalid issuer"),
        (Lie::Audience, "Invalid audiences"),
        (Lie::FurtherAudience, "not a trusted audience"),
        (Lie::Expired, "Expired"),
        (Lie::NotYet, "not valid yet (`nbf`)"),
        (Lie::IssuedLater, "not valid yet (`iat`)"),
        (Lie::Unsigned, "No signature found"),
        (Lie::SharedKey, "Disallowed signature algorithm"),
        (Lie::OtherKey, "Signature verification failed"),
        (Lie::NoNonce, "missing nonce"),
        (Lie::OtherNonce, "nonce mismatch"),
        (Lie::OtherTenant, "of another tenant"),
        (Lie::NoSubject, "names no subject"),
        (Lie::NoToken, "there is none"),
        (Lie::HugeToken, "more than 262144 bytes"),
        (Lie::MovedToken, "gives no token"),
    ] {
        idp.lie(lie);
        assert_refused(&bench, &go(&idp, &mut bench.browser()).await, why);
    }
    idp.lie(Lie::None);
    let mut browser = bench.browser();
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_cannot_be_right_is_not_used() {
    for (lie, why) in [
        (Lie::OtherDescription, "unexpected issuer"),
        (Lie::HugeDescription, "more than 262144 bytes"),
        (Lie::SlowDescription, "no answer within 10 seconds"),
        (Lie::MovedDescription, "HTTP status code 303"),
        (Lie::PlainDescription, "is no address with https://"),
    ] {
        let idp = Idp::start().await;
        idp.lie(lie);
        let bench = bench(&idp, "").await;
        let page = bench.browser().get("/auth/oidc/login").await;
        assert_refused(&bench, &page, why);
        // What was refused is not remembered.
        idp.lie(Lie::None);
        let status = bench.browser().get("/auth/oidc/login").await.status;
        assert_eq!(status == StatusCode::SEE_OTHER, lie != Lie::PlainDescription, "{lie:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_never_comes_ends_the_sign_in() {
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    idp.lie(Lie::SlowToken);
    assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "no answer within 10 seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_in_the_browser_that_asked() {
    const ELSEWHERE: &str = "begun in another browser, was used already, or took too long";
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    add(&bench, ANN, Role::Reader).await;
    let mut browser = bench.browser();
    let away = browser.get("/auth/oidc/login").await;
    let back = format!("/auth/oidc/callback?{}", idp.agree(away.place()));
    // Somebody else's browser, which has begun as well, and one without a cookie.
    let mut other = bench.browser();
    other.get("/auth/oidc/login").await;
    assert_refused(&bench, &other.get(&back).await, ELSEWHERE);
    assert_refused(&bench, &bench.browser().get(&back).await, ELSEWHERE);
    // Whoever showed it has used it up.
    assert_refused(&bench, &browser.get(&back).await, ELSEWHERE);
    let away = browser.get("/auth/oidc/login").await;
    let answer = idp.agree(away.place());
    let (state, code) = answer.split_once('&').unwrap();
    let wrong = format!("/auth/oidc/callback?state=0000&{code}");
    assert_refused(&bench, &browser.get(&wrong).await, ELSEWHERE);
    let own = browser.clone();
    let back = format!("/auth/oidc/callback?{state}&{code}");
    assert_eq!(browser.get(&back).await.status, StatusCode::OK);
    assert_refused(&bench, &own.clone().get(&back).await, ELSEWHERE);
    // A code of another sign-in: used, and one that belongs to another challenge.
    let mut browser = bench.browser();
    let away = browser.get("/auth/oidc/login").await;
    let (state, fresh) = idp.agree(away.place()).split_once('&').map(owned).unwrap();
    let page = browser.get(&format!("/auth/oidc/callback?{state}&{code}")).await;
    assert_refused(&bench, &page, "gives no token for this sign-in");
    let away = browser.get("/auth/oidc/login").await;
    let (state, _) = idp.agree(away.place()).split_once('&').map(owned).unwrap();
    let page = browser.get(&format!("/auth/oidc/callback?{state}&{fresh}")).await;
    assert_refused(&bench, &page, "gives no token for this sign-in");
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_or_another_site_says_is_shown_and_does_nothing() {
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    let mut browser = bench.browser();
    let away = browser.get("/auth/oidc/login").await;
    let (state, code) = idp.agree(away.place()).split_once('&').map(owned).unwrap();
    let said = "error=access_denied&error_description=%3Cscript%3E%0A";
    let page = browser.get(&format!("/auth/oidc/callback?{state}&{said}")).await;
    assert_refused(&bench, &page, "the provider says: access_denied");
    assert!(!page.text.contains("<script>"));
    let away = browser.get("/auth/oidc/login").await;
    let (state, _) = idp.agree(away.place()).split_once('&').map(owned).unwrap();
    let mixed = format!("/auth/oidc/callback?{state}&{code}&iss=https://other.example");
    assert_refused(&bench, &browser.get(&mixed).await, "comes from another issuer");
    browser.headers = vec![("sec-fetch-site", "cross-site".to_owned())];
    assert_eq!(browser.get("/auth/oidc/login").await.status, StatusCode::FORBIDDEN);
    for path in ["/auth/google/login", "/auth/oidc/x/login", "/auth/oidc/x/callback?state=1"] {
        assert_eq!(bench.browser().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_finds_nobody_unless_it_is_verified_and_nobody_else_had_it_before() {
    let idp = Idp::start().await;
    let config = config(&idp, "", "    - {type: Basic}\n");
    let bench = Bench::with(|all| all.sign_on = SignOn::of(&config).unwrap()).await;
    let mut boss = bench.visitor("boss", Role::Administrator).await;
    add(&bench, ANN, Role::Reader).await;
    let email = "ann@example.org";
    let unverified = "has not verified the e-mail address ann@example.org";
    for person in [
        json!({"sub": "s-1", "email": email}),
        json!({"sub": "s-1", "email": email, "email_verified": false}),
    ] {
        idp.person(person);
        assert_refused(&bench, &go(&idp, &mut bench.browser()).await, unverified);
    }
    idp.person(json!({"sub": "s-1"}));
    assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "`email` names no user");
    idp.person(json!({"sub": "s-1", "email": "a b@example.org", "email_verified": true}));
    assert_refused(
        &bench,
        &go(&idp, &mut bench.browser()).await,
        "letters that names here have not",
    );
    // The second endpoint says it, of the same subject.
    idp.person(json!({"sub": "s-1"}));
    idp.tell_further(json!({"email": email, "email_verified": true}));
    idp.lie(Lie::OtherPerson);
    assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "about somebody else");
    idp.lie(Lie::None);
    let mut first = bench.browser();
    assert_eq!(go(&idp, &mut first).await.status, StatusCode::OK);
    // The address was given to somebody else at the provider.
    idp.person(json!({"sub": "s-9", "email": email, "email_verified": true}));
    let other = "is tied to another identity";
    assert_refused(&bench, &go(&idp, &mut bench.browser()).await, other);
    let page = boss.get(&format!("/users/{ANN}")).await;
    assert!(page.text.contains("<code>s-1</code>"), "{}", page.text);
    let path = format!("/users/{ANN}/identity");
    assert_eq!(boss.post(&path, &[("csrf", &page.csrf())]).await.status, StatusCode::SEE_OTHER);
    let last = records(&bench).pop().unwrap();
    assert_eq!((last.operation.as_str(), last.principal.as_str()), ("identity_unpin", "boss"));
    assert_eq!(last.details["subject"], "s-1");
    assert_eq!(first.get("/").await.place(), "/sign-in", "its sessions are over");
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_the_locked_and_those_with_passwords_stay_out() {
    let idp = Idp::start().await;
    let config = config(&idp, "", "    - {type: Basic}\n");
    let bench = Bench::with(|all| all.sign_on = SignOn::of(&config).unwrap()).await;
    assert_refused(
        &bench,
        &go(&idp, &mut bench.browser()).await,
        "there is no user `ann@example.org`",
    );
    assert!(bench.store.user(&ANN.parse().unwrap()).unwrap().is_none());
    let mut rob = bench.visitor("rob@example.org", Role::Administrator).await;
    assert!(rob.get("/sign-in").await.text.contains("name=\"password\""));
    idp.person(json!({"sub": "s-2", "email": "ROB@example.org", "email_verified": true}));
    let page = go(&idp, &mut bench.browser()).await;
    assert_refused(&bench, &page, "signs in by password");
    add(&bench, ANN, Role::Reader).await;
    idp.person(ann());
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
    bench.change_accounts(|all, name| all.set_locked(name, true).unwrap(), ANN).await;
    assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "is locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_a_password_none_is_taken() {
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    let set = |all: &troodon_server::account::Accounts, name: &_| {
        let password = Hashed::of(PASSWORD).unwrap();
        all.add(name, Some(password), &Policy::of([Role::Reader])).unwrap();
    };
    bench.change_accounts(set, ANN).await;
    let page = bench.browser().sign_in(ANN, PASSWORD).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.header("set-cookie"), "");
    // Such a password is none, so that it is not in the way.
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
}

const MAP: &str = ", claims: {roles: groups, role_map: {Hunters: {roles: [investigator]}, Readers: {roles: [reader]}}";

#[tokio::test(flavor = "multi_thread")]
async fn roles_come_from_claims_as_the_configuration_maps_them_and_no_others() {
    let idp = Idp::start().await;
    let bench = bench(&idp, &format!("{MAP}}}")).await;
    let groups = |groups: serde_json::Value| {
        let mut person = ann();
        person["groups"] = groups;
        idp.person(person);
    };
    let policy = || bench.store.policy(&ANN.parse().unwrap(), &OrgId::root()).unwrap();
    for none in [json!([]), json!(["administrator", "Other"]), json!(7), json!({"a": "Readers"})] {
        groups(none);
        assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "there is no user");
    }
    groups(json!(["Readers", "administrator"]));
    let mut browser = bench.browser();
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    assert_eq!(policy(), Some(Policy::of([Role::Reader])));
    let made = records(&bench).into_iter().find(|one| one.operation == "user_create").unwrap();
    assert_eq!(made.details["acl"], json!({"roles": ["reader"]}));
    groups(json!("Hunters"));
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    assert_eq!(policy(), Some(Policy::of([Role::Reader, Role::Investigator])));
    let granted = records(&bench).into_iter().filter(|one| one.operation == "user_grant").count();
    assert_eq!(granted, 1);
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    let again = records(&bench).into_iter().filter(|one| one.operation == "user_grant").count();
    assert_eq!(again, 1, "what does not change is not granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_server_and_of_programs_are_not_taken_over() {
    let idp = Idp::start().await;
    let more = format!("{MAP}, username: login}}");
    let bench = bench(&idp, &more).await;
    bench.add_policy("tool", "{\"roles\":[\"administrator\"]}").await;
    for name in ["tool", "VelociraptorServer", "grpc_gw"] {
        idp.person(json!({"sub": "s-1", "login": name, "groups": ["Readers"]}));
        assert_refused(&bench, &go(&idp, &mut bench.browser()).await, "is taken");
    }
    idp.person(json!({"sub": "s-1", "login": "newcomer", "groups": ["Readers"]}));
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_of_an_issuer_comes_in_only_when_the_configuration_says_so() {
    let idp = Idp::start().await;
    let bench = bench(&idp, ", default_roles_for_unknown_user: [reader]").await;
    let mut browser = bench.browser();
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    let policy = bench.store.policy(&ANN.parse().unwrap(), &OrgId::root()).unwrap();
    assert_eq!(policy, Some(Policy::of([Role::Reader])));
    // Who has been here is no newcomer.
    bench.put_policy(ANN, &OrgId::root(), Policy::default()).await;
    assert_eq!(go(&idp, &mut browser).await.status, StatusCode::OK);
    let policy = bench.store.policy(&ANN.parse().unwrap(), &OrgId::root()).unwrap();
    assert_eq!(policy, Some(Policy::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_roles_are_gone_and_lockdown_changes_none() {
    let idp = Idp::start().await;
    let more = format!("{MAP}, override_acls: true}}");
    let mut person = ann();
    person["groups"] = json!(["Readers"]);
    idp.person(person);
    let open = bench(&idp, &more).await;
    add(&open, ANN, Role::Administrator).await;
    let policy = |bench: &Bench| bench.store.policy(&ANN.parse().unwrap(), &OrgId::root()).unwrap();
    assert_eq!(go(&idp, &mut open.browser()).await.status, StatusCode::OK);
    assert_eq!(policy(&open), Some(Policy::of([Role::Reader])));

    let config = config(&idp, &more, "");
    let locked = Bench::with(|all| {
        all.sign_on = SignOn::of(&config).unwrap();
        all.lockdown = true;
    })
    .await;
    assert_refused(&locked, &go(&idp, &mut locked.browser()).await, "makes none in lockdown");
    add(&locked, ANN, Role::Analyst).await;
    assert_eq!(go(&idp, &mut locked.browser()).await.status, StatusCode::OK);
    assert_eq!(policy(&locked), Some(Policy::of([Role::Analyst])));
    let denied = records(&locked).into_iter().find(|one| one.operation == "user_grant").unwrap();
    assert!(!denied.allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_and_a_second_factor_is_asked_for() {
    let idp = Idp::start().await;
    let bench = bench(&idp, "").await;
    add(&bench, ANN, Role::Reader).await;
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
    idp.change_key();
    assert_eq!(go(&idp, &mut bench.browser()).await.status, StatusCode::OK);
    let (store, name) = (bench.store.clone(), ANN.parse().unwrap());
    let begin = move || {
        let secret = troodon_server::account::begin_factor(&store, &name).unwrap();
        let before = troodon_server::store::now_us() - 60_000_000;
        let code = secret.shown(before / 1_000_000);
        troodon_server::account::confirm_factor(&store, &name, &code, before).unwrap();
        secret
    };
    let secret: Secret = tokio::task::spawn_blocking(begin).await.unwrap();
    let mut browser = bench.browser();
    let page = go(&idp, &mut browser).await;
    assert!(page.text.contains("name=\"code\""), "{}", page.text);
    assert!(page.header("set-cookie").starts_with("troodon-sign-in="));
    assert_eq!(browser.clone().get("/").await.place(), "/sign-in");
    let code = secret.shown(troodon_server::store::now_us() / 1_000_000);
    assert_eq!(browser.post("/sign-in/code", &[("code", &code)]).await.place(), "/");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

/// Pages with a provider that answers as GitHub does.
async fn github(idp: &Idp) -> Bench {
    let text = format!(
        "GUI:\n  public_url: https://troodon.example/app/index.html\n  authenticator: {{type: GitHub, \
         oauth_client_id: {ID}, oauth_client_secret: '{SECRET}'}}\n"
    );
    let mut ways = Config::parse(&text, "test").unwrap().sign_on().unwrap();
    let mut provider = ways.providers.pop().unwrap();
    provider.kind = ProviderKind::GitHub { site: idp.issuer.clone(), api: idp.issuer.clone() };
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(crypto);
    let tls = tls.with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let providers = vec![Provider::new(provider, Arc::new(tls))];
    Bench::with(|settings| {
        settings.sign_on = SignOn { passwords: false, providers, certificates: None }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_github_is_its_number() {
    let idp = Idp::start().await;
    let bench = github(&idp).await;
    add(&bench, "octo", Role::Reader).await;
    let go = async |browser: &mut Browser| {
        let away = browser.get("/auth/github/login").await;
        let answer = idp.agree(away.place());
        browser.get(&format!("/auth/github/callback?{answer}")).await
    };
    idp.person(json!({"login": "octo"}));
    assert_refused(&bench, &go(&mut bench.browser()).await, "the account has no number");
    idp.person(json!({"id": 7, "login": "octo"}));
    let mut browser = bench.browser();
    let page = go(&mut browser).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    // Renamed, it is the same account; under its old name, another.
    idp.person(json!({"id": 7, "login": "octopus"}));
    assert_eq!(go(&mut browser).await.status, StatusCode::OK);
    assert!(browser.get("/account").await.text.contains("octo"));
    idp.person(json!({"id": 8, "login": "octo"}));
    assert_refused(&bench, &go(&mut bench.browser()).await, "is tied to another identity");
    idp.person(json!({"id": 9, "login": "stranger"}));
    assert_refused(&bench, &go(&mut bench.browser()).await, "there is no user `stranger`");
}
