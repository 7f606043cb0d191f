//! People who come by certificate, over real TLS.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use troodon_core::rsa::aws::AwsKey;
use troodon_server::account::Accounts;
use troodon_server::config::{Config, Secret};
use troodon_server::frontend::{self, Callers};
use troodon_server::gui::SignOn;
use troodon_server::model::id::UserName;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::password::Hashed;
use troodon_server::pki::{Authority, Issued};

use super::bench::{Bench, PASSWORD};

const NAME: &str = "VelociraptorServer";

struct Site {
    bench: Bench,
    address: SocketAddr,
    authority: Authority,
    ca: Issued,
    server: Issued,
    of_agents: Issued,
}

impl Site {
    /// Pages with this authenticator.
    async fn new(authenticator: &str) -> Self {
        let (authority, ca) = Authority::generate().unwrap();
        let server = authority.issue(NAME, 365).unwrap();
        let of_agents = authority.issue("Client", 365).unwrap();
        let mut config =
            Config::parse(&format!("GUI:\n  authenticator: {authenticator}\n"), "test").unwrap();
        config.client.ca_certificate.clone_from(&ca.certificate);
        let mut crypto = troodon_server::config::CryptoConfig::default();
        crypto.client_certificate.clone_from(&of_agents.certificate);
        config.client.crypto = Some(crypto);
        let callers = Callers {
            roots: ca.certificate.clone(),
            may_have_none: true,
            revoked: BTreeSet::new(),
        };
        let tls = settings(&server).tls_for_people(Some(&callers)).unwrap();
        let bench = Bench::with(|all| {
            all.tls = Some(tls);
            all.sign_on = SignOn::of(&config).unwrap();
        })
        .await;
        let address = bench.browser().address();
        Self { bench, address, authority, ca, server, of_agents }
    }

    async fn add(&self, name: &str) {
        self.change(name, |accounts, name| {
            accounts.add(name, None, &Policy::of([Role::Reader])).unwrap();
        })
        .await;
    }

    async fn change(&self, name: &str, change: impl FnOnce(&Accounts, &UserName) + Send + 'static) {
        self.bench.change_accounts(change, name).await;
    }

    /// Head and body of the answer to a request, or why there is none.
    async fn ask(&self, shown: Option<&Issued>, request: &str) -> Result<String, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.certificate.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain =
                    vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
                let key = issued.private_key.expose().as_bytes();
                let key = PrivateKeyDer::from_pem_slice(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let request = format!("{request}host: h\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn sign_in(&self, shown: Option<&Issued>) -> Result<String, std::io::Error> {
        self.ask(shown, "POST /sign-in/certificate HTTP/1.1\r\ncontent-length: 0\r\n").await
    }

    /// What a certificate shows about who comes in: the first page, or what the sign-in page says.
    async fn outcome(&self, shown: &Issued) -> String {
        let answer = self.sign_in(Some(shown)).await.unwrap();
        let Some((_, rest)) = answer.split_once("set-cookie: ") else { return answer };
        let cookie = rest.split(';').next().unwrap();
        assert!(rest.lines().next().unwrap().contains("Secure"), "{rest}");
        let page = self.ask(None, &format!("GET /account HTTP/1.1\r\ncookie: {cookie}\r\n")).await;
        page.unwrap()
    }

    fn has_user(&self, name: &str) -> bool {
        self.bench.store.user(&name.parse().unwrap()).unwrap().is_some()
    }
}

fn settings(server: &Issued) -> frontend::Settings {
    let key_pem = server.private_key.expose();
    frontend::Settings {
        bind: "127.0.0.1:0".parse().unwrap(),
        base_path: String::new(),
        certificate: server.certificate.clone(),
        key: AwsKey::from_pkcs1_pem(key_pem.as_bytes()).unwrap(),
        key_pem: key_pem.to_owned().into(),
        name: NAME.to_owned(),
        tls: None,
        answers: None,
        callers: None,
        plain_http: false,
        proxy_header: None,
        nonce: String::new(),
        names: None,
        max_poll: std::time::Duration::from_secs(1),
        concurrency: 1,
        recruits: false,
        max_upload_size: 1,
        expected_clients: 1,
        enrolments_per_second: 1,
        posts_at_a_time: 1,
    }
}

/// A certificate of an authority with these names in its subject, valid for `days` from two days ago.
fn made(ca: &Issued, names: &[&str], days: i64) -> Issued {
    let der = PrivateKeyDer::from_pem_slice(ca.private_key.expose().as_bytes()).unwrap();
    let key = KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ca.certificate, key).unwrap();
    let mut params = CertificateParams::new(vec!["ann".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for name in names {
        params.distinguished_name.push(DnType::CommonName, *name);
    }
    params.not_before = time::OffsetDateTime::now_utc() - time::Duration::days(2);
    params.not_after = params.not_before + time::Duration::days(days);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap().pem();
    Issued { certificate, private_key: Secret::new(own.serialize_pem()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_internal_authority_opens_a_session_of_its_user() {
    let site = Site::new("{type: Certs}").await;
    site.add("ann").await;
    let anns = site.authority.issue("ann", 30).unwrap();
    let page = site.ask(None, "GET /sign-in HTTP/1.1\r\n").await.unwrap();
    assert!(page.contains("Sign in with your certificate") && !page.contains("password"), "{page}");
    let page = site.outcome(&anns).await;
    assert!(page.contains(">ann<") && page.contains("certificate authority"), "{page}");
    let answer = site.ask(Some(&anns), "GET /account HTTP/1.1\r\n").await.unwrap();
    assert!(answer.contains("location: /sign-in"), "nobody is signed in by a connection: {answer}");
    let (operation, allowed) = site.bench.audited().pop().unwrap();
    assert_eq!((operation.as_str(), allowed), ("Login", true));
    let nobodys = site.sign_in(None).await.unwrap();
    assert!(nobodys.starts_with("HTTP/1.1 401") && nobodys.contains("shows no certificate"));
    let elsewhere = "POST /sign-in/certificate HTTP/1.1\r\norigin: https://evil.example\r\ncontent-length: 0\r\n";
    let answer = site.ask(Some(&anns), elsewhere).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("set-cookie"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_old_and_shared_certificates_open_nothing() {
    let site = Site::new("{type: Certs, default_roles_for_unknown_user: [reader]}").await;
    site.add("ann").await;
    let (_, other) = Authority::generate().unwrap();
    assert!(site.sign_in(Some(&made(&other, &["ann"], 30))).await.is_err(), "another authority");
    assert!(site.sign_in(Some(&made(&site.ca, &["ann"], 1))).await.is_err(), "over");
    assert!(site.outcome(&made(&site.ca, &["ann"], 30)).await.contains(">ann<"), "a good one");
    let said = site.outcome(&site.of_agents).await;
    assert!(said.contains("certificate of agents") && !site.has_user("Client"), "{said}");
    let again = site.authority.issue(NAME, 1).unwrap();
    for own in [&site.server, &again] {
        assert!(site.outcome(own).await.contains("is taken"));
    }
    assert!(site.outcome(&site.authority.issue("GRPC_GW", 1).unwrap()).await.contains("is taken"));
    for names in [&[][..], &["a b"], &["ann\u{202e}"], &["../ann"], &[""]] {
        let said = site.outcome(&made(&site.ca, names, 30)).await;
        assert!(said.contains("names no user"), "{names:?}: {said}");
    }
    // A program has rights and no user: its certificate makes none.
    site.bench.add_policy("program", r#"{"roles":["api"]}"#).await;
    assert!(site.outcome(&site.authority.issue("program", 1).unwrap()).await.contains("is taken"));
    assert!(!site.has_user("program") && !site.has_user(NAME));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_tied_to_a_key_and_can_be_locked_and_untied() {
    let site = Site::new("{type: Certs}").await;
    site.add("ann").await;
    let first = site.authority.issue("ann", 30).unwrap();
    let second = site.authority.issue("ann", 30).unwrap();
    assert!(site.outcome(&first).await.contains(">ann<"));
    assert!(site.outcome(&second).await.contains("tied to another identity"));
    site.change("ann", |accounts, name| accounts.unpin(name).unwrap()).await;
    assert!(site.outcome(&second).await.contains(">ann<"));
    assert!(site.outcome(&first).await.contains("tied to another identity"));
    site.change("ann", |accounts, name| accounts.set_locked(name, true).unwrap()).await;
    assert!(site.outcome(&second).await.contains("is locked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_stay_out_unless_the_configuration_has_roles_for_them() {
    let site = Site::new("{type: Certs}").await;
    let bobs = site.authority.issue("bob", 30).unwrap();
    assert!(site.outcome(&bobs).await.contains("no user `bob`"));
    assert!(!site.has_user("bob"));
    let site = Site::new("{type: Certs, default_roles_for_unknown_user: [reader]}").await;
    let bobs = site.authority.issue("bob", 30).unwrap();
    let page = site.outcome(&bobs).await;
    assert!(page.contains(">bob<") && page.contains("reader"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_passwords_a_certificate_is_no_way_around_one() {
    let site = Site::new("{type: Multi, sub_authenticators: [{type: Basic}, {type: Certs}]}").await;
    site.change("ann", |accounts, name| {
        let password = Hashed::of(PASSWORD).unwrap();
        accounts.add(name, Some(password), &Policy::of([Role::Reader])).unwrap();
    })
    .await;
    site.add("bob").await;
    let anns = site.authority.issue("ann", 30).unwrap();
    assert!(site.outcome(&anns).await.contains("signs in by password"));
    assert!(site.outcome(&site.authority.issue("bob", 30).unwrap()).await.contains(">bob<"));
}
