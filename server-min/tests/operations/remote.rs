//! `--api_config`: the command line asks another server, and hears clearly why it may not.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_RSA_SHA256};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use troodon_server::config::{ApiClientConfig, Config, Secret, to_yaml};

use super::api::Running;
use super::bench::{Bench, text};

const VQL: &str = "SELECT whoami() AS Who, Given FROM scope()";

/// Gives the file of an API client a certificate of the same authority that was valid until yesterday.
pub fn expire(server: &Path, file: &Path) {
    let config = Config::load(server).unwrap();
    let der = PrivateKeyDer::from_pem_slice(config.ca.private_key.expose().as_bytes()).unwrap();
    let key = KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&config.client.ca_certificate, key).unwrap();
    let mut params = CertificateParams::new(vec!["tool".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "tool");
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(2);
    params.not_after = now - time::Duration::days(1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    change(file, |client| {
        client.client_cert = params.signed_by(&own, &issuer).unwrap().pem();
        client.client_private_key = Secret::new(own.serialize_pem());
    });
}

fn change(file: &Path, change: impl FnOnce(&mut ApiClientConfig)) {
    let mut client = ApiClientConfig::load(file).unwrap();
    change(&mut client);
    fs::write(file, to_yaml(&client).unwrap()).unwrap();
}

pub fn ask(bench: &Bench, file: &Path, more: &[&str]) -> std::process::Output {
    bench.bare(&[&["--api_config", file.to_str().unwrap()], more].concat())
}

#[test]
fn a_query_runs_elsewhere_as_the_holder_of_the_file() {
    let running = Running::start();
    let file = running.program("tool", Some("administrator"));
    let more = ["query", "--format", "jsonl", "--env", "Given=7", VQL];
    let done = ask(&running.bench, &file, &more);
    assert_eq!(
        text(&done.stdout),
        "{\"Who\":\"tool\",\"Given\":\"7\"}\n",
        "{}",
        text(&done.stderr)
    );
    let many = "SELECT _value AS N FROM range(start=1, end=2501)";
    let done = ask(&running.bench, &file, &["query", "--format", "csv", many]);
    let lines: Vec<&str> = text(&done.stdout).lines().collect();
    assert!(lines.len() >= 2501 && lines[0] == "N", "{} lines", lines.len());
    let done = ask(
        &running.bench,
        &file,
        &["query", "SELECT log(message='no', level='ERROR') FROM scope()"],
    );
    assert!(!done.status.success() && text(&done.stderr).contains("ERROR:no"));
    let told = running.bench.audited("tool");
    assert_eq!(told, vec![("Query".to_owned(), true); 3]);
    let done = ask(&running.bench, &file, &["query", "SELECT FROM"]);
    assert!(!done.status.success() && done.stdout.is_empty());
    assert_eq!(running.bench.audited("tool").len(), 3, "what is no query is not sent");
}

#[test]
fn who_may_not_ask_hears_why() {
    let running = Running::start();
    let refusal = |file: &Path, org: &str| {
        let done = ask(&running.bench, file, &["--org", org, "query", VQL]);
        assert!(!done.status.success() && done.stdout.is_empty(), "{}", text(&done.stdout));
        text(&done.stderr).to_owned()
    };
    let none = running.program("none", None);
    assert!(refusal(&none, "root").contains("PermissionDenied: Permission denied: User none"));
    let reader = running.program("rita", Some("reader"));
    assert!(refusal(&reader, "root").contains("requires permission ANY_QUERY"));
    let tool = running.program("tool", Some("api"));
    running.bench.output(&["orgs", "create", "Other", "--id", "OABCD"]);
    assert!(refusal(&tool, "OABCD").contains("PermissionDenied"));
    running.bench.output(&["acl", "grant", "tool", "{}"]);
    assert!(refusal(&tool, "root").contains("PermissionDenied"));
    running.bench.output(&["acl", "grant", "tool", "{}", "--role", "api"]);
    expire(&running.bench.config, &tool);
    let said = refusal(&tool, "root");
    assert!(said.contains("does not take the certificate of `tool`"), "{said}");
    assert!(said.contains("CertificateExpired"), "{said}");
}

#[test]
fn another_server_than_that_of_the_file_is_not_asked() {
    let running = Running::start();
    let file = running.program("tool", Some("administrator"));
    let with = |name: &str, edit: &dyn Fn(&mut ApiClientConfig)| -> PathBuf {
        let copy = running.bench.folder().join(name);
        fs::copy(&file, &copy).unwrap();
        change(&copy, edit);
        copy
    };
    let said = |file: &Path| text(&ask(&running.bench, file, &["query", VQL]).stderr).to_owned();
    let other = Bench::new();
    let authority = Config::load(&other.config).unwrap().client.ca_certificate;
    let wrong = with("authority", &|client| client.ca_certificate.clone_from(&authority));
    assert!(said(&wrong).contains("another authority than ca_certificate"), "{}", said(&wrong));
    let wrong = with("name", &|client| client.pinned_server_name = "SomebodyElse".into());
    assert!(said(&wrong).contains("another name than pinned_server_name"), "{}", said(&wrong));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wrong = with("port", &|client| client.api_connection_string = free.to_string());
    assert!(said(&wrong).contains(&free.to_string()), "{}", said(&wrong));
    let foreign = other.folder().join("foreign.yaml");
    other.output(&["config", "api_client", "--name", "tool", foreign.to_str().unwrap()]);
    let own = ApiClientConfig::load(&file).unwrap();
    change(&foreign, |client| {
        client.api_connection_string.clone_from(&own.api_connection_string);
        client.ca_certificate.clone_from(&own.ca_certificate);
    });
    assert!(
        said(&foreign).contains("does not take the certificate of `tool`"),
        "{}",
        said(&foreign)
    );
    assert!(running.bench.audited("tool").is_empty());
}

#[test]
fn what_makes_no_sense_with_the_file_is_refused() {
    let bench = Bench::new();
    let file = bench.folder().join("tool.yaml");
    bench.output(&["config", "api_client", "--name", "tool", file.to_str().unwrap()]);
    let said = |more: &[&str]| {
        let done = ask(&bench, &file, more);
        assert!(!done.status.success());
        text(&done.stderr).to_owned()
    };
    assert!(said(&["--runas", "ann", "query", VQL]).contains("leave --runas out"));
    assert!(said(&["audit", "verify"]).contains("`audit verify` works on the server's own files"));
    let config = bench.config.to_str().unwrap();
    let done = bench.bare(&["--api_config", config, "query", VQL]);
    assert!(
        !done.status.success() && text(&done.stderr).contains("unknown key"),
        "{}",
        text(&done.stderr)
    );
    fs::write(&file, json!({"name": "tool"}).to_string()).unwrap();
    assert!(said(&["query", VQL]).contains("ca_certificate: is missing"));
}

#[test]
fn commands_ask_another_server_as_well() {
    let running = Running::start();
    let client = running.bench.client(1).to_string();
    let client = client.as_str();
    let file = running.program("tool", Some("administrator"));
    let output = |more: &[&str]| {
        let done = ask(&running.bench, &file, more);
        assert!(done.status.success(), "{more:?}: {}", text(&done.stderr));
        text(&done.stdout).to_owned()
    };
    assert!(output(&["client", "list", "--format", "csv"]).contains(client));
    output(&["client", "label", client, "lab", "it's"]);
    let found = output(&["client", "search", "label:lab", "--format", "jsonl"]);
    assert!(found.contains(client) && found.contains("it's"), "{found}");
    output(&["client", "label", client, "lab", "--remove"]);
    assert_eq!(output(&["client", "search", "label:lab", "--format", "jsonl"]), "");
    output(&["client", "note", client, "owner=ann"]);
    assert!(output(&["client", "show", client]).contains(client));

    let collect = ["artifacts", "collect", "Generic.File.Hash", "--client_id", client, "--no_wait"];
    let made =
        output(&[&collect[..], &["--args", "Globs=Glob\n'x'", "--format", "jsonl"]].concat());
    assert_eq!(running.bench.store.latest_flows(5).unwrap().len(), 1, "{made}");
    let flow = running.bench.store.latest_flows(1).unwrap().remove(0);
    assert_eq!(flow.spec["artifacts"][0]["parameters"]["Globs"], "Glob\n'x'");
    let listed = output(&["flow", "list", client, "--format", "jsonl"]);
    assert!(listed.contains(flow.id.as_str()) && listed.contains("RUNNING"), "{listed}");
    output(&["flow", "cancel", client, flow.id.as_str()]);
    assert!(running.bench.store.flow(flow.site, &flow.id).unwrap().complete);
    output(&["flow", "delete", client, flow.id.as_str()]);
    assert_eq!(output(&["flow", "list", client, "--format", "jsonl"]), "");

    output(&["hunt", "create", "Linux.Sys.Users", "--label", "lab", "--os", "linux", "--paused"]);
    let hunt = running.bench.store.hunts(0, 5).unwrap().remove(0);
    assert_eq!(hunt.condition.labels, ["lab"]);
    let id = hunt.id.as_str();
    assert!(output(&["hunt", "list", "--format", "jsonl"]).contains("PAUSED"));
    output(&["hunt", "resume", id]);
    output(&["hunt", "stop", id]);
    assert!(output(&["hunt", "show", id]).contains("STOPPED"));
    assert_eq!(output(&["hunt", "results", id, "--format", "jsonl"]), "");
    output(&["hunt", "delete", id]);
    assert!(running.bench.store.hunts(0, 5).unwrap().is_empty());
}

#[test]
fn a_collection_of_another_server_itself_is_waited_for_and_who_may_not_fails() {
    let running = Running::start();
    let file = running.program("tool", Some("administrator"));
    let definition = "D=name: Custom.Report\ntype: SERVER\nparameters:\n- name: Word\nsources:\n\
                      - query: SELECT Word, whoami() AS Who FROM scope()\n";
    let vql = "SELECT artifact_set(definition=D) FROM scope()";
    let done = ask(&running.bench, &file, &["query", "--env", definition, vql]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let collect = ["artifacts", "collect", "Custom.Report", "--client_id", "server"];
    let more = ["--args", "Word=far", "--format", "jsonl"];
    let done = ask(&running.bench, &file, &[&collect[..], &more].concat());
    let rows = "{\"Word\":\"far\",\"Who\":\"tool\"}\n";
    assert_eq!(text(&done.stdout), rows, "{}", text(&done.stderr));
    assert!(done.status.success());

    let reader = running.program("rita", Some("api"));
    for refused in [&collect[..], &["hunt", "create", "Linux.Sys.Users"]] {
        let done = ask(&running.bench, &reader, refused);
        assert!(!done.status.success() && done.stdout.is_empty(), "{}", text(&done.stdout));
        assert!(text(&done.stderr).contains("PermissionDenied"), "{}", text(&done.stderr));
    }
    let done = ask(&running.bench, &file, &["flow", "export", "server", "F.X", "/nonexistent/x"]);
    let said = text(&done.stderr);
    assert!(!done.status.success() && said.contains("has no collection F.X"), "{said}");
}
