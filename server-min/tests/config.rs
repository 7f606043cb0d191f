//! The configuration as people meet it: through the program.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use troodon_server::config::{Config, Secret};
use troodon_server::pki::Authority;
use x509_cert::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, DecodePem, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

fn troodon(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_troodon")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The output of a command that must succeed.
fn output(arguments: &[&str]) -> String {
    let done = troodon(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout).to_owned()
}

/// The one line that a failing command says.
fn refusal(arguments: &[&str]) -> String {
    let done = troodon(arguments);
    assert!(!done.status.success(), "{arguments:?}");
    assert!(done.stdout.is_empty(), "{arguments:?} wrote: {}", text(&done.stdout));
    let said = text(&done.stderr).trim_end();
    assert!(!said.contains('\n'), "more than a line: {said}");
    said.to_owned()
}

fn generate_into(folder: &Path) -> String {
    let path = folder.join("server.config.yaml");
    std::fs::write(&path, output(&["config", "generate"])).unwrap();
    path.to_str().unwrap().to_owned()
}

fn certificate(pem: &str) -> Certificate {
    Certificate::from_pem(pem).unwrap()
}

fn extension<T>(certificate: &Certificate) -> (bool, T)
where
    T: for<'a> Decode<'a> + AssociatedOid,
{
    certificate.tbs_certificate().get_extension::<T>().ok().flatten().expect("the extension")
}

#[test]
fn a_generated_configuration_loads_and_comes_out_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(output(&["--config", &path, "config", "show"]), written);
    Config::parse(&written, "generated").unwrap().check_server().unwrap();
}

#[test]
fn agents_get_nothing_but_their_section() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let stripped = output(&["--config", &path, "config", "client"]);
    let top: Vec<&str> = stripped
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(top, ["version", "Client"]);
    assert!(!stripped.contains("PRIVATE KEY"), "{stripped}");
    Config::parse(&stripped, "client").unwrap().check_client().unwrap();
}

#[test]
fn an_unknown_key_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    let shown = path.to_str().unwrap();
    std::fs::write(&path, "Client:\n  nonce: abc\n  server_url: https://a/\n").unwrap();
    let said = refusal(&["--config", shown, "config", "client"]);
    assert_eq!(said, format!("troodon: {shown}:3:3: unknown key `server_url`"));
    std::fs::write(&path, "Client:\n  nonce: abc\nfrontend:\n  bind_port: 1\n").unwrap();
    let said = refusal(&["--config", shown, "config", "client"]);
    assert_eq!(
        said,
        format!(
            "troodon: {shown}:3:1: unknown key `frontend`; did you mean `Frontend`? Letter case counts"
        )
    );
    std::fs::write(&path, "Frontend:\n  bind_port: many\n").unwrap();
    let said = refusal(&["--config", shown, "config", "client"]);
    assert!(said.contains(":2:14: "), "{said}");
}

#[test]
fn a_missing_file_and_a_missing_option_say_what_to_do() {
    let said = refusal(&["--config", "/nonexistent/c.yaml", "config", "show"]);
    assert_eq!(said, "troodon: /nonexistent/c.yaml: No such file or directory (os error 2)");
    let said = refusal(&["config", "client"]);
    assert!(said.contains("--config FILE"), "{said}");
}

#[test]
fn merging_changes_the_defaults_and_mistakes_in_it_are_refused() {
    let merged = output(&[
        "config",
        "generate",
        "--merge",
        r#"{"Client":{"server_urls":["https://one.example:8000/"]},"Frontend":{"bind_port":8443}}"#,
    ]);
    let config = Config::parse(&merged, "merged").unwrap();
    assert_eq!(config.client.server_urls, ["https://one.example:8000/"]);
    assert_eq!(
        (config.frontend.bind_port, config.frontend.bind_address.as_str()),
        (8443, "0.0.0.0")
    );

    let said =
        refusal(&["config", "generate", "--merge", r#"{"Client":{"server_urls":["https://a"]}}"#]);
    assert_eq!(said, "troodon: Client.server_urls: `https://a` does not end in `/`; add it");
    let said = refusal(&["config", "generate", "--merge", r#"{"Client":{"urls":[]}}"#]);
    assert!(said.contains("unknown field `urls`"), "{said}");
}

#[test]
fn the_authority_is_as_the_protocol_says() {
    let (_, own) = Authority::generate().unwrap();
    assert!(own.private_key.expose().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    let authority = certificate(&own.certificate);
    let body = authority.tbs_certificate();
    assert_eq!(body.subject().to_string(), "O=Velociraptor CA");
    assert_eq!(body.issuer(), body.subject());
    assert!(body.serial_number().as_bytes().len() >= 15, "{}", body.serial_number());
    let (critical, constraints) = extension::<BasicConstraints>(&authority);
    assert!(critical && constraints.ca && constraints.path_len_constraint.is_none());
    let (critical, usage) = extension::<KeyUsage>(&authority);
    assert!(
        critical && usage.digital_signature() && usage.key_encipherment() && usage.key_cert_sign()
    );
    assert_eq!(alternative_names(&authority), ["Velociraptor_ca.velocidex.com"]);
    assert_eq!(extended_usage(&authority), ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert_eq!(days(&authority), 3650);
}

#[test]
fn issued_certificates_are_as_the_protocol_says() {
    let (authority, own) = Authority::generate().unwrap();
    let leaf = certificate(&authority.issue("VelociraptorServer", 365).unwrap().certificate);
    let body = leaf.tbs_certificate();
    assert_eq!(body.subject().to_string(), "CN=VelociraptorServer,O=Velociraptor");
    assert_eq!(body.issuer(), certificate(&own.certificate).tbs_certificate().subject());
    let (critical, constraints) = extension::<BasicConstraints>(&leaf);
    assert!(critical && !constraints.ca);
    let (_, usage) = extension::<KeyUsage>(&leaf);
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    assert_eq!(alternative_names(&leaf), ["VelociraptorServer"]);
    assert_eq!(extended_usage(&leaf), ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assert_eq!(days(&leaf), 365);
    assert_signed(&leaf, &certificate(&own.certificate));

    let by_address = certificate(&authority.issue("192.0.2.7", 1).unwrap().certificate);
    assert_eq!(alternative_names(&by_address), ["192.0.2.7"]);
    let other = certificate(&Authority::generate().unwrap().1.certificate);
    assert!(!is_signed(&leaf, &other));
    assert!(authority.issue("a b", 1).is_err());
}

fn alternative_names(certificate: &Certificate) -> Vec<String> {
    let show = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => name.to_string(),
        GeneralName::IpAddress(bytes) => {
            bytes.as_bytes().iter().map(u8::to_string).collect::<Vec<_>>().join(".")
        }
        other => panic!("{other:?}"),
    };
    extension::<SubjectAltName>(certificate).1.0.iter().map(show).collect()
}

fn extended_usage(certificate: &Certificate) -> Vec<String> {
    extension::<ExtendedKeyUsage>(certificate).1.0.iter().map(ToString::to_string).collect()
}

fn days(certificate: &Certificate) -> u64 {
    let validity = certificate.tbs_certificate().validity();
    let seconds = validity.not_after.to_unix_duration() - validity.not_before.to_unix_duration();
    seconds.as_secs() / (24 * 3600)
}

fn assert_signed(leaf: &Certificate, authority: &Certificate) {
    assert!(is_signed(leaf, authority));
}

fn is_signed(leaf: &Certificate, authority: &Certificate) -> bool {
    let key = authority.tbs_certificate().subject_public_key_info();
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
        key.subject_public_key.raw_bytes(),
    );
    let body = leaf.tbs_certificate().to_der().unwrap();
    key.verify(&body, leaf.signature().raw_bytes()).is_ok()
}

#[test]
fn rotation_changes_the_keys_and_reissue_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let before = Config::load(Path::new(&path)).unwrap();
    let authority = certificate(&before.client.ca_certificate);

    let rotated = output(&["--config", &path, "config", "rotate_keys", "--validity", "10"]);
    let rotated = Config::parse(&rotated, "rotated").unwrap();
    assert_ne!(rotated.frontend.private_key.expose(), before.frontend.private_key.expose());
    assert_ne!(rotated.gui.gw_private_key.expose(), before.gui.gw_private_key.expose());
    assert_eq!(rotated.client.ca_certificate, before.client.ca_certificate);
    assert_eq!(days(&certificate(&rotated.frontend.certificate)), 10);
    assert_signed(&certificate(&rotated.frontend.certificate), &authority);

    let again = output(&["--config", &path, "config", "reissue_certs"]);
    let again = Config::parse(&again, "reissued").unwrap();
    assert_eq!(again.frontend.private_key.expose(), before.frontend.private_key.expose());
    assert_ne!(again.frontend.certificate, before.frontend.certificate);
    let key = |config: &Config| {
        let certificate = certificate(&config.frontend.certificate);
        certificate.tbs_certificate().subject_public_key_info().to_der().unwrap()
    };
    assert_eq!(key(&again), key(&before));
    assert_signed(&certificate(&again.gui.gw_certificate), &authority);
}

#[test]
fn without_the_authoritys_key_nothing_is_signed_and_the_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let mut config = Config::load(Path::new(&path)).unwrap();
    config.ca.private_key = Secret::default();
    std::fs::write(&path, config.to_yaml().unwrap()).unwrap();
    let out = folder.path().join("api.yaml");
    let out = out.to_str().unwrap();
    for arguments in [
        &["config", "rotate_keys"][..],
        &["config", "reissue_certs"],
        &["config", "api_client", "--name", "joe", out],
    ] {
        let said = refusal(&[&["--config", &path], arguments].concat());
        assert!(said.starts_with("troodon: CA.private_key is not in this configuration"), "{said}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn another_deployments_authority_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let mut config = Config::load(Path::new(&path)).unwrap();
    config.ca.private_key = Authority::generate().unwrap().1.private_key;
    std::fs::write(&path, config.to_yaml().unwrap()).unwrap();
    let said = refusal(&["--config", &path, "config", "rotate_keys"]);
    assert!(said.contains("does not belong to Client.ca_certificate"), "{said}");
}

#[test]
fn an_api_client_gets_a_private_file_and_no_name_of_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let path = generate_into(folder.path());
    let out = folder.path().join("api.yaml");
    let shown = out.to_str().unwrap();
    output(&["--config", &path, "config", "api_client", "--name", "joe", shown]);
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let file: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(file["name"], "joe");
    assert_eq!(file["api_connection_string"], "127.0.0.1:8001");
    let leaf = certificate(file["client_cert"].as_str().unwrap());
    assert_eq!(alternative_names(&leaf), ["joe"]);
    assert_signed(&leaf, &certificate(file["ca_certificate"].as_str().unwrap()));

    let said = refusal(&["--config", &path, "config", "api_client", "--name", "grpc_gw", shown]);
    assert!(said.contains("the server's own name"), "{said}");
}

#[test]
fn a_key_without_a_value_says_nothing() {
    let text = "Client:\n  nonce: abc\nMonitoring:\ndefaults: null\nLogging: {}\n";
    let config = Config::parse(text, "test").unwrap();
    assert_eq!(config.client.nonce, "abc");
    assert_eq!(config.monitoring.bind_port, 0);
}
