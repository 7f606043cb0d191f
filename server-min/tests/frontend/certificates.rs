//! Agents that must show a certificate before they may say anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_RSA_SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use troodon_server::config::Secret;
use troodon_server::frontend::Callers;
use troodon_server::pki::{self, Authority, Issued};

use super::bench::{Deployment, NAME, Server, Wishes};

/// A deployment whose authority can issue more, and its server.
async fn asking() -> (tempfile::TempDir, Server, Authority, Issued) {
    let (authority, own) = Authority::generate().unwrap();
    let (folder, server) = serve(&authority, &own, BTreeSet::new()).await;
    (folder, server, authority, own)
}

async fn serve(
    authority: &Authority,
    own: &Issued,
    revoked: BTreeSet<Vec<u8>>,
) -> (tempfile::TempDir, Server) {
    let deployment =
        Deployment { ca: own.certificate.clone(), server: authority.issue(NAME, 365).unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let callers = Callers { roots: own.certificate.clone(), revoked, ..Callers::default() };
    let wishes = Wishes { plain_http: false, callers: Some(callers), ..Wishes::default() };
    let server = Server::start_in(folder.path(), &deployment, wishes).await;
    (folder, server)
}

/// A certificate of the authority that was valid until yesterday.
fn expired(authority: &Issued) -> Issued {
    let der = PrivateKeyDer::from_pem_slice(authority.private_key.expose().as_bytes()).unwrap();
    let key = KeyPair::from_der_and_sign_algo(&der, &PKCS_RSA_SHA256).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, key).unwrap();
    let mut params = CertificateParams::new(vec!["Client".to_owned()]).unwrap();
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(2);
    params.not_after = now - time::Duration::days(1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&own, &issuer).unwrap().pem();
    Issued { certificate, private_key: Secret::new(own.serialize_pem()) }
}

/// The status line of `GET /server.pem`, or why there is none.
async fn ask(
    server: &Server,
    ca: &Issued,
    shown: Option<&Issued>,
) -> Result<String, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let chain =
                vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
            let key =
                PrivateKeyDer::from_pem_slice(issued.private_key.expose().as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    // In TLS 1.3 a client hears of its refusal with the first bytes that it reads.
    stream.write_all(b"GET /server.pem HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_authority_opens_the_door_whatever_its_name() {
    let (_folder, server, authority, ca) = asking().await;
    for name in ["Client", "somebody.else"] {
        let shown = authority.issue(name, 1).unwrap();
        assert_eq!(ask(&server, &ca, Some(&shown)).await.unwrap(), "HTTP/1.1 200 OK");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nothing_is_said() {
    let (_folder, server, _, ca) = asking().await;
    assert!(ask(&server, &ca, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused() {
    let (_folder, server, _, ca) = asking().await;
    let (other, _) = Authority::generate().unwrap();
    let shown = other.issue("Client", 1).unwrap();
    assert!(ask(&server, &ca, Some(&shown)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused() {
    let (_folder, server, authority, ca) = asking().await;
    let shown = authority.issue("Client", 1).unwrap();
    let expired = expired(&ca);
    assert!(ask(&server, &ca, Some(&shown)).await.is_ok());
    assert!(ask(&server, &ca, Some(&expired)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_taken_back_is_refused() {
    let (authority, own) = Authority::generate().unwrap();
    let (lost, kept) =
        (authority.issue("Client", 1).unwrap(), authority.issue("Client", 1).unwrap());
    let der = CertificateDer::from_pem_slice(lost.certificate.as_bytes()).unwrap();
    let revoked = BTreeSet::from([pki::serial(&der).unwrap()]);
    let (_folder, server) = serve(&authority, &own, revoked).await;
    assert_eq!(ask(&server, &own, Some(&kept)).await.unwrap(), "HTTP/1.1 200 OK");
    let error = ask(&server, &own, Some(&lost)).await.unwrap_err().to_string();
    assert!(error.contains("Revoked"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_ask_takes_agents_without() {
    let server = Server::start(Wishes { plain_http: false, ..Wishes::default() }).await;
    let ca = super::bench::deployment().ca.clone();
    let ca = Issued { certificate: ca, private_key: Secret::new(String::new()) };
    assert_eq!(ask(&server, &ca, None).await.unwrap(), "HTTP/1.1 200 OK");
}
