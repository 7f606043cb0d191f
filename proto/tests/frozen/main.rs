//! The bytes of each message, field by field.
//!
//! If a test here fails, do not change the test: agents and servers that speak these bytes are out there. Change the
//! schema back, or append `v02.rs` for messages that did not exist.

use std::fmt::Debug;

use troodon_proto::Message;

mod v01;

/// Decodes `bytes` to `message` and encodes `message` to `bytes`.
#[track_caller]
fn frozen<M: Message + Default + Debug + PartialEq>(bytes: &[u8], message: M) {
    assert_eq!(M::decode(bytes).as_ref(), Ok(&message), "decoding");
    assert_eq!(message.encode_to_vec(), bytes, "encoding");
}
