//! Who is trusted.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rcgen::{CustomExtension, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::LineEnding;
use rsa::{Pss, RsaPrivateKey};
use sha2::{Digest, Sha256};
use troodon_board::tls::{TlsFault, TlsSettings};
use troodon_core::config::Secret;

use super::authority::{Authority, HOST, Identity, PINNED, ServerKey};
use super::client::{BACK_ENDS, BackEnd, NOW, Outcome, settings, talk, talk_with_each};
use super::server::{HONEST, Server, Step};

fn with(own: &Authority, others: &[&Authority], identity: Identity) -> Outcome {
    at(NOW, own, others, identity)
}

fn at(now: u64, own: &Authority, others: &[&Authority], identity: Identity) -> Outcome {
    let server = || Server::new(identity.clone(), &HONEST);
    talk_with_each(&settings(own, others), now, server, usize::MAX)
}

fn is_trusted(outcome: &Outcome) {
    assert!(outcome.is_proved && outcome.fault.is_none(), "{outcome:?}");
}

#[test]
fn the_pinned_name_under_the_embedded_authority_is_trusted() {
    let own = Authority::new("own");
    is_trusted(&with(&own, &[], own.sign(PINNED, |_| ())));
}

#[test]
fn a_server_may_sign_with_the_rsa_key_of_its_certificate_and_no_other() {
    let own = Authority::new("own");
    let [right, wrong] =
        [1, 2].map(|seed| RsaPrivateKey::new(&mut ChaCha20Rng::from_seed([seed; 32]), 2048));
    let (right, wrong) = (right.unwrap(), wrong.unwrap());
    let (_, certificate) = own.sign_rsa(PINNED, &right);
    let identity = |key| Identity { chain: vec![certificate.clone()], key: ServerKey::Rsa(key) };
    is_trusted(&with(&own, &[], identity(right)));
    assert_eq!(with(&own, &[], identity(wrong)).refused(), TlsFault::Certificate);
}

#[test]
fn another_name_under_the_embedded_authority_is_not() {
    let own = Authority::new("own");
    for name in [HOST, "velociraptorserver.example", "GRPC_GW"] {
        let outcome = with(&own, &[], own.sign(name, |_| ()));
        assert_eq!(outcome.refused(), TlsFault::Certificate, "{name}");
    }
}

#[test]
fn a_name_in_the_subject_alone_does_not_count() {
    let own = Authority::new("own");
    let identity = own.sign(PINNED, |params| params.subject_alt_names.clear());
    assert_eq!(with(&own, &[], identity).refused(), TlsFault::Certificate);
}

#[test]
fn another_authority_with_the_same_name_is_not_trusted() {
    let (own, other) = (Authority::new("own"), Authority::new("own"));
    let outcome = with(&own, &[], other.sign(PINNED, |_| ()));
    assert_eq!(outcome.refused(), TlsFault::Certificate);
}

#[test]
fn a_server_is_no_authority() {
    let own = Authority::new("own");
    assert_eq!(with(&own, &[], own.rogue(PINNED)).refused(), TlsFault::Certificate);
    let other = Authority::new("other");
    assert_eq!(with(&own, &[&other], other.rogue(HOST)).refused(), TlsFault::Certificate);
}

#[test]
fn the_authority_itself_is_no_server() {
    let own = Authority::new("own");
    let mut identity = own.sign(PINNED, |_| ());
    identity.chain = vec![own.der.clone()];
    assert_eq!(with(&own, &[], identity).refused(), TlsFault::Certificate);
}

#[test]
fn a_certificate_counts_while_it_is_valid() {
    let own = Authority::new("own");
    let year = |from: i32| {
        own.sign(PINNED, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(from + 1, 1, 1);
        })
    };
    assert_eq!(with(&own, &[], year(2021)).refused(), TlsFault::Certificate, "expired");
    assert_eq!(with(&own, &[], year(2025)).refused(), TlsFault::Certificate, "not yet valid");
    is_trusted(&with(&own, &[], year(2023)));
    // A board whose clock is late takes what has expired since, and refuses what is not yet valid.
    let late = NOW - 60 * 60 * 24 * 365 * 2;
    is_trusted(&at(late, &own, &[], year(2021)));
    assert_eq!(at(late, &own, &[], year(2023)).refused(), TlsFault::Certificate);
    assert_eq!(at(0, &own, &[], year(2023)).refused(), TlsFault::Certificate, "1970");
}

#[test]
fn further_roots_go_with_the_name_in_the_url() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    is_trusted(&with(&own, &[&other], other.sign(HOST, |_| ())));
    let outcome = with(&own, &[&other], other.sign(PINNED, |_| ()));
    assert_eq!(outcome.refused(), TlsFault::Certificate);
    assert_eq!(with(&own, &[], other.sign(HOST, |_| ())).refused(), TlsFault::Certificate);
}

#[test]
fn a_certificate_for_other_purposes_is_not_trusted() {
    let own = Authority::new("own");
    let identity = own.sign(PINNED, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert_eq!(with(&own, &[], identity).refused(), TlsFault::Certificate);
}

#[test]
fn a_critical_extension_that_nobody_knows_is_not_trusted() {
    let own = Authority::new("own");
    let identity = own.sign(PINNED, |params| {
        let mut strange = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        strange.set_criticality(true);
        params.custom_extensions = vec![strange];
    });
    assert_eq!(with(&own, &[], identity).refused(), TlsFault::Certificate);
}

#[test]
fn a_server_that_asks_sees_the_certificate_of_the_board_and_that_it_has_the_key() {
    let own = Authority::new("own");
    let key = RsaPrivateKey::new(&mut ChaCha20Rng::from_seed([1; 32]), 2048).unwrap();
    let (certificate, der) = own.sign_rsa("board", &key);
    let settings = TlsSettings {
        client_certificate: certificate,
        client_certificate_private_key: Secret::new(
            key.to_pkcs1_pem(LineEnding::LF).unwrap().to_string(),
        ),
        ..settings(&own, &[])
    };
    let flight = [&HONEST[..1], &[Step::CertificateRequest], &HONEST[1..]].concat();
    for back_end in BACK_ENDS {
        let mut server = Server::new(own.sign(PINNED, |_| ()), &flight);
        let client = back_end.client(&settings, NOW).unwrap();
        is_trusted(&talk(client.as_ref(), &mut server, usize::MAX));

        let messages = handshake_messages(&server.client_flight);
        let [shown, signed, _finished] = messages.as_slice() else { panic!("{messages:?}") };
        assert!(shown[0] == 11 && shown.windows(der.len()).any(|bytes| bytes == der));
        assert_eq!(signed[..8], [15, 0, 1, 4, 8, 4, 1, 0], "RSA-PSS with SHA-256");
        let hash = Sha256::digest([server.transcript.as_slice(), shown].concat());
        let text = [[0x20; 64].as_slice(), b"TLS 1.3, client CertificateVerify\0", &hash].concat();
        let (scheme, public) = (Pss::<Sha256>::new(), key.to_public_key());
        let signature = public.verify(scheme, &Sha256::digest(&text), &signed[8..]);
        assert!(signature.is_ok(), "{back_end:?}");
    }
}

#[test]
fn a_server_that_asks_a_board_without_a_certificate_gets_an_empty_list() {
    let own = Authority::new("own");
    let flight = [&HONEST[..1], &[Step::CertificateRequest], &HONEST[1..]].concat();
    for back_end in BACK_ENDS {
        let mut server = Server::new(own.sign(PINNED, |_| ()), &flight);
        let client = back_end.client(&settings(&own, &[]), NOW).unwrap();
        is_trusted(&talk(client.as_ref(), &mut server, usize::MAX));
        assert_eq!(server.client_flight[..8], [11, 0, 0, 4, 0, 0, 0, 0], "{back_end:?}");
    }
}

#[test]
fn what_cannot_be_shown_to_a_server_is_refused_at_the_start() {
    let own = Authority::new("own");
    let key = RsaPrivateKey::new(&mut ChaCha20Rng::from_seed([1; 32]), 2048).unwrap();
    let key_pem = || Secret::new(key.to_pkcs1_pem(LineEnding::LF).unwrap().to_string());
    let (certificate, _) = own.sign_rsa("board", &key);
    let fault = |back_end: BackEnd, client_certificate: &str, key: Secret| {
        let shown = client_certificate.to_owned();
        let (client_certificate, client_certificate_private_key) = (shown, key);
        let settings = TlsSettings {
            client_certificate,
            client_certificate_private_key,
            ..settings(&own, &[])
        };
        back_end.client(&settings, NOW).err()
    };
    let elliptic = KeyPair::generate().unwrap().serialize_pem();
    for back_end in BACK_ENDS {
        assert_eq!(fault(back_end, &certificate, key_pem()), None);
        let unusable = Some(TlsFault::Settings("client certificate"));
        assert_eq!(fault(back_end, "no PEM", key_pem()), unusable);
        assert_eq!(fault(back_end, &certificate, Secret::new("no PEM".into())), unusable);
        assert_eq!(fault(back_end, &certificate, Secret::new(elliptic.clone())), unusable);
    }
    // One alone has room in the records of embedded-tls.
    let chain = format!("{certificate}{}", own.pem);
    let refused = Some(TlsFault::Settings("chain of client certificates"));
    assert_eq!(fault(BackEnd::Embedded, &chain, key_pem()), refused);
    assert_eq!(fault(BackEnd::Rustls, &chain, key_pem()), None);
}

fn handshake_messages(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let [_, a, b, c, ..] = *bytes {
        let (message, rest) =
            bytes.split_at(4 + usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap());
        messages.push(message);
        bytes = rest;
    }
    messages
}

#[test]
fn certificates_with_any_byte_changed_are_refused() {
    let own = Authority::new("own");
    let len = own.sign(PINNED, |_| ()).chain[0].len();
    for place in (0..len).step_by(7) {
        let mut identity = own.sign(PINNED, |_| ());
        let Some(byte) = identity.chain[0].get_mut(place) else { continue };
        *byte ^= 0x10;
        with(&own, &[], identity).refused();
    }
}
