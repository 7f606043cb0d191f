//! Chains of a public suite against what boards accept, over each back end.

#[path = "../../../../agent-std/tests/tls/suite.rs"]
#[allow(dead_code, reason = "agent and server use the rest")]
mod suite;

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::pki_types::{IpAddr, ServerName};
use troodon_board::tls::{TlsFault, TlsSettings};

use super::authority::{Authority, Identity, ServerKey};
use super::client::{BACK_ENDS, BackEnd, settings};
use super::server::{HONEST, Server};
use suite::{Case, cases, compare};

/// What boards decide otherwise than the suite, beside what every verifier here does.
const DIFFERS: &[(&str, &[&str])] = &[(
    "keys of RSA may have any length from 2048 to 4096 bits",
    &["webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf"],
)];

/// Roots in `Client.Crypto.root_certs`.
#[test]
fn chains_of_a_public_suite_are_accepted_or_refused_as_it_says() {
    let Some((mut cases, others)) = cases() else { return };
    for (id, reason) in &others {
        eprintln!("left out: {id}: {reason}");
    }
    cases.retain(|case| case.name.is_some());
    let own = Authority::new("own");
    for back_end in BACK_ENDS {
        let accept = |case: &Case| {
            let chain = case.chain.iter().map(|certificate| certificate.to_vec()).collect();
            let key = ServerKey::read(&case.key).ok_or("boards know no keys of this kind")?;
            let mut server = Server::new(Identity { chain, key }, &HONEST);
            let roots = TlsSettings { root_certs: case.roots.clone(), ..settings(&own, &[]) };
            verdict(back_end, case, &roots, &mut server).map_err(|fault| fault.to_string())
        };
        let wrong = compare(&format!("{back_end:?} on boards"), &cases, accept, DIFFERS);
        assert!(wrong.is_empty(), "{back_end:?}: {wrong:#?}");
    }
}

fn verdict(
    back_end: BackEnd,
    case: &Case,
    settings: &TlsSettings,
    server: &mut Server,
) -> Result<(), TlsFault> {
    let name = match case.name.as_ref().unwrap() {
        ServerName::DnsName(name) => name.as_ref().to_owned(),
        ServerName::IpAddress(IpAddr::V4(address)) => Ipv4Addr::from(*address.as_ref()).to_string(),
        ServerName::IpAddress(IpAddr::V6(address)) => Ipv6Addr::from(*address.as_ref()).to_string(),
        other => panic!("{}: no name of a server: {other:?}", case.id),
    };
    let mut session = back_end.client(settings, case.time.0)?.begin(&name)?;
    let flight = server.answer(&std::mem::take(session.outgoing()));
    let heard = session.receive(&flight, &mut |_| ());
    assert_eq!(heard.is_ok(), session.proof().is_some(), "{}", case.id);
    heard
}
