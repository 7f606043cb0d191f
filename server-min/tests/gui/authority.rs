//! Who asks, and where: by the session and what its owner chose in it, and by nothing else in a request.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;

use super::bench::{Bench, PASSWORD};

/// What the root's client is called.
const SECRET: &str = "host-of-the-root";

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_chosen_by_its_members_and_forms_stay_in_it() {
    let bench = Bench::new().await;
    let a = bench.add_org("OA").await;
    bench.add_org("OB").await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    bench.add_client(Host { hostname: SECRET.to_owned(), ..Host::default() }).await;
    let page = ann.get("/clients").await;
    assert!(page.text.contains(SECRET) && !page.text.contains("Organisation"), "there is one");
    bench.put_policy("ann", &a, Policy::of([Role::Investigator])).await;
    let page = ann.get("/").await;
    assert!(page.text.contains("Organ OA") && !page.text.contains("Organ OB"), "{}", page.text);
    let of_root = page.csrf();
    // One to which she does not belong, one that is not there, and what is no id.
    for (id, status) in [("OB", 403), ("ONONE", 403), ("../OA", 400)] {
        let answer = ann.post("/organisation", &[("csrf", &of_root), ("org", id)]).await;
        assert_eq!(answer.status.as_u16(), status, "{id}");
        assert!(ann.get("/clients").await.text.contains(SECRET), "{id}: she stays in the root");
    }
    assert!(bench.audited().contains(&("User Unauthorized for Org".to_owned(), false)));
    assert_eq!(ann.post("/organisation", &[("csrf", &of_root), ("org", "OA")]).await.place(), "/");
    let page = ann.get("/clients").await;
    assert!(page.status == StatusCode::OK && !page.text.contains(SECRET), "{}", page.text);
    let of_a = page.csrf();
    assert_ne!(of_root, of_a);
    // What a page of the root offered is not done in OA.
    let stale = [("csrf", of_root.as_str()), ("artifact", "Linux.Sys.Users")];
    assert_eq!(ann.post("/hunts", &stale).await.status, StatusCode::FORBIDDEN);
    let made = ann.post("/hunts", &[("csrf", &of_a), ("artifact", "Linux.Sys.Users")]).await;
    assert!(made.place().starts_with("/hunts/H."), "{}", made.text);
    assert!(ann.get(made.place()).await.text.contains("Linux.Sys.Users"));
    assert!(bench.store.hunts(0, 9).unwrap().is_empty(), "it is OA's");
    assert_eq!(bench.orgs.find(&a).unwrap().unwrap().store.hunts(0, 9).unwrap().len(), 1);
    // An investigator there, she is no administrator there.
    assert_eq!(ann.get("/users").await.status, StatusCode::FORBIDDEN);
    // Nothing in a request but her choice says where she is.
    for address in ["/clients?org_id=root", "/clients?org=root", "/clients?OrgId=OB"] {
        assert!(!ann.get(address).await.text.contains(SECRET), "{address}");
    }
    for header in ["grpc-metadata-orgid", "orgid", "x-org"] {
        ann.headers = vec![(header, "root".to_owned())];
        assert!(!ann.get("/clients").await.text.contains(SECRET), "{header}");
    }
    ann.headers.clear();
    // Without rights in it she is back where she has some, and its forms are void.
    bench.put_policy("ann", &a, Policy::default()).await;
    assert!(ann.get("/clients").await.text.contains(SECRET));
    let late = ann.post("/hunts", &[("csrf", &of_a), ("artifact", "Linux.Sys.Users")]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

/// Identities that a request may claim beside its session.
const CLAIMS: [&str; 7] =
    ["ann", "administrator", "VelociraptorServer", "{\"name\":\"ann\"}", "root", "0", ""];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_a_request_changes_who_asks() {
    let bench = Bench::new().await;
    let ann = bench.visitor("ann", Role::Administrator).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let own = rita.cookie.clone().unwrap();
    let csrf = rita.get("/").await.csrf();
    let mut seed = 0x5eed_u64;
    let mut draw = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    const HEADERS: [&str; 16] = [
        "user",
        "username",
        "grpc-metadata-user",
        "grpc-metadata-username",
        "x-forwarded-user",
        "x-remote-user",
        "remote-user",
        "authorization",
        "x-user",
        "from",
        "x-ssl-client-cn",
        "forwarded",
        "x-forwarded-for",
        "x-original-url",
        "x-http-method-override",
        "via",
    ];
    const FIELDS: [&str; 8] = [
        "user",
        "name",
        "principal",
        "runas",
        "session",
        "creator",
        "effective_principal",
        "token",
    ];
    let foreign = ann.cookie.clone().unwrap();
    let (_, token) = foreign.split_once('=').unwrap();
    let mut tried = 0;
    for round in 0..400 {
        let claim = CLAIMS[draw(CLAIMS.len())];
        let field = FIELDS[draw(FIELDS.len())];
        rita.headers = (0..draw(4)).map(|_| (HEADERS[draw(16)], claim.to_owned())).collect();
        // Further cookies, before or after her own; of the session's name, none is a token that she does not have.
        rita.cookie = Some(match draw(4) {
            0 => format!("{field}={claim}; {own}"),
            1 => format!("{own}; {field}={claim}"),
            2 => format!("{own}; troodon-session={claim}"),
            _ => own.clone(),
        });
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair(field, claim)
            .append_pair(FIELDS[draw(8)], claim)
            .finish();
        let page = rita.get(&format!("/account?{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{round}");
        assert!(page.text.contains(">rita</a>") && !page.text.contains(">ann</a>"), "{round}");
        let users = rita.get(&format!("/users?{query}")).await;
        assert_eq!(users.status, StatusCode::FORBIDDEN, "{round}");
        let fields = [("csrf", csrf.as_str()), (field, claim), ("artifact", "Linux.Sys.Users")];
        let made = rita.post(&format!("/hunts?{query}"), &fields).await;
        assert_eq!(made.status, StatusCode::FORBIDDEN, "{round}: {}", made.text);
        tried += 3;
    }
    // Every changed character of a token opens nothing.
    rita.headers.clear();
    for at in 0..token.len() {
        let mut changed = token.to_owned().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        let changed = String::from_utf8(changed).unwrap();
        rita.cookie = Some(format!("troodon-session={changed}"));
        assert_eq!(rita.get("/account").await.place(), "/sign-in", "{at}");
        tried += 1;
    }
    let records = bench.store.audit_records(0, usize::MAX).unwrap();
    let others =
        records.iter().filter(|(_, one)| !["ann", "rita"].contains(&one.principal.as_str()));
    let others: Vec<_> = others.map(|(_, one)| (&one.principal, &one.operation)).collect();
    assert!(others.iter().all(|(who, _)| who.as_str() == "Server"), "{others:?}");
    println!("{tried} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_leave_lockdown_by_its_page() {
    let bench = Bench::in_lockdown_with_exit(30).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let mut bob = bench.visitor("bob", Role::Administrator).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let page = ann.get("/lockdown").await;
    assert!(
        page.text.contains("30 minutes at most") && page.text.contains("EXECVE"),
        "{}",
        page.text
    );
    assert!(!rita.get("/lockdown").await.text.contains("/lockdown/ask"));
    let of_ann = page.csrf();
    let mut wish = vec![
        ("csrf", of_ann.as_str()),
        ("reason", "to mend it"),
        ("minutes", "5"),
        ("current", "no"),
    ];
    assert_eq!(ann.post("/lockdown/ask", &wish).await.status, StatusCode::FORBIDDEN);
    wish[3].1 = PASSWORD;
    assert_eq!(ann.post("/lockdown/ask", &wish).await.place(), "/lockdown");
    assert!(!ann.get("/lockdown").await.text.contains("/lockdown/approve"), "not by who asked");
    let page = bob.get("/lockdown").await;
    assert!(page.text.contains("to mend it"), "{}", page.text);
    let (_, rest) = page.text.split_once("name=\"request\" value=\"").unwrap();
    let request = rest.split_once('"').unwrap().0.to_owned();
    let of_bob = page.csrf();
    for (browser, csrf, status) in [(&mut ann, &of_ann, 403), (&mut bob, &of_bob, 303)] {
        let fields =
            [("csrf", csrf.as_str()), ("request", request.as_str()), ("current", PASSWORD)];
        assert_eq!(browser.post("/lockdown/approve", &fields).await.status.as_u16(), status);
    }
    assert_eq!(ann.get("/users").await.status, StatusCode::OK);
    assert!(rita.get("/").await.text.contains("Lockdown is left for a time"));
    assert_eq!(rita.get("/users").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bob.post("/lockdown/end", &[("csrf", &of_bob)]).await.place(), "/lockdown");
    assert_eq!(ann.get("/users").await.status, StatusCode::FORBIDDEN);
    for operation in ["lockdown_exit_request", "lockdown_exit_approve", "lockdown_exit_end"] {
        assert!(bench.audited().contains(&(operation.to_owned(), true)), "{operation}");
    }
}
