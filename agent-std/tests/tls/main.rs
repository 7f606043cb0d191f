//! Each trust mode of the agent against servers with the right and with wrong certificates.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod handshake;
mod limbo;
mod shown;
mod suite;

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use sha2::{Digest, Sha256};
use troodon_agent::tls::{TlsFault, TlsSettings, client_config};

const PINNED: &str = "VelociraptorServer";
const HOST: &str = "frontend.example";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(organisation: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Leaf {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Leaf {
    fn new(issuer: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.signed_by(&key, issuer).unwrap(), key }
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn server(&self) -> ServerConfig {
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.der().clone()], self.key_der())
            .unwrap()
    }
}

fn genuine(issuer: &Authority) -> Leaf {
    Leaf::new(issuer, PINNED, |_| ())
}

/// Shakes hands with a server behind the name in the URL; an error of either side is the result.
fn shake(settings: &TlsSettings<'_>, server: ServerConfig) -> Result<(), rustls::Error> {
    let client = Arc::new(client_config(settings).expect("settings are usable"));
    handshake::shake(client, ServerName::try_from(HOST).unwrap(), Arc::new(server))
}

fn self_signed(ca: &str) -> TlsSettings<'_> {
    TlsSettings {
        ca_certificate: ca,
        pinned_name: PINNED,
        self_signed: true,
        ..TlsSettings::default()
    }
}

#[test]
fn self_signed_mode_accepts_the_genuine_server_only() {
    let (ca, other) = (authority("Velociraptor CA"), authority("Velociraptor CA"));
    let past = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2150, 1, 1);
    let client_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let pem = ca.pem();
    let settings = self_signed(&pem);
    assert_eq!(shake(&settings, genuine(&ca).server()), Ok(()));
    let wrong = [
        ("another CA, right name", genuine(&other)),
        ("right CA, another name", Leaf::new(&ca, "GRPC_GW.example", |_| ())),
        ("right CA, name of the URL", Leaf::new(&ca, HOST, |_| ())),
        ("expired", Leaf::new(&ca, PINNED, past)),
        ("not yet valid", Leaf::new(&ca, PINNED, future)),
        ("a client's certificate", Leaf::new(&ca, PINNED, client_only)),
    ];
    for (what, leaf) in wrong {
        assert!(shake(&settings, leaf.server()).is_err(), "accepted: {what}");
    }
}

#[test]
fn a_certificate_issued_by_a_leaf_is_refused() {
    let ca = authority("Velociraptor CA");
    let leaf = genuine(&ca);
    let chain_link = leaf.certificate.der().clone();
    let params = CertificateParams::new([PINNED.to_owned()]).unwrap();
    let leaf_key = KeyPair::from_pem(&leaf.key.serialize_pem()).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, leaf_key);
    let key = KeyPair::generate().unwrap();
    let rogue = params.signed_by(&key, &issuer).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![rogue.der().clone(), chain_link],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    assert!(shake(&self_signed(&ca.pem()), server).is_err());
}

#[test]
fn an_inspection_proxy_needs_its_root_in_the_configuration() {
    let (ca, proxy) = (authority("Velociraptor CA"), authority("Inspection"));
    let (pem, proxy_pem) = (ca.pem(), proxy.pem());
    let without = self_signed(&pem);
    let with = TlsSettings { root_certs: &proxy_pem, ..self_signed(&pem) };
    let intercepted = || Leaf::new(&proxy, HOST, |_| ()).server();
    assert!(shake(&without, intercepted()).is_err());
    assert_eq!(shake(&with, intercepted()), Ok(()));
    // Its root vouches for the name in the URL, not for any name.
    assert!(shake(&with, Leaf::new(&proxy, "elsewhere.example", |_| ()).server()).is_err());
}

#[test]
fn public_mode_accepts_the_genuine_server_and_no_unknown_root() {
    let (ca, unknown) = (authority("Velociraptor CA"), authority("Nobody"));
    let pem = ca.pem();
    let settings = TlsSettings { self_signed: false, ..self_signed(&pem) };
    assert_eq!(shake(&settings, genuine(&ca).server()), Ok(()));
    assert!(shake(&settings, Leaf::new(&unknown, HOST, |_| ()).server()).is_err());
}

fn thumbprint_of(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .join(":")
}

#[test]
fn thumbprints_count_only_in_their_modes() {
    let (ca, other) = (authority("Velociraptor CA"), authority("Other"));
    let (stranger, pem) = (genuine(&other), ca.pem());
    let thumbprints = [thumbprint_of(stranger.certificate.der())];
    let settings = |mode: &'static str| TlsSettings {
        verification_mode: mode,
        thumbprints: &thumbprints,
        ca_certificate: &pem,
        pinned_name: PINNED,
        self_signed: true,
        ..TlsSettings::default()
    };
    let accepts = |mode, leaf: &Leaf| shake(&settings(mode), leaf.server()).is_ok();
    assert!(!accepts("PKI", &stranger));
    assert!(accepts("pki_or_thumbprint", &stranger));
    assert!(accepts("PKI_OR_THUMBPRINT", &genuine(&ca)));
    assert!(accepts("THUMBPRINT_ONLY", &stranger));
    assert!(!accepts("THUMBPRINT_ONLY", &genuine(&ca)));
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_asks() {
    let ca = authority("Velociraptor CA");
    let pem = ca.pem();
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let clients = clients.build().unwrap();
    let leaf = genuine(&ca);
    let server = || {
        ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.clone())
            .with_single_cert(vec![leaf.certificate.der().clone()], leaf.key_der())
            .unwrap()
    };
    let own = Leaf::new(&ca, "agents", |_| ());
    let (certificate, key) = (own.certificate.pem(), own.key.serialize_pem());
    let with = TlsSettings {
        client_certificate: &certificate,
        client_certificate_private_key: &key,
        ..self_signed(&pem)
    };
    assert_eq!(shake(&with, server()), Ok(()));
    assert!(shake(&self_signed(&pem), server()).is_err());
}

#[test]
fn unusable_settings_are_named() {
    let ca = authority("Velociraptor CA").pem();
    let short = ["AB:CD".to_owned()];
    let fault = |settings| client_config(&settings).map(drop).unwrap_err().to_string();
    let good = || self_signed(&ca);
    assert!(
        fault(TlsSettings { ca_certificate: "<html>", ..good() })
            .starts_with("Client.ca_certificate")
    );
    assert!(
        fault(TlsSettings { root_certs: "x", ..good() }).starts_with("Client.Crypto.root_certs")
    );
    assert!(fault(TlsSettings { verification_mode: "NONE", ..good() }).contains("\"NONE\""));
    assert!(fault(TlsSettings { pinned_name: "a b", ..good() }).contains("\"a b\""));
    assert!(matches!(
        client_config(&TlsSettings { verification_mode: "THUMBPRINT_ONLY", thumbprints: &short, ..good() }),
        Err(TlsFault::BadThumbprint(text)) if text == "AB:CD"
    ));
    let certificate_without_key = TlsSettings { client_certificate: &ca, ..good() };
    assert!(fault(certificate_without_key).contains("private key"));
}
