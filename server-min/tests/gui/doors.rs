//! Every page and every form, tried as every role, in and out of lockdown, here and in another organisation.
//!
//! The table is written by hand from what each page should need. A route that is in the program and not in the table is
//! an error.

use std::collections::BTreeSet;

use hyper::StatusCode;
use troodon_server::model::audit::Record;
use troodon_server::model::client::Host;
use troodon_server::model::id::OrgId;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;

use super::bench::Bench;
use super::browser::{Browser, Page};

/// What the root's client is called: nobody of another organisation sees it.
const SECRET: &str = "host-of-the-root";

/// A definition that one page removes.
const KEPT: &str = "name: Custom.Kept\nsources:\n- query: SELECT 1 FROM scope()\n";

/// Administrator, Reader, aNalyst, Investigator, artifact Writer, aPi, Org admin; `L` when lockdown denies it.
const HOLDERS: &[(&str, &str)] = &[
    ("READ_RESULTS", "ARNIP"),
    ("LABEL_CLIENT", "ANIL"),
    ("COLLECT_CLIENT", "AIL"),
    ("COLLECT_SERVER", "AL"),
    ("NOTEBOOK_EDITOR", "ANI"),
    ("PREPARE_RESULTS", "ANI"),
    ("START_HUNT", "AIL"),
    ("SERVER_ADMIN", "AL"),
    ("ARTIFACT_WRITER", "AWL"),
];

/// Method, route, path below it, what it needs, and fields of its form. `OPEN` needs no session, `OWN` is about the
/// visitor alone, `ROOT` marks what rights in the root decide.
pub const PAGES: &[(&str, &str, &str, &str, &str)] = &[
    ("GET", "/", "/", "READ_RESULTS", ""),
    ("GET", "/clients", "/clients", "READ_RESULTS", ""),
    ("GET", "/sign-in", "/sign-in", "OPEN", ""),
    ("POST", "/sign-in", "/sign-in", "OPEN", ""),
    ("POST", "/sign-in/code", "/sign-in/code", "OPEN", ""),
    ("POST", "/sign-in/certificate", "/sign-in/certificate", "OPEN", ""),
    ("GET", "/auth/{kind}/login", "/auth/oidc/login", "OPEN", ""),
    ("GET", "/auth/{kind}/callback", "/auth/oidc/callback", "OPEN", ""),
    ("GET", "/auth/{kind}/{name}/login", "/auth/oidc/x/login", "OPEN", ""),
    ("GET", "/auth/{kind}/{name}/callback", "/auth/oidc/x/callback", "OPEN", ""),
    ("POST", "/sign-out", "/sign-out", "OWN", ""),
    ("GET", "/clients/server", "/clients/server", "READ_RESULTS", ""),
    ("GET", "/clients/{client}", "/clients/C.0123456789abcdef", "READ_RESULTS", ""),
    (
        "POST",
        "/clients/{client}/label",
        "/clients/C.0123456789abcdef/label",
        "LABEL_CLIENT",
        "add=x",
    ),
    ("POST", "/clients/{client}/delete", "/clients/C.ffffffffffffffff/delete", "SERVER_ADMIN", ""),
    (
        "POST",
        "/clients/labels",
        "/clients/labels",
        "LABEL_CLIENT",
        "client=C.0123456789abcdef&label=x",
    ),
    (
        "GET",
        "/clients/{client}/collect",
        "/clients/C.0123456789abcdef/collect",
        "COLLECT_CLIENT",
        "",
    ),
    (
        "POST",
        "/clients/{client}/collect",
        "/clients/C.0123456789abcdef/collect",
        "COLLECT_CLIENT",
        "artifact=Linux.Sys.Users",
    ),
    (
        "GET",
        "/clients/{client}/flows/{flow}",
        "/clients/C.0123456789abcdef/flows/F.1",
        "READ_RESULTS",
        "",
    ),
    (
        "POST",
        "/clients/{client}/flows/{flow}/cancel",
        "/clients/C.0123456789abcdef/flows/F.1/cancel",
        "COLLECT_CLIENT",
        "",
    ),
    (
        "GET",
        "/clients/{client}/flows/{flow}/rows",
        "/clients/C.0123456789abcdef/flows/F.1/rows?name=A.B",
        "READ_RESULTS",
        "",
    ),
    (
        "GET",
        "/clients/{client}/flows/{flow}/uploads/{upload}",
        "/clients/C.0123456789abcdef/flows/F.1/uploads/0",
        "READ_RESULTS",
        "",
    ),
    (
        "GET",
        "/clients/{client}/flows/{flow}/uploads/{upload}/bytes",
        "/clients/C.0123456789abcdef/flows/F.1/uploads/0/bytes",
        "READ_RESULTS",
        "",
    ),
    ("GET", "/clients/{client}/events", "/clients/C.0123456789abcdef/events", "READ_RESULTS", ""),
    (
        "GET",
        "/clients/{client}/events/rows",
        "/clients/C.0123456789abcdef/events/rows?name=A.B",
        "READ_RESULTS",
        "",
    ),
    ("GET", "/hunts", "/hunts", "READ_RESULTS", ""),
    ("POST", "/hunts", "/hunts", "COLLECT_CLIENT", "artifact=Linux.Sys.Users"),
    ("GET", "/hunts/new", "/hunts/new", "COLLECT_CLIENT", ""),
    ("GET", "/hunts/{hunt}", "/hunts/H.1", "READ_RESULTS", ""),
    ("GET", "/hunts/{hunt}/clients", "/hunts/H.1/clients", "READ_RESULTS", ""),
    ("GET", "/hunts/{hunt}/rows", "/hunts/H.1/rows?name=A.B", "READ_RESULTS", ""),
    ("POST", "/hunts/{hunt}/state", "/hunts/H.1/state", "COLLECT_CLIENT", "state=pause"),
    ("POST", "/hunts/{hunt}/delete", "/hunts/H.1/delete", "SERVER_ADMIN", ""),
    ("GET", "/monitoring", "/monitoring", "READ_RESULTS", ""),
    ("GET", "/monitoring/add", "/monitoring/add", "COLLECT_CLIENT", ""),
    (
        "POST",
        "/monitoring/add",
        "/monitoring/add",
        "COLLECT_CLIENT",
        "artifact=Generic.Client.Stats",
    ),
    ("GET", "/monitoring/server/add", "/monitoring/server/add", "COLLECT_SERVER", ""),
    (
        "POST",
        "/monitoring/server/add",
        "/monitoring/server/add",
        "COLLECT_SERVER",
        "artifact=Not.Here",
    ),
    (
        "POST",
        "/monitoring/server/remove",
        "/monitoring/server/remove",
        "COLLECT_SERVER",
        "artifact=Not.Here",
    ),
    (
        "POST",
        "/monitoring/remove",
        "/monitoring/remove",
        "COLLECT_CLIENT",
        "artifact=Generic.Client.Stats",
    ),
    ("GET", "/monitoring/events", "/monitoring/events", "READ_RESULTS", ""),
    ("GET", "/monitoring/events/rows", "/monitoring/events/rows?name=A.B", "READ_RESULTS", ""),
    ("GET", "/notebooks", "/notebooks", "READ_RESULTS", ""),
    ("POST", "/notebooks", "/notebooks", "NOTEBOOK_EDITOR", "name=x"),
    ("GET", "/notebooks/new", "/notebooks/new", "NOTEBOOK_EDITOR", ""),
    ("GET", "/notebooks/{notebook}", "/notebooks/N.GONE", "READ_RESULTS", ""),
    ("POST", "/notebooks/{notebook}/share", "/notebooks/N.GONE/share", "NOTEBOOK_EDITOR", ""),
    ("POST", "/notebooks/{notebook}/delete", "/notebooks/N.GONE/delete", "NOTEBOOK_EDITOR", ""),
    ("GET", "/notebooks/{notebook}/page", "/notebooks/N.GONE/page", "PREPARE_RESULTS", ""),
    (
        "POST",
        "/notebooks/{notebook}/cells",
        "/notebooks/N.GONE/cells",
        "NOTEBOOK_EDITOR",
        "kind=md",
    ),
    ("GET", "/notebooks/{notebook}/cells/{cell}", "/notebooks/N.GONE/cells/1", "READ_RESULTS", ""),
    (
        "POST",
        "/notebooks/{notebook}/cells/{cell}",
        "/notebooks/N.GONE/cells/1",
        "NOTEBOOK_EDITOR",
        "action=save",
    ),
    (
        "GET",
        "/notebooks/{notebook}/cells/{cell}/rows",
        "/notebooks/N.GONE/cells/1/rows",
        "READ_RESULTS",
        "",
    ),
    ("GET", "/artifacts", "/artifacts", "READ_RESULTS", ""),
    ("GET", "/artifacts/{name}", "/artifacts/Linux.Sys.Users", "READ_RESULTS", ""),
    (
        "POST",
        "/artifacts/{name}/delete",
        "/artifacts/Custom.Kept/delete",
        "ROOT ARTIFACT_WRITER",
        "",
    ),
    ("GET", "/artifacts-editor", "/artifacts-editor", "ROOT ARTIFACT_WRITER", ""),
    (
        "POST",
        "/artifacts-editor",
        "/artifacts-editor",
        "ROOT ARTIFACT_WRITER",
        "keep=Y&text=name:+Custom.Kept%0Asources:%0A-+query:+SELECT+1+FROM+scope()%0A",
    ),
    ("GET", "/lockdown", "/lockdown", "READ_RESULTS", ""),
    ("POST", "/lockdown/ask", "/lockdown/ask", "ROOT SERVER_ADMIN", "minutes=5&reason=x"),
    ("POST", "/lockdown/approve", "/lockdown/approve", "ROOT SERVER_ADMIN", "request=1"),
    ("POST", "/lockdown/end", "/lockdown/end", "ROOT SERVER_ADMIN", ""),
    ("POST", "/organisation", "/organisation", "OWN", "org=root"),
    ("GET", "/account", "/account", "OWN", ""),
    ("POST", "/account/password", "/account/password", "OWN", ""),
    ("POST", "/account/sessions", "/account/sessions", "OWN", ""),
    ("POST", "/account/keys", "/account/keys", "OWN", ""),
    ("POST", "/account/keys/end", "/account/keys/end", "OWN", ""),
    ("POST", "/account/second-factor", "/account/second-factor", "OWN", ""),
    ("POST", "/account/second-factor/confirm", "/account/second-factor/confirm", "OWN", ""),
    ("POST", "/account/second-factor/end", "/account/second-factor/end", "OWN", ""),
    ("GET", "/users", "/users", "SERVER_ADMIN", ""),
    ("POST", "/users", "/users", "SERVER_ADMIN", "name=victim&role=reader"),
    ("GET", "/users/{user}", "/users/victim", "SERVER_ADMIN", ""),
    ("POST", "/users/{user}/rights", "/users/victim/rights", "SERVER_ADMIN", "role=reader"),
    (
        "POST",
        "/users/{user}/password",
        "/users/victim/password",
        "SERVER_ADMIN",
        "password=some+words",
    ),
    ("POST", "/users/{user}/second-factor", "/users/victim/second-factor", "SERVER_ADMIN", ""),
    ("POST", "/users/{user}/identity", "/users/victim/identity", "SERVER_ADMIN", ""),
    ("POST", "/users/{user}/lock", "/users/victim/lock", "SERVER_ADMIN", "lock=N"),
    ("GET", "/server", "/server", "ROOT SERVER_ADMIN", ""),
    ("GET", "/audit", "/audit", "SERVER_ADMIN", ""),
    ("GET", "/style.css", "/style.css", "OPEN", ""),
    // Its answer does not end.
    ("GET", "/live", "/live", "OWN", ""),
    ("GET", "/live.js", "/live.js", "OPEN", ""),
    ("GET", "/vql.js", "/vql.js", "OPEN", ""),
    ("GET", "/vql/{host}", "/vql/server", "OWN", ""),
    ("GET", "/icon.svg", "/icon.svg", "OPEN", ""),
];

/// Routes that need something else where the server stands in the place of a client.
const OF_THE_SERVER: &[(&str, &str, &str, &str, &str)] = &[
    ("GET", "/clients/{client}/collect", "/clients/server/collect?artifact=", "COLLECT_SERVER", ""),
    (
        "POST",
        "/clients/{client}/collect",
        "/clients/server/collect",
        "COLLECT_SERVER",
        "artifact=Linux.Sys.Users",
    ),
    (
        "POST",
        "/clients/{client}/flows/{flow}/cancel",
        "/clients/server/flows/F.1/cancel",
        "COLLECT_SERVER",
        "",
    ),
    ("GET", "/clients/{client}/flows/{flow}", "/clients/server/flows/F.1", "READ_RESULTS", ""),
];

fn letter(role: Role) -> char {
    match role {
        Role::OrgAdmin => 'O',
        Role::Administrator => 'A',
        Role::Reader => 'R',
        Role::Analyst => 'N',
        Role::Investigator => 'I',
        Role::ArtifactWriter => 'W',
        Role::Api => 'P',
    }
}

/// The words with which a page is refused; `None` when it is shown.
fn refusal(role: Option<Role>, needs: &str, lockdown: bool) -> Option<String> {
    let needs = needs.trim_start_matches("ROOT ");
    let (_, holders) = HOLDERS.iter().find(|(name, _)| *name == needs).unwrap();
    match role {
        _ if lockdown && holders.contains('L') => Some(format!("Server locked down: [{needs}]")),
        None => Some(format!("[{needs}]")),
        Some(role) if holders.contains(letter(role)) => None,
        Some(_) => Some(format!("Permission denied: [{needs}]")),
    }
}

#[test]
fn no_route_is_missing_in_the_table() {
    let source = include_str!("../../src/gui/routes.rs");
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut routes = BTreeSet::new();
    for part in source.split(".route(").skip(1) {
        let Some((path, handlers)) =
            part.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'))
        else {
            // The first page, without its slash.
            assert!(part.starts_with("&format!(\"{base}/\")"), "{part}");
            continue;
        };
        for (method, call) in [("GET", "get("), ("POST", "post(")] {
            if handlers.contains(call) {
                routes.insert((method, path));
            }
        }
    }
    let table: BTreeSet<_> = PAGES.iter().map(|page| (page.0, page.1)).collect();
    assert_eq!(table.len(), PAGES.len(), "each once");
    assert_eq!(routes, table, "say in PAGES of tests/gui/doors.rs what they need");
    // A handler that is not behind one of these two words would be overseen.
    for other in ["put(", "delete(", "patch(", "any(", "route_service(", "nest_service(", "on("] {
        assert!(!source.contains(&format!(" {other}")), "{other}");
    }
}

async fn call(browser: &mut Browser, page: &(&str, &str, &str, &str, &str), csrf: &str) -> Page {
    let (method, _, path, _, fields) = page;
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(fields.as_bytes()).into_owned().collect();
    let mut all = vec![("csrf", csrf)];
    all.extend(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    match *method {
        "GET" => browser.get(path).await,
        _ => browser.post(path, &all).await,
    }
}

fn records_of(bench: &Bench, name: &str, after: u64) -> Vec<Record> {
    let all = bench.store.audit_records(after, usize::MAX).unwrap().into_iter();
    let own = all.filter(|(_, one)| one.principal.eq_ignore_ascii_case(name));
    own.map(|(_, one)| one).collect()
}

fn last(bench: &Bench) -> u64 {
    bench.store.audit_records(0, usize::MAX).unwrap().last().map_or(0, |(number, _)| *number)
}

/// Somebody with a role in an organisation, or with none, signed in.
async fn visitor(bench: &Bench, name: &str, org: &OrgId, role: Option<Role>) -> Browser {
    let mut browser = bench.visitor(name, role.unwrap_or(Role::Reader)).await;
    bench.put_policy(name, &OrgId::root(), Policy::default()).await;
    if let Some(role) = role {
        bench.put_policy(name, org, Policy::of([role])).await;
    }
    if role.is_none() {
        bench.drop_policy(name).await;
    }
    assert_eq!(browser.get("/account").await.status, StatusCode::OK);
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_shown_to_whom_the_table_says() {
    let mut tried = 0;
    for lockdown in [false, true] {
        let bench = Bench::with(|settings| settings.lockdown = lockdown).await;
        let host = Host { hostname: SECRET.to_owned(), ..Host::default() };
        let client = bench.add_client(host).await;
        bench.add_rows(client, vec!["{\"A\":1}\n".to_owned()]).await;
        bench.visitor("victim", Role::Reader).await;
        for role in Role::ALL.map(Some).into_iter().chain([None]) {
            let name = role.map_or("nobody", Role::name);
            let mut browser = visitor(&bench, name, &OrgId::root(), role).await;
            let csrf = browser.get("/account").await.csrf();
            let pages = PAGES.iter().chain(OF_THE_SERVER);
            for page in pages.filter(|page| !["OPEN", "OWN"].contains(&page.3)) {
                if page.2.contains("Custom.Kept") {
                    bench.keep_artifact(KEPT).await;
                }
                let before = last(&bench);
                let answer = call(&mut browser, page, &csrf).await;
                let told = records_of(&bench, name, before);
                let about = format!("{} {} {name} {lockdown}: {}", page.0, page.2, answer.text);
                match refusal(role, page.3, lockdown) {
                    None => {
                        assert!(answer.status != StatusCode::FORBIDDEN, "{about}");
                        assert!(answer.place() != "/sign-in", "{about}");
                        assert!(told.iter().all(|one| one.allowed), "{about} {told:?}");
                    }
                    Some(why) => {
                        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{about}");
                        assert!(answer.text.contains(&why), "{why} in {about}");
                        assert!(told.iter().any(|one| !one.allowed), "{about} {told:?}");
                    }
                }
                tried += 1;
            }
        }
    }
    println!("{tried} calls of pages");
    assert!(tried > 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_or_with_another_token_nothing_is_done() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let csrf = ann.get("/").await.csrf();
    let before = last(&bench);
    for page in PAGES.iter().filter(|page| page.3 != "OPEN") {
        let answer = call(&mut bench.browser(), page, &csrf).await;
        assert_eq!(answer.place(), "/sign-in", "{} {}: {}", page.0, page.2, answer.text);
        if page.0 == "POST" {
            let answer = call(&mut ann, page, "0123").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}: {}", page.2, answer.text);
        }
    }
    assert_eq!(last(&bench), before, "nothing happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_of_another_organisation_reaches_the_root_by_any_page() {
    let bench = Bench::new().await;
    let client = bench.add_client(Host { hostname: SECRET.to_owned(), ..Host::default() }).await;
    bench.add_rows(client, vec![format!("{{\"A\":\"{SECRET}\"}}\n")]).await;
    bench.visitor("victim", Role::Reader).await;
    let org = bench.add_org("OA").await;
    for role in Role::ALL {
        let mut browser = visitor(&bench, role.name(), &org, Some(role)).await;
        let csrf = browser.get("/account").await.csrf();
        let before = last(&bench);
        for page in PAGES.iter().filter(|page| !["OPEN", "OWN"].contains(&page.3)) {
            // Of users one's own organisation's are shown, and those in the root's log are theirs.
            let answer = call(&mut browser, page, &csrf).await;
            assert!(!answer.text.contains(SECRET), "{} {} {role}", page.0, page.2);
            if page.3.starts_with("ROOT") {
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{} {} {role}", page.0, page.2);
            }
        }
        let told = records_of(&bench, role.name(), before);
        let here = told.iter().filter(|one| one.allowed && one.org.is_root());
        assert_eq!(here.count(), 0, "{role}: {told:?}");
    }
}
