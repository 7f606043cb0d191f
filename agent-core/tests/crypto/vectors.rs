//! Envelopes sealed by a real client and server, sound and broken, with what a real peer made of them.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use troodon_core::envelope::{FromClients, FromServer, Opened, Verified};
use troodon_core::error::PeerFault;
use troodon_core::identity::{ClientId, Request};
use troodon_core::limits::INFLATED_BYTES;
use troodon_core::pin::Anchor;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};
use troodon_core::time::UnixTime;
use troodon_proto::{Message, MessageList, VeloMessage};

use crate::keys::rng;

/// When the recorded certificates were valid.
pub const RECORDED: UnixTime = UnixTime::from_secs(1_796_000_000);

/// The folder of recordings: `TROODON_VECTORS`, else `../shared/vectors` beside the project.
pub fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let folder = std::env::var_os("TROODON_VECTORS").map_or_else(|| beside.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no recorded vectors at {}; set TROODON_VECTORS", folder.display());
    None
}

struct Case(Value);

impl Case {
    fn read(folder: &std::path::Path, name: &str) -> Self {
        let path = folder.join(format!("crypto_{name}.json"));
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap()
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        STANDARD.decode(self.text(field)).unwrap()
    }

    fn key(&self, field: &str) -> SoftKey {
        SoftKey::from_pkcs1_pem(self.text(field).as_bytes()).unwrap()
    }

    fn is_upstream(&self) -> bool {
        self.text("direction") == "client_to_server"
    }

    /// What the receiver finds, as far as it trusts it.
    fn open(&self) -> Result<Outcome, PeerFault> {
        if self.is_upstream() { self.at_server() } else { self.at_client() }
    }

    fn at_server(&self) -> Result<Outcome, PeerFault> {
        let (server, client) =
            (self.key("receiver_private_key_pem"), self.key("sender_private_key_pem"));
        let mut receiver = FromClients::new(4);
        let mut open = |raw: Vec<u8>, known: Option<PublicKey>| {
            let nonce = |nonce: &str| nonce == self.text("nonce");
            receiver.open(&mut rng(1), &server, raw.into(), nonce, |_| known)
        };
        let known = || (!self.text("name").contains("unknown")).then(|| client.public().clone());
        if self.0["previous_raw"].is_string() {
            let first = open(self.bytes("previous_raw"), known())?;
            assert!(matches!(first, Opened::Messages(_)));
            // The session is known by now: its key is not asked for again.
            return outcome(open(self.bytes("raw"), None)?);
        }
        outcome(open(self.bytes("raw"), known())?)
    }

    fn at_client(&self) -> Result<Outcome, PeerFault> {
        let anchor = Anchor::from_pem(self.text("ca_cert_pem").as_bytes()).unwrap();
        let pem = self.text("server_cert_pem").as_bytes();
        let server = anchor.check(pem, self.text("server_name"), Some(RECORDED)).unwrap();
        let mut receiver = FromServer::new(server, self.text("nonce").into());
        let key = self.key("receiver_private_key_pem");
        let Some(packet) = receiver.open(&mut rng(1), &key, self.bytes("raw").into())? else {
            return Ok(Outcome::Empty);
        };
        let source = packet.source().name().into();
        let messages = packet.messages(INFLATED_BYTES).collect_all()?;
        Ok(Outcome::Messages(source, plain(messages)))
    }

    fn expected_messages(&self) -> Vec<VeloMessage> {
        let lists = self.0["message_list_bytes"].as_array().cloned().unwrap_or_default();
        let lists = lists.iter().map(|list| STANDARD.decode(list.as_str().unwrap()).unwrap());
        lists
            .flat_map(|list| MessageList::decode(Bytes::from(list)).unwrap().job)
            .map(clean)
            .collect()
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Empty,
    Stranger(String),
    Messages(String, Vec<VeloMessage>),
}

fn outcome(opened: Opened) -> Result<Outcome, PeerFault> {
    Ok(match opened {
        Opened::Empty => Outcome::Empty,
        Opened::Unknown(unknown) => Outcome::Stranger(unknown.claimed().into()),
        Opened::Messages(packet) => {
            let source = packet.source().to_string();
            Outcome::Messages(source, plain(packet.messages(INFLATED_BYTES).collect_all()?))
        }
    })
}

fn plain<P>(messages: Vec<Verified<VeloMessage, P>>) -> Vec<VeloMessage> {
    messages.into_iter().map(Verified::into_inner).collect()
}

/// What the envelope forgets on purpose.
fn clean(mut message: VeloMessage) -> VeloMessage {
    message.source.clear();
    message.org_id.clear();
    message.auth_state = 0;
    message
}

#[test]
fn sound_envelopes_open() {
    let Some(folder) = folder() else { return };
    for name in [
        "ok_baseline",
        "c2s_uncompressed",
        "c2s_zcompression",
        "c2s_two_lists",
        "c2s_same_session",
        "s2c_uncompressed",
        "s2c_zcompression",
        "s2c_padded",
        "s2c_empty",
        "odd_api_version_99",
        "odd_no_lists",
        "odd_spoofed_inner_source",
    ] {
        let case = Case::read(&folder, name);
        let expected = &case.0["expected"];
        let messages = case.expected_messages();
        assert_eq!(expected["jobs"].as_u64(), u64::try_from(messages.len()).ok(), "{name}");
        let source = expected["source"].as_str().unwrap().to_owned();
        assert_eq!(case.open(), Ok(Outcome::Messages(source, messages)), "{name}");
    }
}

#[test]
fn envelopes_without_content_are_empty() {
    let Some(folder) = folder() else { return };
    for name in ["neg_empty_body", "s2c_only_pads"] {
        assert_eq!(Case::read(&folder, name).open(), Ok(Outcome::Empty), "{name}");
    }
}

#[test]
fn broken_envelopes_are_refused_for_their_reason() {
    let Some(folder) = folder() else { return };
    for (name, fault) in [
        ("neg_bad_hmac", PeerFault::Mac),
        ("neg_tampered_api_version", PeerFault::ApiVersion(3)),
        ("neg_tampered_encrypted", PeerFault::Mac),
        ("neg_tampered_iv", PeerFault::Mac),
        ("neg_bad_nonce", PeerFault::Nonce),
        ("neg_s2c_bad_nonce", PeerFault::Nonce),
        ("neg_bad_packed", PeerFault::Packet),
        ("neg_bad_padding", PeerFault::Padding),
        ("neg_bad_zlib", PeerFault::Inflate),
        ("neg_compressed_but_flag_uncompressed", PeerFault::Message),
        ("neg_missing_hmac", PeerFault::Missing(10)),
        ("neg_empty_encrypted", PeerFault::Missing(1)),
        ("neg_garbage", PeerFault::Body),
        ("neg_truncated_1", PeerFault::Body),
        ("neg_truncated_half", PeerFault::Body),
        ("neg_wrong_receiver", PeerFault::SessionKeys),
        ("odd_api_version_3", PeerFault::ApiVersion(3)),
    ] {
        assert_eq!(Case::read(&folder, name).open(), Err(fault), "{name}");
    }
    for (name, field) in [("neg_not_block_multiple", 1), ("neg_short_iv", 8)] {
        let refused = Case::read(&folder, name).open();
        assert!(
            matches!(refused, Err(PeerFault::Length { field: f, .. }) if f == field),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn senders_that_prove_nothing_stay_strangers() {
    let Some(folder) = folder() else { return };
    for name in ["neg_spoofed_source", "neg_unknown_client", "neg_wrong_signature"] {
        let case = Case::read(&folder, name);
        let source = case.0["expected"]["source"].as_str().unwrap().to_owned();
        assert_eq!(case.open(), Ok(Outcome::Stranger(source)), "{name}");
    }
}

#[test]
fn every_recorded_envelope_is_in_one_of_these_tests() {
    let Some(folder) = folder() else { return };
    let source = include_str!("vectors.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(case) = name.strip_prefix("crypto_").and_then(|n| n.strip_suffix(".json")) {
            assert!(source.contains(&format!("\"{case}\"")), "{case} is not tested");
        }
    }
}

#[test]
fn client_ids_are_those_of_a_real_client() {
    let Some(folder) = folder() else { return };
    let case = Case::read(&folder, "client_ids");
    let ids = case.0["ids"].as_array().unwrap();
    assert!(!ids.is_empty());
    for entry in ids {
        let expected = entry["client_id"].as_str().unwrap();
        let modulus = STANDARD.decode(entry["modulus"].as_str().unwrap()).unwrap();
        assert_eq!(ClientId::of_modulus(&modulus).as_str(), expected);
        if let Some(pem) = entry["private_key_pem"].as_str() {
            let key = SoftKey::from_pkcs1_pem(pem.as_bytes()).unwrap();
            assert_eq!(ClientId::of(key.public()).as_str(), expected);
        }
    }
}

#[test]
fn the_request_of_a_real_client_holds() {
    let Some(folder) = folder() else { return };
    let case = Case::read(&folder, "csr");
    let request = Request::check(case.text("csr_pem").as_bytes()).unwrap();
    assert_eq!(request.id().as_str(), case.text("client_id"));
    assert_eq!(request.key(), case.key("private_key_pem").public());
}

#[test]
fn a_real_zlib_stream_is_inflated() {
    let Some(folder) = folder() else { return };
    let case = Case::read(&folder, "zlib");
    for field in ["compressed", "compressed_default"] {
        let mut recipe = crate::second::upstream(&[&case.bytes(field)]);
        recipe.compression = 1;
        let plain = MessageList::decode(Bytes::from(case.bytes("plain"))).unwrap();
        let sessions: Vec<_> = plain.job.into_iter().map(|job| job.session_id).collect();
        assert_eq!(crate::round_trip::at_server(recipe.seal()), Ok(sessions), "{field}");
    }
}
