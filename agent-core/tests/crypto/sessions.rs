//! The cache of inbound sessions: RSA once, bounded, one session of a sender.

use std::cell::Cell;

use rand_core::CryptoRng;
use troodon_core::envelope::{FromClients, FromServer, Lists, Opened, Outbound};
use troodon_core::error::{BadCiphertext, KeyFault, PeerFault};
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::certificates::{leaf, pem};
use crate::keys::{
    NONCE, NOW, SERVER, anchor, ca_key, client_key, other_key, pinned, rng, server_key, to_client,
    to_server,
};

/// Counts decryptions.
struct Counting(&'static SoftKey, std::sync::atomic::AtomicUsize);

impl Counting {
    fn new(key: &'static SoftKey) -> Self {
        Self(key, 0.into())
    }

    fn decryptions(&self) -> usize {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl PrivateKey for Counting {
    fn public(&self) -> &PublicKey {
        self.0.public()
    }

    fn sign_pkcs1_sha256(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
    ) -> Result<Vec<u8>, KeyFault> {
        self.0.sign_pkcs1_sha256(rng, message)
    }

    fn decrypt_oaep_sha1(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, BadCiphertext> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.decrypt_oaep_sha1(rng, ciphertext)
    }
}

fn seal(session: &Outbound) -> bytes::Bytes {
    session.seal(&mut rng(7), NOW, NONCE, Lists::Plain(Vec::new())).unwrap().into()
}

fn key_of(id: troodon_core::identity::ClientId) -> Option<PublicKey> {
    let keys = [client_key().public(), other_key().public()];
    keys.into_iter().find(|key| troodon_core::identity::ClientId::of(key) == id).cloned()
}

#[test]
fn a_session_takes_one_decryption_and_one_look_at_the_keys() {
    let (key, looked_up) = (Counting::new(server_key()), Cell::new(0));
    let (mut receiver, session) = (FromClients::new(4), to_server(1));
    for _ in 0..5 {
        let find = |id| {
            looked_up.set(looked_up.get() + 1);
            key_of(id)
        };
        let opened = receiver.open(&mut rng(2), &key, seal(&session), |_| true, find).unwrap();
        assert!(matches!(opened, Opened::Messages(_)));
    }
    assert_eq!((key.decryptions(), looked_up.get()), (1, 1));
}

#[test]
fn a_second_session_of_a_sender_replaces_the_first() {
    let key = Counting::new(server_key());
    let (mut receiver, first, second) = (FromClients::new(100), to_server(1), to_server(2));
    let mut open = |session: &Outbound| {
        receiver.open(&mut rng(3), &key, seal(session), |_| true, key_of).unwrap();
        key.decryptions()
    };
    assert_eq!((open(&first), open(&second), open(&second)), (1, 2, 2));
    assert_eq!(open(&first), 3);
}

#[test]
fn the_longest_unused_session_makes_room() {
    let key = Counting::new(server_key());
    let other = Outbound::to_server(&mut rng(8), other_key(), &pinned()).unwrap();
    let (mut receiver, mine) = (FromClients::new(1), to_server(1));
    let mut open = |session: &Outbound| {
        receiver.open(&mut rng(3), &key, seal(session), |_| true, key_of).unwrap();
        key.decryptions()
    };
    assert_eq!((open(&mine), open(&other), open(&other), open(&mine)), (1, 2, 2, 3));
}

#[test]
fn a_deleted_client_is_unknown_at_once() {
    let (mut receiver, session) = (FromClients::new(4), to_server(1));
    let id = troodon_core::identity::ClientId::of(client_key().public());
    let opened = receiver.open(&mut rng(3), server_key(), seal(&session), |_| true, key_of);
    assert!(matches!(opened, Ok(Opened::Messages(_))));
    receiver.forget(id);
    let opened = receiver.open(&mut rng(3), server_key(), seal(&session), |_| true, |_| None);
    assert!(matches!(opened, Ok(Opened::Unknown(_))));
}

#[test]
fn an_unproven_session_is_not_kept() {
    let key = Counting::new(server_key());
    let (mut receiver, session) = (FromClients::new(4), to_server(1));
    for count in 1..4 {
        let opened = receiver.open(&mut rng(3), &key, seal(&session), |_| true, |_| None);
        assert!(matches!(opened, Ok(Opened::Unknown(_))));
        assert_eq!(key.decryptions(), count);
    }
    let opened = receiver.open(&mut rng(3), &key, seal(&session), |_| true, key_of);
    assert!(matches!(opened, Ok(Opened::Messages(_))), "known from its next packet on");
}

#[test]
fn the_nonce_counts_in_known_sessions_too() {
    let mut receiver = FromServer::new(pinned(), NONCE.into());
    let session = to_client(1);
    assert!(receiver.open(&mut rng(2), client_key(), seal(&session)).unwrap().is_some());
    let other = session.seal(&mut rng(2), NOW, "other", Lists::Plain(Vec::new())).unwrap();
    let opened = receiver.open(&mut rng(2), client_key(), other.into());
    assert_eq!(opened.err(), Some(PeerFault::Nonce));
}

#[test]
fn a_session_of_the_old_server_key_ends_with_a_new_certificate() {
    let rotated = pem(&leaf(SERVER, other_key().public()).sign(ca_key()));
    let rotated = anchor().check(rotated.as_bytes(), SERVER, Some(NOW)).unwrap();
    let mut receiver = FromServer::new(rotated, NONCE.into());
    let opened = receiver.open(&mut rng(2), client_key(), seal(&to_client(1)));
    assert_eq!(opened.err(), Some(PeerFault::Signature));
}

#[test]
fn nothing_secret_is_printed() {
    let session = to_server(1);
    assert_eq!(format!("{session:?}"), "Outbound { .. }");
    assert_eq!(format!("{:?}", client_key()), "SoftKey { public: PublicKey(2048 bits), .. }");
    let receiver = FromClients::new(3);
    assert_eq!(
        format!("{receiver:?}"),
        "FromClients { sessions: Sessions { capacity: 3, kept: 0, .. } }"
    );
}
