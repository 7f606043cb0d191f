//! The wizard, answered by a script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use sha2::{Digest, Sha256};
use troodon_server::acme::Challenge;
use troodon_server::config::{Wizard, WizardOutcome, generate};

/// The outcome of these answers, one line each.
fn answer(answers: &[&str]) -> Result<WizardOutcome, String> {
    let mut asked = Vec::new();
    let answers: String = answers.iter().map(|line| format!("{line}\n")).collect();
    let outcome = Wizard::new(answers.as_bytes(), &mut asked).run();
    outcome.map_err(|error| error.to_string())
}

const FIRST: [&str; 6] = ["", "", "/srv/t", "", "2 years", "no"];

#[test]
fn nothing_but_defaults_gives_a_deployment_of_its_own() {
    let outcome = answer(&["", "", "", "", "", "", "", "", "", "", "", "", "", ""]).unwrap();
    let config = outcome.config;
    assert!(config.client.use_self_signed_ssl);
    assert_eq!(config.client.server_urls, ["https://localhost:8000/"]);
    assert_eq!(config.gui.public_url, "https://localhost:8889/app/index.html");
    assert_eq!(config.gui.bind_address, "127.0.0.1");
    assert_eq!(outcome.path, "./server.config.yaml");
}

#[test]
fn answers_end_up_under_their_keys() {
    let rest = ["troodon.example", "yes", "443", "9000", "ann", "secret", "", "/tmp/x.yaml"];
    let outcome = answer(&[&FIRST[..], &rest].concat()).unwrap();
    let config = outcome.config;
    assert_eq!(config.client.server_urls, ["wss://troodon.example/"]);
    assert_eq!(config.gui.public_url, "https://troodon.example:9000/app/index.html");
    assert_eq!(config.datastore.location, "/srv/t");
    assert_eq!(config.logging.output_directory, "/srv/t/logs");
    assert_eq!(config.security.certificate_validity_days, 730);
    let user = &config.gui.initial_users[0];
    let salt = hex::decode(user.password_salt.expose()).unwrap();
    let hash = Sha256::new().chain_update(&salt).chain_update("secret").finalize();
    assert_eq!((user.name.as_str(), salt.len()), ("ann", 32));
    assert_eq!(user.password_hash.expose(), hex::encode(hash));
    assert_eq!(outcome.path, "/tmp/x.yaml");
}

#[test]
fn a_certificate_from_elsewhere_is_named_by_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
    let file = file.to_str().unwrap();
    let mut answers = FIRST;
    answers[0] = "given_certificate";
    let rest = ["troodon.example", "", "", "", "/nonexistent", file, file, "", ""];
    let config = answer(&[&answers[..], &rest].concat()).unwrap().config;
    assert!(!config.client.use_self_signed_ssl);
    assert_eq!(config.frontend.tls_certificate_filename, file);
    assert_eq!(config.frontend.tls_private_key_filename, file);
    assert_eq!(config.client.server_urls, ["https://troodon.example/"]);
}

#[test]
fn a_certificate_of_its_own_getting_is_for_agents_and_people_at_one_address() {
    let mut answers = FIRST;
    answers[0] = "autocert";
    let rest = ["localhost", "troodon.example.org", "", "", "", "", "", "ann", "secret", "", ""];
    let config = generate(answer(&[&answers[..], &rest].concat()).unwrap().config).unwrap();
    config.check_server().unwrap();
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    assert_eq!(config.client.server_urls, ["https://troodon.example.org/"]);
    assert_eq!(config.gui.public_url, "https://troodon.example.org/app/index.html");
    assert_eq!((config.frontend.bind_port, config.gui.bind_port), (443, 443));
    assert_eq!(config.gui.bind_address, config.frontend.bind_address);
    assert!(!config.client.use_self_signed_ssl && config.autocert.is_none());
    let settings = config.autocert().unwrap().unwrap().settings;
    assert_eq!(settings.folder.to_str().unwrap(), "/srv/t/acme");
    assert_eq!(settings.names, ["troodon.example.org"]);

    let rest = ["h.example", "", "8443", "8889", "dns-01", "", "/bin/hook", "a@h.example", "", ""];
    let config = generate(answer(&[&answers[..], &rest].concat()).unwrap().config).unwrap();
    config.check_server().unwrap();
    assert_eq!(config.gui.bind_address, "127.0.0.1");
    let settings = config.autocert().unwrap().unwrap().settings;
    assert_eq!(settings.contact, ["mailto:a@h.example"]);
    assert_eq!(settings.challenge, Challenge::Dns { hook: "/bin/hook".into() });
}

#[test]
fn single_sign_on_asks_for_the_provider_and_for_no_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
    let file = file.to_str().unwrap();
    let mut answers = FIRST;
    answers[0] = "oauth_sso";
    let network = ["h.example", "", "", "443", "files", file, file];
    let tenant = "8f14e45f-ceea-467f-9a5b-0123456789ab";
    for (kind, further, path) in [
        ("google", vec![], "google"),
        ("github", vec![], "github"),
        ("azure", vec!["", tenant], "azure"),
        ("oidc", vec!["http://id.example", "https://id.example/", "https://id.example"], "oidc"),
    ] {
        let provider = [&[kind, "id", "", "secret"], &further[..]].concat();
        let rest = [&answers[..], &network, &provider, &["ann@example.org", "", ""]].concat();
        let config = generate(answer(&rest).unwrap().config).unwrap();
        config.check_server().unwrap();
        let ways = config.sign_on().unwrap();
        assert!(!ways.passwords);
        let redirect = format!("https://h.example/auth/{path}/callback");
        assert_eq!(ways.providers[0].redirect, redirect);
        assert_eq!(config.gui.initial_users[0].name, "ann@example.org");
        assert!(config.gui.initial_users[0].password_hash.is_empty());
    }
    let network = ["h.example", "", "", "443", "autocert", "http-01", ""];
    let rest = [&answers[..], &network, &["google", "id", "secret", "", ""]].concat();
    let config = generate(answer(&rest).unwrap().config).unwrap();
    config.check_server().unwrap();
    assert_eq!(config.autocert().unwrap().unwrap().settings.challenge, Challenge::Http);
}

/// Every way through the questions ends in a configuration with which the server starts.
#[test]
fn whatever_is_chosen_passes_the_checks_of_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----").unwrap();
    let file = file.to_str().unwrap();
    for kind in ["self_signed", "given_certificate"] {
        for socket in ["no", "yes"] {
            let mut answers = FIRST;
            answers[0] = kind;
            let files: &[&str] = if kind == "self_signed" { &[] } else { &[file, file] };
            let rest = [&["h.example", socket, "", ""], files, &["ann", "secret", "", ""]].concat();
            let config = answer(&[&answers[..], &rest].concat()).unwrap().config;
            generate(config).unwrap().check_server().unwrap();
        }
    }
}

#[test]
fn a_wrong_answer_is_asked_for_again_and_nonsense_ends() {
    let rest = ["tro odon", "troodon.example", "", "99999", "1234", "", "", ""];
    let config = answer(&[&FIRST[..], &rest].concat()).unwrap().config;
    assert_eq!(config.client.server_urls, ["https://troodon.example:1234/"]);
    let error = answer(&["x"; 30]).err().unwrap();
    assert!(error.contains("no usable answer"), "{error}");
    assert!(answer(&["", ""]).err().unwrap().contains("the input ended"));
}
