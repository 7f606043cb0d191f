//! Damaged, forged and impossible envelopes: each is refused, for the reason that applies.

use bytes::Bytes;
use troodon_core::envelope::{FromClients, Lists, Opened};
use troodon_core::error::{Excerpt, PeerFault};
use troodon_core::limits::{
    FIELDS_PER_MESSAGE, LISTS_PER_PACKET, MESSAGES_PER_PACKET, METADATA_BYTES,
};
use troodon_core::rsa::PrivateKey;

use crate::keys::{NONCE, NOW, client_key, other_key, rng, server_key, to_client, to_server};
use crate::round_trip::{at_client, at_server};
use crate::second::{Cooked, Recipe, bytes, downstream, list, number, stored, upstream};

fn hello() -> Vec<u8> {
    list(&["F.A"])
}

fn at_server_after(change: impl FnOnce(&mut Recipe)) -> Result<Vec<String>, PeerFault> {
    let mut recipe = upstream(&[&hello()]);
    change(&mut recipe);
    at_server(recipe.seal())
}

fn at_client_after(change: impl FnOnce(&mut Recipe)) -> Result<Vec<String>, PeerFault> {
    let mut recipe = downstream(&[&hello()]);
    change(&mut recipe);
    at_client(recipe.seal())
}

/// Changes the sealed parts and authenticates them again: what a sender can do, but not somebody in between.
fn cooked_after(change: impl FnOnce(&mut Cooked)) -> Result<Vec<String>, PeerFault> {
    let recipe = upstream(&[&hello()]);
    let mut cooked = recipe.cook();
    change(&mut cooked);
    at_server(cooked.authenticate(&recipe.mac_key).serve())
}

#[test]
fn no_bit_can_change_in_a_known_session() {
    let session = to_server(1);
    let seal =
        || session.seal(&mut rng(2), NOW, NONCE, Lists::Plain(vec![hello().into()])).unwrap();
    let mut receiver = FromClients::new(1);
    let mut open = |body: Vec<u8>| {
        let key = |_| Some(client_key().public().clone());
        receiver.open(&mut rng(3), server_key(), body.into(), |nonce| nonce == NONCE, key)
    };
    assert!(matches!(open(seal()), Ok(Opened::Messages(_))));
    let mut body = seal();
    for byte in 0..body.len() {
        for bit in 0..8 {
            body[byte] ^= 1 << bit;
            assert!(open(body.clone()).is_err(), "bit {bit} of byte {byte} changed");
            body[byte] ^= 1 << bit;
        }
    }
    assert!(matches!(open(body), Ok(Opened::Messages(_))), "the session survives forgeries");
}

#[test]
fn no_byte_can_change_in_a_first_packet() {
    let body = to_client(4).seal(&mut rng(5), NOW, NONCE, Lists::Plain(vec![hello().into()]));
    let mut body = body.unwrap();
    for byte in 0..body.len() {
        let bit = 1 << (byte % 8);
        body[byte] ^= bit;
        assert!(at_client(body.clone()).is_err(), "byte {byte} changed");
        body[byte] ^= bit;
    }
}

#[test]
fn every_truncation_is_refused() {
    let up = upstream(&[&hello()]).seal();
    let down = downstream(&[&hello()]).seal();
    for length in 1..up.len() {
        assert!(at_server(up[..length].to_vec()).is_err(), "{length} bytes at the server");
    }
    for length in 1..down.len() {
        assert!(at_client(down[..length].to_vec()).is_err(), "{length} bytes at the client");
    }
}

#[test]
fn every_missing_part_is_named() {
    let whole = upstream(&[&hello()]).cook();
    let without = |change: fn(&mut Cooked)| {
        let mut cooked = whole.clone();
        change(&mut cooked);
        at_server(cooked.serve())
    };
    // An absent field and an empty one are the same in protobuf; the helper leaves the tag in.
    assert_eq!(without(|c| c.encrypted.clear()), Err(PeerFault::Missing(1)));
    assert_eq!(without(|c| c.encrypted_cipher.clear()), Err(PeerFault::Missing(2)));
    assert_eq!(without(|c| c.packet_iv.clear()), Err(PeerFault::Missing(8)));
    assert_eq!(without(|c| c.metadata.clear()), Err(PeerFault::Missing(9)));
    assert_eq!(without(|c| c.mac.clear()), Err(PeerFault::Missing(10)));
    assert_eq!(without(|c| c.api_version = 0), Err(PeerFault::ApiVersion(0)));
}

#[test]
fn impossible_lengths_are_refused_before_any_cryptography() {
    let length = |field, bytes| Err(PeerFault::Length { field, bytes });
    assert_eq!(cooked_after(|c| c.encrypted.truncate(15)), length(1, 15));
    assert_eq!(cooked_after(|c| c.encrypted.push(0)), length(1, 33));
    assert_eq!(cooked_after(|c| c.encrypted_cipher.truncate(255)), length(2, 255));
    assert_eq!(cooked_after(|c| c.encrypted_cipher.resize(513, 0)), length(2, 513));
    assert_eq!(cooked_after(|c| c.packet_iv.truncate(15)), length(8, 15));
    assert_eq!(cooked_after(|c| c.packet_iv.push(0)), length(8, 17));
    let long = METADATA_BYTES + 16;
    assert_eq!(cooked_after(|c| c.metadata.resize(long, 0)), length(9, long));
    assert_eq!(cooked_after(|c| c.metadata.truncate(17)), length(9, 17));
    let mut cooked = upstream(&[]).cook();
    cooked.mac.truncate(19);
    assert_eq!(at_server(cooked.serve()), length(10, 19));
}

#[test]
fn a_mac_of_other_bytes_is_refused() {
    let mut cooked = upstream(&[&hello()]).cook();
    cooked.mac = vec![0; 20];
    assert_eq!(at_server(cooked.serve()), Err(PeerFault::Mac));
    let other = upstream(&[&hello()]).cook().authenticate(&[9; 16]);
    assert_eq!(at_server(other.serve()), Err(PeerFault::Mac));
    let version = Cooked { api_version: 5, ..upstream(&[&hello()]).cook() };
    assert_eq!(at_server(version.serve()), Err(PeerFault::Mac));
}

#[test]
fn parts_of_two_envelopes_do_not_mix() {
    let (one, mut other) = (upstream(&[&hello()]), upstream(&[&hello()]));
    other.key = vec![7; 16];
    other.mac_key = vec![8; 16];
    let (one, other) = (one.cook(), other.cook());
    let swapped = Cooked { encrypted_cipher: other.encrypted_cipher.clone(), ..one.clone() };
    assert_eq!(at_server(swapped.serve()), Err(PeerFault::Mac));
    let swapped = Cooked { metadata: other.metadata, ..one };
    assert_eq!(at_server(swapped.serve()), Err(PeerFault::Mac));
}

#[test]
fn old_versions_are_refused_and_later_ones_are_not() {
    for version in 0..4 {
        let fault = Err(PeerFault::ApiVersion(version));
        assert_eq!(at_server_after(|recipe| recipe.api_version = version), fault);
    }
    for version in [5, 99, u32::MAX] {
        assert!(at_server_after(|recipe| recipe.api_version = version).is_ok());
    }
}

#[test]
fn session_keys_must_be_what_the_protocol_says() {
    for cipher in ["", "aes_256_cbc", "AES_128_CBC", "aes_128_cbc "] {
        let fault = Err(PeerFault::Cipher(Excerpt::of(cipher)));
        assert_eq!(at_server_after(|recipe| recipe.cipher_name = cipher.into()), fault);
    }
    let properties = Err(PeerFault::Properties);
    assert_eq!(at_server_after(|recipe| recipe.hmac_type = 0), properties, "SIMPLE_HMAC");
    assert_eq!(at_server_after(|recipe| recipe.hmac_type = 2), properties);
    for length in [0, 15, 17, 32] {
        assert_eq!(at_server_after(|recipe| recipe.key.resize(length, 1)), properties);
        assert_eq!(at_server_after(|recipe| recipe.mac_key.resize(length, 1)), properties);
        assert_eq!(at_server_after(|recipe| recipe.metadata_iv.resize(length, 1)), properties);
    }
}

#[test]
fn every_wrong_padding_is_refused() {
    let packet = upstream(&[&hello()]).packet();
    let room = 16 - packet.len() % 16;
    let with = |padding: Vec<u8>| at_server_after(|recipe| recipe.padding = Some(padding));
    let right = u8::try_from(room).unwrap();
    assert!(with(vec![right; room]).is_ok());
    for last in (0..=255).filter(|last| *last != right) {
        let mut padding = vec![right; room];
        padding[room - 1] = last;
        // A shorter padding is one too, when its bytes agree; the packet then ends in rubbish.
        let fault = if last == 1 { PeerFault::Packet } else { PeerFault::Padding };
        assert_eq!(with(padding), Err(fault), "last byte {last}");
    }
    for position in 0..room - 1 {
        let mut padding = vec![right; room];
        padding[position] ^= 0x80;
        assert_eq!(with(padding), Err(PeerFault::Padding), "byte {position}");
    }
}

#[test]
fn another_nonce_is_refused_in_both_directions() {
    for nonce in ["", "AAAAAAAAAAA=", "bm9uY2U", "bm9uY2U=="] {
        let fault = Err(PeerFault::Nonce);
        assert_eq!(at_server_after(|recipe| recipe.nonce = nonce.into()), fault);
        assert_eq!(at_client_after(|recipe| recipe.nonce = nonce.into()), fault);
    }
}

#[test]
fn an_envelope_for_somebody_else_is_refused() {
    let other = other_key().public();
    let fault = Err(PeerFault::SessionKeys);
    assert_eq!(at_server_after(|recipe| recipe.receiver = other.clone()), fault);
    assert_eq!(at_client_after(|recipe| recipe.receiver = other.clone()), fault);
    // The server's own envelope, sent back to it.
    assert_eq!(at_server(downstream(&[&hello()]).seal()), fault);
}

#[test]
fn a_client_listens_to_its_server_only() {
    assert_eq!(at_client_after(|recipe| recipe.signer = other_key()), Err(PeerFault::Signature));
    assert_eq!(at_client_after(|recipe| recipe.signer = client_key()), Err(PeerFault::Signature));
    for source in
        ["", "GRPC_GW", "velociraptorserver", "VelociraptorServer\0", "C.0123456789abcdef"]
    {
        let fault = Err(PeerFault::Sender);
        assert_eq!(at_client_after(|recipe| recipe.source = source.into()), fault, "{source:?}");
    }
}

#[test]
fn a_server_refuses_names_that_are_no_client_ids() {
    let names =
        ["VelociraptorServer", "C.0123", "C.0123456789ABCDEF", "../clients/server", "", "C."];
    for name in names {
        let fault = Err(PeerFault::Sender);
        assert_eq!(at_server_after(|recipe| recipe.source = name.into()), fault, "{name:?}");
    }
    let endless = "x".repeat(300);
    assert_eq!(at_server_after(|recipe| recipe.source = endless), Err(PeerFault::Sender));
}

#[test]
fn a_packet_that_is_none_is_refused() {
    let packet = |packet: &[u8]| at_server_after(|recipe| recipe.packet = Some(packet.to_vec()));
    assert_eq!(packet(b"\xff\xff\xff"), Err(PeerFault::Packet));
    assert_eq!(packet(b""), Err(PeerFault::Nonce));
    let strange = [number(4, 7), bytes(7, NONCE.as_bytes())].concat();
    assert_eq!(packet(&strange), Err(PeerFault::Packet), "an unknown compression");
}

#[test]
fn an_error_in_one_list_does_not_hide_the_next() {
    let mut recipe = upstream(&[b"\x0a\xff", &hello(), &stored(b"")]);
    let mut receiver = FromClients::new(1);
    let mut open = |recipe: &Recipe| {
        let key = |_| Some(client_key().public().clone());
        let body = Bytes::from(recipe.seal());
        match receiver.open(&mut rng(3), server_key(), body, |nonce| nonce == NONCE, key) {
            Ok(Opened::Messages(packet)) => packet.messages(1_000).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let messages = open(&recipe);
    assert_eq!(messages[0], Err(PeerFault::Message));
    assert_eq!(messages[1].as_ref().unwrap().get().session_id, "F.A");
    assert_eq!((messages.len(), &messages[2]), (3, &Err(PeerFault::Message)));
    recipe.compression = 1;
    let messages = open(&recipe);
    assert_eq!(messages, [Err(PeerFault::Inflate), Err(PeerFault::Inflate)]);
}

#[test]
fn only_one_whole_zlib_stream_is_inflated() {
    let compressed = |stream: Vec<u8>| {
        at_server_after(|recipe| (recipe.lists, recipe.compression) = (vec![stream], 1))
    };
    let good = stored(&hello());
    assert!(compressed(good.clone()).is_ok());
    let fault = Err(PeerFault::Inflate);
    for length in 0..good.len() {
        assert_eq!(compressed(good[..length].to_vec()), fault, "cut to {length} bytes");
    }
    let mut sum = good.clone();
    *sum.last_mut().unwrap() ^= 1;
    assert_eq!(compressed(sum), fault, "a wrong checksum");
    assert_eq!(compressed([good.as_slice(), &[0]].concat()), fault, "a byte behind the end");
    assert_eq!(compressed(good[2..good.len() - 4].to_vec()), fault, "raw deflate");
    assert_eq!(compressed([b"\x1f\x8b\x08", good.as_slice()].concat()), fault, "gzip");
}

#[test]
fn more_than_a_limit_is_named() {
    let lists: Vec<Vec<u8>> = vec![Vec::new(); LISTS_PER_PACKET];
    let many = |lists: Vec<Vec<u8>>| at_server_after(|recipe| recipe.lists = lists);
    assert!(many(lists).is_ok());
    let fault = Err(PeerFault::TooManyLists(LISTS_PER_PACKET));
    assert_eq!(many(vec![Vec::new(); LISTS_PER_PACKET + 20]), fault);

    let messages = |count| many(vec![bytes(1, &[]).repeat(count)]);
    assert_eq!(messages(MESSAGES_PER_PACKET).map(|ids| ids.len()), Ok(MESSAGES_PER_PACKET));
    let fault = Err(PeerFault::TooManyMessages(MESSAGES_PER_PACKET));
    assert_eq!(messages(MESSAGES_PER_PACKET + 1).map(|ids| ids.len()), fault);

    // FlowStats with empty statuses, all in one field or each in a field of its own.
    let nested = |message: Vec<u8>| many(vec![bytes(1, &message)]).map(|ids| ids.len());
    let fault = Err(PeerFault::TooManyFields(FIELDS_PER_MESSAGE));
    let status = bytes(7, &[]);
    assert_eq!(nested(bytes(41, &status.repeat(FIELDS_PER_MESSAGE - 1))), Ok(1));
    assert_eq!(nested(bytes(41, &status.repeat(FIELDS_PER_MESSAGE))), fault);
    assert_eq!(nested(bytes(41, &status).repeat(FIELDS_PER_MESSAGE)), fault);
}
