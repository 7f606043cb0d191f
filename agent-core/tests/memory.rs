//! What hostile input costs in memory: never more than the limit that was given, whatever it would become.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "crypto/certificates.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use more of it")]
mod certificates;
#[path = "crypto/keys.rs"]
#[allow(dead_code, reason = "shared with the other tests, which use more of it")]
mod keys;

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec_zlib;
use peak_alloc::PeakAlloc;
use troodon_core::envelope::{FromClients, Lists, Messages, Opened, PAD, Sealed, deflate};
use troodon_core::error::PeerFault;
use troodon_core::identity::ClientId;
use troodon_core::rsa::PrivateKey;

use keys::{NONCE, NOW, client_key, rng, server_key, to_server};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One measurement at a time: the counter is of the whole process.
static TURN: Mutex<()> = Mutex::new(());

const MIB: usize = 1024 * 1024;
/// The inflater's tables, keys, and everything else of constant size.
const CONSTANT: usize = 256 * 1024;

/// The most that was allocated at once while `work` ran, in bytes beyond what was there before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (MEMORY.peak_usage().saturating_sub(before), result)
}

fn open(body: Vec<u8>, inflated: usize) -> Messages<ClientId> {
    let mut receiver = FromClients::new(1);
    let key = |_| Some(client_key().public().clone());
    match receiver.open(&mut rng(1), server_key(), body.into(), |_| true, key) {
        Ok(Opened::Messages(packet)) => packet.messages(inflated),
        other => panic!("{other:?}"),
    }
}

fn seal(lists: Lists) -> Vec<u8> {
    to_server(1).seal(&mut rng(2), NOW, NONCE, lists).unwrap()
}

#[test]
fn a_compression_bomb_costs_half_as_much_again_as_its_limit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let bomb = compress_to_vec_zlib(&vec![0; 100 * MIB], 9);
    assert!(bomb.len() < MIB / 8, "{} bytes", bomb.len());
    let twice = deflate(&vec![0; 3 * MIB]);
    for limit in [1, 1_000, MIB, 5 * MIB / 2] {
        let mut messages = open(seal(Lists::Zlib(vec![twice.clone()])), limit);
        let (peak, found) = peak_of(|| messages.next());
        assert_eq!(found, Some(Err(PeerFault::InflatedTooLarge(limit))));
        assert!(peak <= limit * 3 / 2 + CONSTANT, "{peak} bytes for a limit of {limit}");
    }
}

#[test]
fn a_list_of_exactly_the_limit_is_inflated() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // One message with a session id that fills the list.
    let id = vec![b'x'; MIB];
    let message = [&[0x0a, 0x80, 0x80, 0x40][..], &id].concat();
    let list = [&[0x0a, 0x84, 0x80, 0x40][..], &message].concat();
    let sealed = || seal(Lists::Zlib(vec![deflate(&list)]));
    let mut messages = open(sealed(), list.len());
    let (peak, found) = peak_of(|| messages.next());
    assert_eq!(found.unwrap().unwrap().get().session_id.len(), MIB);
    assert!(peak <= 2 * list.len() + CONSTANT, "the list and the text in it: {peak} bytes");
    let mut messages = open(sealed(), list.len() - 1);
    assert_eq!(messages.next(), Some(Err(PeerFault::InflatedTooLarge(list.len() - 1))));
}

#[test]
fn a_body_of_pads_costs_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let body = Bytes::from(PAD.repeat(2 * MIB));
    let (peak, sealed) = peak_of(|| Sealed::parse(body.clone()));
    assert!(sealed.unwrap().is_none());
    // The harness starts other tests meanwhile, which takes a few KiB.
    assert!(peak <= CONSTANT, "{peak} bytes of {}", body.len());
}

#[test]
fn a_packet_of_empty_lists_is_refused_before_they_exist() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let body = seal(Lists::Plain(vec![Bytes::new(); MIB]));
    let mut receiver = FromClients::new(1);
    let key = |_| Some(client_key().public().clone());
    let (peak, opened) =
        peak_of(|| receiver.open(&mut rng(1), server_key(), body.into(), |_| true, key));
    assert!(matches!(opened, Err(PeerFault::TooManyLists(_))));
    assert!(peak <= CONSTANT, "{peak} bytes: decrypted in place, refused by counting");
}

#[test]
fn a_million_empty_messages_cost_one() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let list = Bytes::from([0x0a, 0x00].repeat(MIB));
    let messages = open(seal(Lists::Plain(vec![list])), 2 * MIB);
    let (peak, count) = peak_of(|| messages.filter(Result::is_ok).count());
    assert_eq!(count, MIB);
    assert!(peak <= CONSTANT, "{peak} bytes");
}

#[test]
fn a_message_of_empty_statuses_is_refused_before_they_exist() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // FlowStats (41) with a million empty VeloStatus (7).
    let statuses = [0x3a, 0x00].repeat(MIB);
    let stats = [&[0xca, 0x02, 0x80, 0x80, 0x80, 0x01][..], &statuses].concat();
    let list = [&[0x0a, 0x86, 0x80, 0x80, 0x01][..], &stats].concat();
    let mut messages = open(seal(Lists::Plain(vec![list.into()])), 3 * MIB);
    let (peak, found) = peak_of(|| messages.next());
    assert!(matches!(found, Some(Err(PeerFault::TooManyFields(_)))), "{found:?}");
    assert!(peak <= CONSTANT, "{peak} bytes");
}
