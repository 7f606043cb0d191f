//! Writing artifacts, looking at bytes, and the page about the server.

use hyper::StatusCode;
use troodon_server::model::client::Host;
use troodon_server::model::role::Role;

use super::bench::{Bench, CLIENT};

const EDITOR: &str = "/artifacts-editor";
const PLAIN: &str = "name: Custom.Plain\nsources:\n- query: SELECT 1 AS One FROM scope()\n";
const SHELL: &str = "name: Custom.Shell\nsources:\n- query: SELECT * FROM execve(argv='id')\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_checked_compared_kept_collected_and_deleted() {
    let bench = Bench::new().await;
    bench.add_client(Host::default()).await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let csrf = ann.get(EDITOR).await.csrf();
    let send = |text: &'static str, keep: &'static str| {
        [("csrf", csrf.clone()), ("text", text.replace('\n', "\r\n")), ("keep", keep.to_owned())]
    };
    let wrong = post(&mut ann, &send("name: Custom.A\nsources:\n- query: SELECT FROM\n", "")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text.contains("Line 3, column"), "{}", wrong.text);
    assert!(wrong.text.contains("class=\"at\">3  - query: SELECT FROM</span>"));
    let checked = post(&mut ann, &send(SHELL, "")).await;
    for part in ["EXECVE", "execve() in Custom.Shell", "not among", "Keep it", "class=\"came\""] {
        assert!(checked.text.contains(part), "{part}: {}", checked.text);
    }
    assert_eq!(ann.get("/artifacts/Custom.Plain").await.status, StatusCode::NOT_FOUND);
    let kept = post(&mut ann, &send(PLAIN, "Y")).await;
    assert_eq!(kept.place(), "/artifacts/Custom.Plain", "{}", kept.text);
    let page = ann.get("/artifacts/Custom.Plain").await;
    assert!(page.text.contains("written here") && page.text.contains("/delete"));
    let other = "name: Custom.Plain\nsources:\n- query: SELECT 2 AS Two FROM scope()\n";
    let checked = post(&mut ann, &send(other, "")).await;
    assert!(checked.text.contains("class=\"gone\">- - query: SELECT 1"), "{}", checked.text);
    let form = [("csrf", csrf.as_str()), ("artifact", "Custom.Plain")];
    let launched = ann.post(&format!("/clients/{CLIENT}/collect"), &form).await;
    assert_eq!(launched.status, StatusCode::SEE_OTHER, "{}", launched.text);
    let gone = ann.post("/artifacts/Custom.Plain/delete", &[("csrf", &csrf)]).await;
    assert_eq!(gone.place(), "/artifacts");
    assert_eq!(ann.get("/artifacts/Custom.Plain").await.status, StatusCode::NOT_FOUND);
    let built_in = ann.post("/artifacts/Generic.Client.Info/delete", &[("csrf", &csrf)]).await;
    assert_eq!(built_in.status, StatusCode::BAD_REQUEST);
    for operation in ["SetArtifactFile", "artifact_delete"] {
        assert!(bench.audited().contains(&(operation.to_owned(), true)), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_a_definition_that_can_do_more_than_they_may() {
    let bench = Bench::new().await;
    bench.visitor("wim", Role::ArtifactWriter).await;
    bench.add_policy("wim", "{\"roles\":[\"artifact_writer\",\"reader\"]}").await;
    let mut wim = bench.browser();
    wim.sign_in("wim", super::bench::PASSWORD).await;
    let page = wim.get(EDITOR).await;
    let csrf = page.csrf();
    let send = |text: &'static str, keep: &'static str| {
        [("csrf", csrf.clone()), ("text", text.to_owned()), ("keep", keep.to_owned())]
    };
    let checked = post(&mut wim, &send(SHELL, "")).await;
    assert!(checked.text.contains("You lack <code>EXECVE</code>"), "{}", checked.text);
    assert!(!checked.text.contains("Keep it"));
    assert_eq!(post(&mut wim, &send(SHELL, "Y")).await.status, StatusCode::FORBIDDEN);
    let server = "name: Custom.Server\ntype: SERVER\nsources:\n- query: SELECT 1 FROM scope()\n";
    assert_eq!(post(&mut wim, &send(server, "Y")).await.status, StatusCode::FORBIDDEN);
    assert!(bench.audited().contains(&("SetArtifactFile".to_owned(), false)));
    assert_eq!(post(&mut wim, &send(PLAIN, "Y")).await.place(), "/artifacts/Custom.Plain");
    let mut rita = bench.visitor("rita", Role::Reader).await;
    assert_eq!(rita.get(EDITOR).await.status, StatusCode::FORBIDDEN);
    let page = rita.get("/artifacts/Custom.Plain").await;
    assert!(!page.text.contains("/delete") && !page.text.contains(EDITOR));
    let fields = [("csrf", page.csrf()), ("text", PLAIN.to_owned()), ("keep", "Y".to_owned())];
    assert_eq!(post(&mut rita, &fields).await.status, StatusCode::FORBIDDEN);
}

async fn post(
    browser: &mut super::browser::Browser,
    fields: &[(&str, String)],
) -> super::browser::Page {
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post(EDITOR, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_file_are_looked_at_in_pages_and_on_record() {
    let bench = Bench::new().await;
    let client = bench.add_client(Host::default()).await;
    let flow = bench.add_rows(client, vec!["{}\n".into()]).await;
    let data: &'static [u8] = Box::leak(vec![b'A'; 5_000].into_boxed_slice());
    bench.add_file(client, &flow, "dump", data).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    let path = format!("/clients/{CLIENT}/flows/F.1/uploads/0/bytes");
    assert!(rita.get(&format!("/clients/{CLIENT}/flows/F.1")).await.text.contains(&path));
    let page = rita.get(&path).await;
    assert!(page.text.contains("<td>00000000</td><td>41 41 41"), "{}", page.text);
    assert!(page.text.contains("?at=4096"));
    let page = rita.get(&format!("{path}?at=4999")).await;
    assert!(page.text.contains("<td>00001380</td>") && !page.text.contains("rel=\"next\""));
    assert_eq!(rita.get(&path.replace("/0/", "/7/")).await.status, StatusCode::NOT_FOUND);
    assert!(bench.audited().contains(&("ReadUploads".to_owned(), true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_end_are_shouted_at_those_who_can_help() {
    let soon = troodon_server::store::now_us() + 86_400_000_000;
    let bench = Bench::with(|settings| {
        settings.certificates.fixed = vec![("the server (Frontend.certificate)", soon)];
        settings.facts = vec![("Log files", "/var/log/x".to_owned())];
    })
    .await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    assert!(ann.get("/artifacts").await.text.contains("(Frontend.certificate) ends"));
    let page = ann.get("/server").await;
    assert!(page.text.contains("ends soon") && page.text.contains("/var/log/x"));
    let mut rita = bench.visitor("rita", Role::Reader).await;
    assert!(!rita.get("/artifacts").await.text.contains("Frontend.certificate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_searched_and_its_chain_checked() {
    let bench = Bench::new().await;
    let mut ann = bench.visitor("ann", Role::Administrator).await;
    let mut rita = bench.visitor("rita", Role::Reader).await;
    rita.get("/audit").await;
    let page = ann.get("/audit?who=RITA&refused=Y").await;
    assert!(page.text.contains("ReadAudit") && !page.text.contains("<td>ann</td>"));
    let page = ann.get("/audit?verify=Y").await;
    assert!(page.text.contains("are whole; head"), "{}", page.text);
}
