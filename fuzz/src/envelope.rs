//! Envelopes: raw bodies, authentic envelopes with any content, and changed ones.

use std::cell::RefCell;

use bytes::Bytes;
use rand_core::Rng;
use troodon_core::envelope::{FromClients, Lists, Opened, Sealed, deflate};
use troodon_core::error::PeerFault;
use troodon_core::identity::ClientId;
use troodon_core::rsa::PrivateKey;
use troodon_proto::{Message, MessageList, PackedMessageList, VeloMessage};

use crate::keys::{NONCE, client, rng, server};
use crate::seal::seal;

/// Bytes that a message list may inflate to here.
const INFLATED: usize = 64 * 1024;

thread_local! {
    /// Keeps the session of the client, so that RSA is needed for the first envelope only.
    static RECEIVER: RefCell<FromClients> = RefCell::new(FromClients::new(4));
}

fn open(body: Bytes) -> Result<Opened, PeerFault> {
    let find = |id| (id == ClientId::of(client().public())).then(|| client().public().clone());
    RECEIVER.with_borrow_mut(|receiver| {
        receiver.open(&mut rng(), server(), body, |nonce| nonce == NONCE, find)
    })
}

/// Any body: cut, refused or opened; a stranger's content is searched for a request.
pub fn body(data: &[u8]) {
    let parsed = Sealed::parse(Bytes::copy_from_slice(data));
    let opened = open(Bytes::copy_from_slice(data));
    match opened {
        Ok(Opened::Empty) => assert!(matches!(parsed, Ok(None))),
        Ok(Opened::Messages(packet)) => packet.messages(INFLATED).for_each(drop),
        Ok(Opened::Unknown(unknown)) => drop(unknown.enrolment()),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

/// Any packet in an authentic envelope: what an enrolled client can do at worst.
pub fn packet(data: &[u8]) {
    if let Ok(Opened::Messages(packet)) = open(seal(data).into()) {
        assert_eq!(packet.get().nonce(), NONCE);
        for message in packet.messages(INFLATED).flatten() {
            let message = message.get();
            assert!(message.source.is_empty() && message.org_id.is_empty());
            assert_eq!(message.auth_state, 0);
            assert!(message.encoded_len() <= 16 * INFLATED);
        }
    }
}

/// Edits of an authentic envelope, three bytes each (place high, place low, new value): unless the bytes stay the same,
/// the envelope is refused.
pub fn damage(data: &[u8]) {
    let whole = seal(&good_packet());
    let mut changed = whole.clone();
    for edit in data.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % changed.len();
        changed[place] = edit[2];
    }
    if changed != whole {
        assert!(!matches!(open(changed.into()), Ok(Opened::Messages(_))), "damaged and believed");
    }
}

/// Any text in a message: comes out as it went in, compressed or not.
pub fn round_trip(data: &[u8]) {
    let lists: Vec<Bytes> = data
        .chunks(100)
        .map(|chunk| {
            let session_id = String::from_utf8_lossy(chunk).into_owned();
            let message = VeloMessage { session_id, ..VeloMessage::default() };
            MessageList { job: vec![message] }.encode_to_vec().into()
        })
        .take(1_000)
        .collect();
    let session = troodon_core::envelope::Outbound::to_client(
        &mut rng(),
        client(),
        ClientId::of(client().public()).as_str(),
        server().public(),
    );
    let session = session.expect("good keys and a good name");
    let zlib = Lists::Zlib(lists.iter().map(|list| deflate(list)).collect());
    for sent in [Lists::Plain(lists.clone()), zlib] {
        let now = troodon_core::time::UnixTime::EPOCH;
        let sealed = session.seal(&mut rng(), now, NONCE, sent).expect("a short packet");
        let Ok(Opened::Messages(packet)) = open(sealed.into()) else {
            panic!("our own envelope is refused");
        };
        let found = packet.messages(INFLATED).map(|message| {
            let job = vec![message.expect("our own message").into_inner()];
            Bytes::from(MessageList { job }.encode_to_vec())
        });
        assert!(found.eq(lists.iter().cloned()));
    }
}

fn good_packet() -> Vec<u8> {
    let list =
        MessageList { job: vec![VeloMessage { request_id: 7, ..VeloMessage::default() }; 3] };
    PackedMessageList {
        message_list: vec![list.encode_to_vec().into(); 2],
        nonce: NONCE.into(),
        ..PackedMessageList::default()
    }
    .encode_to_vec()
}

/// Seeds of [`body`].
pub fn bodies() -> Vec<Vec<u8>> {
    vec![Vec::new(), [0x5a, 1, 0].repeat(3), seal(&good_packet()), seal(b"")]
}

/// Seeds of [`packet`].
pub fn packets() -> Vec<Vec<u8>> {
    let zlib = [0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, 0x0a, 0, 0, 0x16, 0, 0x0b];
    let compressed = PackedMessageList {
        message_list: vec![Bytes::copy_from_slice(&zlib)],
        compression: 1,
        nonce: NONCE.into(),
        ..PackedMessageList::default()
    };
    vec![good_packet(), compressed.encode_to_vec()]
}

/// Seeds of [`damage`].
pub fn edits() -> Vec<Vec<u8>> {
    let mut noise = vec![0; 30];
    rng().fill_bytes(&mut noise);
    vec![vec![0, 0, 0x0a], vec![1, 0, 0xff, 2, 0, 0], noise]
}

/// Seeds of [`round_trip`].
pub fn texts() -> Vec<Vec<u8>> {
    vec![Vec::new(), b"F.ABC".to_vec(), vec![b'x'; 1_000]]
}
