//! The bytes of docs/protocol.md section 11, computed there by other means.

use alloc::vec;
use alloc::vec::Vec;
use std::format;
use std::string::String;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::cipher::Fresh;
use super::{Lists, Outbound, PAD, Packet, Sealed};
use crate::identity::ClientId;
use crate::time::UnixTime;

const FOREMAN_LIST: &str = "0a0e0a09452e466f72656d616eda0100";
const NOW: UnixTime = UnixTime::from_micros(1_700_000_000_000_000);
const NONCE: &str = "AAECAwQFBgc=";

fn counted<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [0; N];
    for (slot, byte) in bytes.iter_mut().zip(first..) {
        *slot = byte;
    }
    bytes
}

fn fresh() -> Fresh {
    Fresh::from_secret(Zeroizing::new(counted(0)))
}

fn session() -> Outbound {
    let (signature, encrypted_cipher) = (vec![0xaa; 256], vec![0xbb; 256]);
    Outbound::assemble(fresh(), "C.5170dd5921551ec7", signature, encrypted_cipher).unwrap()
}

fn seal() -> Vec<u8> {
    let lists = Lists::Plain(vec![from_hex(FOREMAN_LIST).into()]);
    session().seal_with(counted(0x30), NOW, NONCE, lists).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at.saturating_add(2)).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn cipher_properties() {
    let properties = fresh().properties;
    assert_eq!(
        hex(&properties),
        concat!(
            "0a0b6165735f3132385f6362631210000102030405060708090a0b0c0d0e0f1a",
            "10101112131415161718191a1b1c1d1e1f2a10202122232425262728292a2b2c2d2e2f3001"
        )
    );
    assert_eq!(
        hex(&Sha256::digest(&properties)),
        "16c27ed8b21245ea20c261a57d817287228ed123422d45732a61a9791d61cb22"
    );
}

#[test]
fn cipher_metadata() {
    let metadata = session().metadata;
    assert_eq!(metadata.len(), 288);
    assert_eq!(hex(metadata.get(..16).unwrap()), "d0203259dce83fd040e0ecb2260fb1bf");
    assert_eq!(hex(metadata.get(272..).unwrap()), "345534e2ffa5356141aa66c59951b9b3");
    assert_eq!(
        hex(&Sha256::digest(&metadata)),
        "6433e545bcf0e2372c6f321ad949c7e4ea18934523fe9056558acf87979a9359"
    );
}

#[test]
fn sealed_packet() {
    let body = seal();
    assert_eq!(
        hex(body.get(2..50).unwrap()),
        concat!(
            "94d61aafd43ddab50f32d70c440b81cf685b10f237758a2a",
            "f8183c8eb1982b85a8c8b65a88b015db6646e6c31d903975"
        )
    );
    assert_eq!(
        hex(body.get(body.len().saturating_sub(20)..).unwrap()),
        "d4a67d6f92c2914c4b27fc2f8a6714d82541e378"
    );
    assert_eq!(body.len(), 642);
    assert_eq!(
        hex(&Sha256::digest(&body)),
        "1af1f8752cf12e1c7ad1a8b2cc325cbf26ba358848038530386c0eb5a9112b2e"
    );
}

#[test]
fn packed_message_list() {
    let sealed = Sealed::parse(Bytes::from(seal())).unwrap().unwrap();
    let plain = sealed.decrypt(&fresh().keys).unwrap();
    assert_eq!(
        hex(&plain),
        concat!(
            "0a100a0e0a09452e466f72656d616eda0100",
            "308080f9c0c1c482033a0c41414543417751464267633d"
        )
    );
    let packet = Packet::read(plain, |nonce| nonce == NONCE).unwrap();
    assert_eq!(packet.claimed_time(), NOW);
}

#[test]
fn decryption_needs_no_second_buffer() {
    let body = Bytes::from(seal());
    let place = body.as_ptr();
    let sealed = Sealed::parse(body).unwrap().unwrap();
    let plain = sealed.decrypt(&fresh().keys).unwrap();
    assert_eq!(plain.as_ptr(), place.wrapping_add(2), "in place of the ciphertext");
}

#[test]
fn pad() {
    assert_eq!(hex(&PAD), "5a0100");
}

#[test]
fn client_ids() {
    let mut modulus = [0; 256];
    modulus[0] = 0x80;
    modulus[255] = 0x01;
    assert_eq!(ClientId::of_modulus(&modulus).as_str(), "C.9acc995751b990e8");
    for (slot, index) in modulus.iter_mut().zip(0_u32..).skip(1) {
        *slot = u8::try_from(index.wrapping_mul(7).wrapping_add(3) & 0xff).unwrap();
    }
    assert_eq!(ClientId::of_modulus(&modulus).as_str(), "C.ab4ae5d39bcd9fb6");
}
