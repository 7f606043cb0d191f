//! Chains of a public suite against what the server accepts: certificates of agents, and of receivers of its log.

#[path = "../../../../agent-std/tests/tls/handshake.rs"]
mod handshake;
#[path = "../../../../agent-std/tests/tls/shown.rs"]
mod shown;
#[path = "../../../../agent-std/tests/tls/suite.rs"]
#[allow(dead_code, reason = "the agent uses the rest")]
mod suite;

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::ServerName;

use super::{Callers, Shown as Certificate, TlsWishes, server_tls};
use crate::syslog;
use handshake::shake;
use shown::{Shown, server};
use suite::{Case, cases, compare};

/// What aws-lc decides otherwise than the suite beside that.
const MORE: &[(&str, &[&str])] = &[(
    "keys of RSA may have any length from 2048 bits on",
    &["webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf"],
)];

/// What is decided otherwise than the suite about the certificates of agents.
const OF_AGENTS: &[(&str, &[&str])] = &[(
    "refused: addresses of mail are not compared, so that an authority which is bound to some counts for none",
    &["rfc5280::nc::nc-permits-email-domain", "rfc5280::nc::nc-permits-email-exact"],
)];

#[test]
fn chains_of_a_public_suite_are_accepted_or_refused_as_it_says() {
    let Some((cases, _)) = cases() else { return };
    let (receivers, agents): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|case| case.name.is_some());
    let receiver = |case: &Case| {
        let mut client = (*syslog::tls(&case.roots).map_err(|error| error.to_string())?).clone();
        client.time_provider = Arc::new(case.time);
        let name = case.name.clone().unwrap();
        let server = server(case, default_provider()).map_err(|error| error.to_string())?;
        shake(Arc::new(client), name, server).map_err(|error| error.to_string())
    };
    let mut wrong = compare("TLS of the server to others", &receivers, receiver, MORE);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let shown = Arc::new(Certificate::new(&chain, &key).unwrap());
    let agent = |case: &Case| {
        let callers = Callers { roots: case.roots.clone(), ..Callers::default() };
        let wishes =
            TlsWishes { shown: Arc::clone(&shown), callers: Some(&callers), protocols: &[] };
        let mut server = (*server_tls(&wishes).map_err(|error| error.to_string())?).clone();
        server.time_provider = Arc::new(case.time);
        let mut client = (*syslog::tls(&own.cert.pem()).unwrap()).clone();
        client.client_auth_cert_resolver =
            Shown::new(case, &default_provider()).map_err(|error| error.to_string())?;
        let name = ServerName::try_from("localhost").unwrap();
        shake(Arc::new(client), name, Arc::new(server)).map_err(|error| error.to_string())
    };
    wrong.extend(compare("TLS of the server with agents", &agents, agent, OF_AGENTS));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
