//! Figures for monitoring systems, as one of those fetches them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::Repository;
use troodon_server::certificates::Certificates;
use troodon_server::config::Config;
use troodon_server::metrics::{Bound, Sources};
use troodon_server::model::id::ClientId;
use troodon_server::orgs::{NewOrg, Orgs};
use troodon_server::store::Store;

async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_each_organisation_and_certificate_are_told_and_no_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.datastore.location = folder.path().to_str().unwrap().to_owned();
    let store = Store::open(folder.path()).unwrap();
    let acl = Acl::new(&config, store.clone()).unwrap();
    let repository = Arc::new(Repository::built_in().unwrap());
    let orgs = Arc::new(Orgs::of(&config, repository, store.clone(), acl.clone()));
    let server = Principal::Server { name: "Server".into() };
    let wanted = NewOrg { name: "Secret customer".into(), id: None, nonce: None };
    orgs.create(&server, wanted).unwrap();
    for id in ["C.0123456789abcdef", "C.1123456789abcdef"] {
        store.enrol(ClientId::parse(id).unwrap(), vec![1]).await.unwrap();
    }
    let fixed = vec![("the \"server\"", 1_900_000_000_000_000)];
    let certificates = Certificates { fixed, shown: None };
    let sources = Sources { orgs, certificates, lockdown: true };
    let bound = Bound::bind("127.0.0.1:0".parse().unwrap(), sources).await.unwrap();
    let address = bound.address();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(bound.serve(stopped));
    let answer = fetch(address, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for line in [
        "content-type: application/openmetrics-text",
        "troodon_clients{org=\"root\"} 2",
        "troodon_lockdown 1",
        "troodon_certificate_end_seconds{certificate=\"the \\\"server\\\"\"} 1900000000",
        "# EOF",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert_eq!(answer.matches("\ntroodon_clients{org=").count(), 2, "{answer}");
    let free = answer.lines().find_map(|line| line.strip_prefix("troodon_disk_free_bytes "));
    assert!(free.unwrap().parse::<u64>().unwrap() > 0);
    assert!(!answer.contains("Secret") && !answer.contains("C.0123"), "{answer}");
    assert!(fetch(address, "/").await.starts_with("HTTP/1.1 404"));
    stop.send(true).unwrap();
    serving.await.unwrap();
}
