//! Chains of a public suite against what the agent accepts: its TLS and its pinning.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use troodon_agent::tls::{TlsSettings, client_config};
use troodon_core::pin::Anchor;
use troodon_core::time::UnixTime;

use super::handshake::shake;
use super::shown::server;
use super::suite::{Case, cases, compare};

/// A root in `Client.Crypto.root_certs`, as an inspection proxy has it.
#[test]
fn chains_of_a_public_suite_are_accepted_or_refused_as_it_says() {
    let Some((mut cases, others)) = cases() else { return };
    for (id, reason) in &others {
        eprintln!("left out: {id}: {reason}");
    }
    cases.retain(|case| case.name.is_some());
    let own = super::authority("Velociraptor CA").pem();
    let accept = |case: &Case| {
        let settings = TlsSettings { root_certs: &case.roots, ..super::self_signed(&own) };
        let mut client = client_config(&settings).map_err(|fault| fault.to_string())?;
        client.time_provider = Arc::new(case.time);
        let name = case.name.clone().unwrap();
        let server = server(case, default_provider()).map_err(|error| error.to_string())?;
        shake(Arc::new(client), name, server).map_err(|error| error.to_string())
    };
    let wrong = compare("TLS of the agent", &cases, accept, &[]);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Pinning takes RSA only and knows no chains, so of this suite it may accept nothing that it says must fail.
#[test]
fn pinning_accepts_no_chain_that_must_fail() {
    let Some((cases, _)) = cases() else { return };
    for case in cases.iter().filter(|case| case.must_fail) {
        let Ok(anchor) = Anchor::from_pem(case.roots.as_bytes()) else { continue };
        let now = Some(UnixTime::from_secs(case.time.0));
        for name in ["example.com", "cryptography.io", "VelociraptorServer"] {
            assert!(anchor.check(case.leaf.as_bytes(), name, now).is_err(), "{}", case.id);
        }
    }
}
