//! What one implementation seals, the other opens, in both directions.

use bytes::Bytes;
use troodon_core::envelope::{FromClients, FromServer, Lists, Opened, PAD, Sealed, deflate};
use troodon_core::error::PeerFault;
use troodon_core::identity::ClientId;
use troodon_core::limits::INFLATED_BYTES;
use troodon_core::rsa::PrivateKey;
use troodon_core::time::UnixTime;

use crate::keys::{NONCE, NOW, SERVER, client_key, pinned, rng, server_key, to_client, to_server};
use crate::second::{downstream, list, open, stored, upstream};

/// Session ids of the messages that a server finds in a client's body.
pub fn at_server(body: impl Into<Bytes>) -> Result<Vec<String>, PeerFault> {
    let mut receiver = FromClients::new(8);
    let opened = receiver.open(
        &mut rng(50),
        server_key(),
        body.into(),
        |nonce| nonce == NONCE,
        |id| (id == ClientId::of(client_key().public())).then(|| client_key().public().clone()),
    )?;
    let Opened::Messages(packet) = opened else {
        panic!("not from a known client: {opened:?}");
    };
    assert_eq!(packet.source(), &ClientId::of(client_key().public()));
    let messages = packet.messages(INFLATED_BYTES).collect_all()?;
    Ok(messages.into_iter().map(|message| message.into_inner().session_id).collect())
}

/// Session ids of the messages that a client finds in a server's body.
pub fn at_client(body: impl Into<Bytes>) -> Result<Vec<String>, PeerFault> {
    let mut receiver = FromServer::new(pinned(), NONCE.into());
    let Some(packet) = receiver.open(&mut rng(51), client_key(), body.into())? else {
        return Ok(Vec::new());
    };
    assert_eq!(packet.source().name(), SERVER);
    let messages = packet.messages(INFLATED_BYTES).collect_all()?;
    Ok(messages.into_iter().map(|message| message.into_inner().session_id).collect())
}

#[test]
fn the_second_implementation_opens_what_a_client_seals() {
    let session = to_server(100);
    let lists = vec![list(&["F.A", "F.B"]).into(), list(&["E.Foreman"]).into()];
    let body = session.seal(&mut rng(101), NOW, NONCE, Lists::Plain(lists.clone())).unwrap();
    let found = open(&body, server_key(), client_key().public());
    assert_eq!(found.source, ClientId::of(client_key().public()).as_str());
    assert_eq!((found.nonce.as_str(), found.compression), (NONCE, 0));
    assert_eq!(found.lists, lists);
}

#[test]
fn the_second_implementation_opens_what_a_server_seals() {
    let body = to_client(102)
        .seal(&mut rng(103), UnixTime::EPOCH, NONCE, Lists::Plain(Vec::new()))
        .unwrap();
    let found = open(&body, client_key(), server_key().public());
    assert_eq!((found.source.as_str(), found.lists.len()), (SERVER, 0));
}

#[test]
fn packets_of_one_session_share_their_keys_and_nothing_else() {
    let (session, mut random) = (to_server(104), rng(105));
    let mut seal = || session.seal(&mut random, NOW, NONCE, Lists::Plain(Vec::new())).unwrap();
    let (first, second) = (seal(), seal());
    let (first, second) = (
        open(&first, server_key(), client_key().public()),
        open(&second, server_key(), client_key().public()),
    );
    assert_eq!(first.encrypted_cipher, second.encrypted_cipher);
    assert_ne!(first.packet_iv, second.packet_iv);
    let other = to_server(106).seal(&mut random, NOW, NONCE, Lists::Plain(Vec::new())).unwrap();
    let other = open(&other, server_key(), client_key().public());
    assert_ne!(other.encrypted_cipher, first.encrypted_cipher);
}

#[test]
fn a_server_opens_what_the_second_implementation_seals() {
    let (one, two) = (list(&["F.A", "F.B"]), list(&["F.C"]));
    assert_eq!(at_server(upstream(&[&one, &two]).seal()).unwrap(), ["F.A", "F.B", "F.C"]);
    let mut compressed = upstream(&[&stored(&one), &stored(&two)]);
    compressed.compression = 1;
    assert_eq!(at_server(compressed.seal()).unwrap(), ["F.A", "F.B", "F.C"]);
}

#[test]
fn a_client_opens_what_the_second_implementation_seals() {
    assert_eq!(at_client(downstream(&[&list(&["F.A"])]).seal()).unwrap(), ["F.A"]);
}

#[test]
fn every_length_of_packet_survives() {
    let (up, down) = (to_server(107), to_client(108));
    for length in 0..40 {
        let id = "x".repeat(length);
        let lists = || Lists::Plain(vec![list(&[&id]).into()]);
        let body = up.seal(&mut rng(109), NOW, NONCE, lists()).unwrap();
        assert_eq!(body.capacity(), body.len(), "sealed into one exact buffer");
        assert_eq!(at_server(body).unwrap(), std::slice::from_ref(&id));
        let body = down.seal(&mut rng(109), NOW, NONCE, lists()).unwrap();
        assert_eq!(at_client(body).unwrap(), [id]);
    }
}

#[test]
fn compressed_lists_are_inflated() {
    let long = list(&["F.LONG"; 5_000]);
    let packed = deflate(&long);
    assert!(packed.compressed_len() < long.len() / 10);
    let lists = Lists::Zlib(vec![packed, deflate(&list(&["F.SHORT"])), deflate(&[])]);
    let body = to_server(110).seal(&mut rng(111), NOW, NONCE, lists).unwrap();
    let ids = at_server(body).unwrap();
    assert_eq!((ids.len(), ids.last().unwrap().as_str()), (5_001, "F.SHORT"));
}

#[test]
fn nothing_and_pads_carry_nothing() {
    for pads in 0..4 {
        let body = Bytes::from(PAD.repeat(pads));
        assert!(Sealed::parse(body.clone()).unwrap().is_none());
        assert_eq!(at_client(body).unwrap(), [""; 0]);
    }
}

#[test]
fn pads_around_a_message_vanish() {
    let body = downstream(&[&list(&["F.A"])]).seal();
    let padded = [&PAD.repeat(9), body.as_slice(), &PAD.repeat(3)].concat();
    assert_eq!(at_client(padded).unwrap(), ["F.A"]);
}

#[test]
fn what_a_message_says_about_its_sender_is_forgotten() {
    use crate::second::{bytes, number};
    let claims =
        [bytes(1, b"F.A"), bytes(6, b"C.0000000000000000"), number(7, 1), bytes(40, b"O123")]
            .concat();
    let body = upstream(&[&bytes(1, &claims)]).seal();
    let mut receiver = FromClients::new(1);
    let opened = receiver
        .open(
            &mut rng(1),
            server_key(),
            body.into(),
            |_| true,
            |_| Some(client_key().public().clone()),
        )
        .unwrap();
    let Opened::Messages(packet) = opened else { panic!("{opened:?}") };
    let message = packet.messages(1_000).next().unwrap().unwrap();
    assert_eq!(message.source(), &ClientId::of(client_key().public()));
    let message = message.into_inner();
    assert_eq!((message.source.as_str(), message.auth_state), ("", 0));
    assert_eq!(message.org_id, "");
}

#[test]
fn unknown_fields_are_passed_over() {
    use crate::second::{bytes, number};
    let odd = [number(77, 5), bytes(78, b"later"), list(&["F.A"]), number(79, 1)].concat();
    let mut recipe = downstream(&[&odd]);
    recipe.packet = Some([recipe.packet(), bytes(99, b"later")].concat());
    let mut body = recipe.seal();
    body.extend(number(50, 3));
    assert_eq!(at_client(body).unwrap(), ["F.A"]);
}
