//! The one thing that a stranger may say, and every way to say it wrongly.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use troodon_core::envelope::{Enrolment, FromClients, Lists, Opened, Outbound, Sealed, Stranger};
use troodon_core::error::{EnrolFault, PeerFault};
use troodon_core::identity::{ClientId, Request, request_pem};
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;

use crate::certificates::armour;
use crate::keys::{NONCE, NOW, client_key, other_key, pinned, rng, server_key};
use crate::second::{Recipe, bytes, list, number, upstream};

fn request(key: &SoftKey) -> Vec<u8> {
    request_pem(&mut rng(1), key).unwrap().into_bytes()
}

/// A message list with one certificate of this kind.
fn certificate(kind: u64, pem: &[u8]) -> Vec<u8> {
    let certificate = [number(1, kind), bytes(2, pem)].concat();
    bytes(1, &[bytes(1, b"E:Enrol"), bytes(29, &certificate), number(36, 1)].concat())
}

fn enrol(recipe: &Recipe) -> Result<Enrolment, EnrolFault> {
    let mut receiver = FromClients::new(1);
    let body = recipe.seal().into();
    match receiver.open(&mut rng(2), server_key(), body, |nonce| nonce == NONCE, |_| None)? {
        Opened::Unknown(unknown) => unknown.enrolment(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_that_holds_its_key_is_enrolled() {
    let enrolment = enrol(&upstream(&[&certificate(0, &request(client_key()))])).unwrap();
    assert_eq!(enrolment.client_id(), ClientId::of(client_key().public()));
    assert_eq!(enrolment.public_key(), client_key().public());
}

#[test]
fn our_own_client_enrols() {
    let session = Outbound::to_server(&mut rng(3), other_key(), &pinned()).unwrap();
    let lists = Lists::Plain(vec![certificate(0, &request(other_key())).into()]);
    let body = session.seal(&mut rng(4), NOW, NONCE, lists).unwrap();
    let mut receiver = FromClients::new(1);
    let opened = receiver.open(&mut rng(5), server_key(), body.into(), |_| true, |_| None);
    let Ok(Opened::Unknown(unknown)) = opened else { panic!("{opened:?}") };
    assert_eq!(unknown.claimed(), ClientId::of(other_key().public()).as_str());
    assert_eq!(unknown.enrolment().unwrap().public_key(), other_key().public());
}

#[test]
fn other_messages_of_a_stranger_are_passed_over() {
    let rows = list(&["F.A", "F.B"]);
    let both = upstream(&[&rows, &certificate(0, &request(client_key()))]);
    assert!(enrol(&both).is_ok());
    assert_eq!(enrol(&upstream(&[&rows])).err(), Some(EnrolFault::NoRequest));
    assert_eq!(enrol(&upstream(&[])).err(), Some(EnrolFault::NoRequest));
    let not_a_request = upstream(&[&certificate(1, &request(client_key()))]);
    assert_eq!(enrol(&not_a_request).err(), Some(EnrolFault::NoRequest));
}

#[test]
fn somebody_elses_request_does_not_enrol() {
    let theirs = certificate(0, &request(other_key()));
    assert_eq!(enrol(&upstream(&[&theirs])).err(), Some(EnrolFault::NotSender));
    // Claims the victim's id and replays the victim's request, but cannot sign as the victim.
    let mut replayed = upstream(&[&certificate(0, &request(client_key()))]);
    replayed.signer = other_key();
    assert_eq!(enrol(&replayed).err(), Some(EnrolFault::NotSender));
    let mut renamed = upstream(&[&theirs]);
    renamed.signer = other_key();
    assert_eq!(enrol(&renamed).err(), Some(EnrolFault::NotSender));
}

#[test]
fn a_known_client_with_a_wrong_signature_is_a_stranger() {
    let mut forged = upstream(&[&list(&["F.A"])]);
    forged.signer = other_key();
    let opened = FromClients::new(1).open(
        &mut rng(2),
        server_key(),
        forged.seal().into(),
        |_| true,
        |_| Some(client_key().public().clone()),
    );
    assert!(matches!(opened, Ok(Opened::Unknown(_))));
}

#[test]
fn a_key_on_record_under_another_id_proves_nothing() {
    let mut honest = upstream(&[]);
    honest.signer = other_key();
    let opened = FromClients::new(1).open(
        &mut rng(2),
        server_key(),
        honest.seal().into(),
        |_| true,
        |_| Some(other_key().public().clone()),
    );
    assert!(matches!(opened, Ok(Opened::Unknown(_))), "the id must be the id of the key");
}

#[test]
fn a_stranger_needs_the_nonce() {
    let mut recipe = upstream(&[&certificate(0, &request(client_key()))]);
    recipe.nonce = "AAAAAAAAAAA=".into();
    assert_eq!(enrol(&recipe).err(), Some(EnrolFault::Envelope(PeerFault::Nonce)));
}

#[test]
fn a_stranger_that_was_met_is_known_again_without_the_private_key_and_still_unproven() {
    let met = |body: Vec<u8>| Sealed::parse(body.into()).unwrap().unwrap();
    let session = Outbound::to_server(&mut rng(3), other_key(), &pinned()).unwrap();
    let seal = |seed, lists| met(session.seal(&mut rng(seed), NOW, NONCE, lists).unwrap());
    let first = seal(4, Lists::Plain(Vec::new()));
    let introduction = Stranger::meet(&mut rng(5), server_key(), first).unwrap();
    let introduction = introduction.introduction();

    let request = certificate(0, &request(other_key()));
    let again = introduction.clone().meet(seal(6, Lists::Plain(vec![request.into()]))).unwrap();
    assert!(again.prove_client(client_key().public()).is_err(), "it vouches for nobody");
    let request = certificate(0, &self::request(other_key()));
    let again = introduction.clone().meet(seal(6, Lists::Plain(vec![request.into()]))).unwrap();
    let unknown = again.unknown(|nonce| nonce == NONCE).unwrap();
    assert_eq!(unknown.enrolment().unwrap().public_key(), other_key().public());

    let other = Outbound::to_server(&mut rng(8), other_key(), &pinned()).unwrap();
    let other = met(other.seal(&mut rng(4), NOW, NONCE, Lists::Plain(Vec::new())).unwrap());
    assert_eq!(introduction.clone().meet(other).err(), Some(PeerFault::Mac));
}

#[test]
fn requests_that_do_not_hold_are_refused() {
    let fault = |pem: &[u8]| Request::check(pem).err();
    let good = String::from_utf8(request(client_key())).unwrap();
    assert_eq!(fault(good.as_bytes()), None);
    assert_eq!(fault(b""), Some(EnrolFault::Encoding));
    assert_eq!(fault(&vec![b'x'; 9 * 1024]), Some(EnrolFault::TooLarge));
    let label = good.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert_eq!(fault(label.as_bytes()), Some(EnrolFault::Encoding));
    assert_eq!(
        fault(armour("CERTIFICATE REQUEST", b"garbage").as_bytes()),
        Some(EnrolFault::Encoding)
    );
}

#[test]
fn no_byte_of_a_request_can_change() {
    let good = String::from_utf8(request(client_key())).unwrap();
    let body: String = good.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = STANDARD.decode(body).unwrap();
    assert!(Request::check(armour("CERTIFICATE REQUEST", &der).as_bytes()).is_ok());
    for byte in 0..der.len() {
        let bit = 1 << (byte % 8);
        der[byte] ^= bit;
        let text = armour("CERTIFICATE REQUEST", &der);
        assert!(Request::check(text.as_bytes()).is_err(), "byte {byte} changed by {bit}");
        der[byte] ^= bit;
    }
}
