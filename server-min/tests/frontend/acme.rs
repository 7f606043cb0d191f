//! Certificates of an authority: from a real one for tests, and what happens when one misbehaves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use troodon_server::acme::{Challenge, Keeper, Pace, Plain, Settings};
use troodon_server::frontend::Shown;
use troodon_server::store::now_us;

use super::authority::{Authority, Manner, own_certificate, trusting};
use super::bench::{Server, Wishes, deployment};
use super::pebble::Pebble;

const HOST: &str = "troodon.example.org";

fn settings(folder: &Path, directory: &str, root: &str, challenge: Challenge) -> Settings {
    Settings {
        folder: folder.to_owned(),
        directory: directory.to_owned(),
        names: vec![HOST.to_owned()],
        contact: vec!["mailto:soc@example.org".to_owned()],
        challenge,
        tls: trusting(root),
        pace: Pace::default(),
    }
}

fn keeper(settings: Settings) -> Arc<Keeper> {
    let own = &deployment().server;
    let until_then = Shown::new(&own.certificate, own.private_key.expose()).unwrap();
    Arc::new(Keeper::open(settings, until_then).unwrap())
}

/// A frontend that shows what a keeper has.
async fn serve(keeper: &Keeper) -> Server {
    let wishes = Wishes {
        plain_http: false,
        shown: Some(Arc::clone(keeper.shown())),
        answers: Some(Arc::clone(keeper.answers())),
        ..Wishes::default()
    };
    Server::start(wishes).await
}

/// What a frontend shows to whoever trusts the authority of the certificate in a folder.
async fn shown_by(address: SocketAddr, folder: &Path) -> Option<CertificateDer<'static>> {
    let kept = std::fs::read(folder.join("certificate.pem")).ok()?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&kept).map(Result::unwrap).collect();
    let mut roots = RootCertStore::empty();
    roots.add(chain[1].clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    Some(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_authority_gives_certificates_by_each_challenge_and_renews_them() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = Pebble::prepare(folder.path());
    let hook = pebble.hook();
    let kept = |name: &str| folder.path().join(name);
    let new = |name: &str, challenge: Challenge| {
        keeper(settings(&kept(name), &pebble.directory(), &pebble.root, challenge))
    };
    let (alpn, http, dns) = (
        new("alpn", Challenge::TlsAlpn),
        new("http", Challenge::Http),
        new("dns", Challenge::Dns { hook }),
    );
    let server = serve(&alpn).await;
    let elsewhere = format!("https://{HOST}/");
    let plain = Plain::bind("127.0.0.1:0".parse().unwrap(), Arc::clone(http.answers()), elsewhere);
    let plain = plain.await.unwrap();
    let port_80 = plain.address();
    let (_listens, listening) = watch::channel(false);
    tokio::spawn(plain.serve(listening));
    let (stop, stopped) = watch::channel(false);
    let Some(_running) = pebble.start(port_80.port(), server.address.port()).await else { return };

    assert!(shown_by(server.address, &kept("alpn")).await.is_none());
    let running = tokio::spawn(Arc::clone(&alpn).run(stopped));
    let first = timeout(Duration::from_secs(60), async {
        loop {
            if let Some(shown) = shown_by(server.address, &kept("alpn")).await {
                return shown;
            }
            let report = alpn.report();
            assert_eq!(report.attempts.why, "");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let first = first.await.expect("by itself");
    stop.send(true).unwrap();
    running.await.unwrap();
    alpn.attempt().await.unwrap();
    assert_eq!(alpn.report().attempts.why, "");
    let second = shown_by(server.address, &kept("alpn")).await.unwrap();
    assert_ne!(first, second, "renewed while the frontend goes on");
    for (keeper, name) in [(&http, "http"), (&dns, "dns")] {
        keeper.attempt().await.unwrap();
        let report = keeper.report();
        assert!(report.is_there, "{name}: {report:?}");
        assert!(report.next_us > now_us() + 24 * 3_600_000_000, "{name}: {report:?}");
        let server = serve(keeper).await;
        assert!(shown_by(server.address, &kept(name)).await.is_some(), "{name}");
    }
    let again = new("alpn", Challenge::TlsAlpn);
    assert!(again.report().is_there && again.report().next_us > now_us());
    let server = serve(&again).await;
    assert_eq!(shown_by(server.address, &kept("alpn")).await.unwrap(), second, "after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_waits_for_hours_across_restarts() {
    for (manner, said, hours) in [
        (Manner::Limited, "too many certificates", 30),
        (Manner::Failing, "", 1),
        (Manner::Invalid, "refuses it", 1),
        (Manner::Endless, "bytes", 1),
        (Manner::Elsewhere, "", 1),
        (Manner::Plain, "only addresses with https:// are", 1),
        (Manner::NoChallenge, "does not offer the challenge", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::start(manner).await;
        let open = || {
            let directory = authority.directory();
            keeper(settings(folder.path(), &directory, &authority.root, Challenge::TlsAlpn))
        };
        let begun = now_us();
        open().attempt().await.unwrap();
        let report = open().report();
        assert!(!report.is_there);
        assert_eq!(report.attempts.failures, 1, "{manner:?}");
        assert!(report.attempts.why.contains(said), "{manner:?}: {}", report.attempts.why);
        assert!(report.next_us >= begun + hours * 3_600_000_000, "{manner:?}: {report:?}");
        assert!(report.next_us < now_us() + (hours + 1) * 3_600_000_000, "{manner:?}");
        let asked = authority.asked();
        assert!(asked > 0);
        for _ in 0..10 {
            let (_stop, stopped) = watch::channel(false);
            let run = open().run(stopped);
            assert!(timeout(Duration::from_millis(20), run).await.is_err());
        }
        assert_eq!(authority.asked(), asked, "{manner:?}: a loop of restarts asks nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_while_it_cannot_be_noted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(Manner::Failing).await;
    let directory = authority.directory();
    let keeper = keeper(settings(folder.path(), &directory, &authority.root, Challenge::TlsAlpn));
    let attempts = folder.path().join("attempts.json");
    std::fs::create_dir(&attempts).unwrap();
    keeper.attempt().await.unwrap_err();
    assert_eq!(authority.asked(), 0);
    std::fs::remove_dir(&attempts).unwrap();
    keeper.attempt().await.unwrap();
    assert!(authority.asked() > 0);
    // Who has mended what was wrong removes the file, and the server notices.
    let asked = authority.asked();
    std::fs::remove_file(&attempts).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let run = tokio::spawn(Arc::clone(&keeper).run(stopped));
    let again = async {
        while authority.asked() == asked {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), again).await.expect("another attempt");
    run.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_with_a_strange_certificate_gets_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::start(Manner::Failing).await;
    let (other, _) = own_certificate();
    let keeper =
        keeper(settings(folder.path(), &authority.directory(), &other, Challenge::TlsAlpn));
    keeper.attempt().await.unwrap();
    assert_eq!(authority.asked(), 0);
    assert_eq!(keeper.report().attempts.failures, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn port_80_answers_the_authority_and_leads_everybody_else_to_one_place() {
    let authority = Authority::start(Manner::Failing).await;
    let folder = tempfile::tempdir().unwrap();
    let keeper =
        keeper(settings(folder.path(), &authority.directory(), &authority.root, Challenge::Http));
    let elsewhere = format!("https://{HOST}/");
    let answers = Arc::clone(keeper.answers());
    let plain = Plain::bind("127.0.0.1:0".parse().unwrap(), answers, elsewhere).await.unwrap();
    let address = plain.address();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(plain.serve(stopped));
    for path in
        ["/", "//evil.example/", "/.well-known/acme-challenge/", "/a?b=https://evil.example"]
    {
        let (status, place) = super::authority::get(address, path).await;
        assert_eq!((status, place.as_str()), (307, "https://troodon.example.org/"), "{path}");
    }
    let (status, _) = super::authority::get(address, "/.well-known/acme-challenge/nosuch").await;
    assert_eq!(status, 404);
}
