//! Authentic envelopes around any packet, also around one that `Outbound` would never make.

use std::sync::OnceLock;

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use troodon_core::identity::ClientId;
use troodon_core::rsa::PrivateKey;
use troodon_proto::{
    CipherMetadata, CipherProperties, ClientCommunication, Message, cipher_properties::HmacType,
};

use crate::keys::{client, rng, server};

const KEY: [u8; 16] = [1; 16];
const IV: [u8; 16] = [2; 16];
const MAC: [u8; 16] = [3; 16];

/// The envelope of the client with `packet` inside.
pub fn seal(packet: &[u8]) -> Vec<u8> {
    let (cipher, metadata) = session();
    let encrypted = encrypt(packet);
    let mut mac = Hmac::<Sha1>::new_from_slice(&MAC).expect("a key of any length");
    for part in [&encrypted, cipher, metadata, &IV.to_vec(), &4_u32.to_le_bytes().to_vec()] {
        mac.update(part);
    }
    ClientCommunication {
        encrypted: encrypted.into(),
        encrypted_cipher: cipher.clone().into(),
        encrypted_cipher_metadata: metadata.clone().into(),
        packet_iv: IV.to_vec().into(),
        api_version: 4,
        full_hmac: mac.finalize().into_bytes().to_vec().into(),
        ..ClientCommunication::default()
    }
    .encode_to_vec()
}

/// Encrypted keys and metadata: RSA is done once.
fn session() -> &'static (Vec<u8>, Vec<u8>) {
    static SESSION: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    SESSION.get_or_init(|| {
        let properties = CipherProperties {
            name: "aes_128_cbc".into(),
            key: KEY.to_vec().into(),
            metadata_iv: IV.to_vec().into(),
            hmac_key: MAC.to_vec().into(),
            hmac_type: HmacType::FullHmac.into(),
        }
        .encode_to_vec();
        let signature = client().sign_pkcs1_sha256(&mut rng(), &properties).expect("a good key");
        let metadata = CipherMetadata {
            source: ClientId::of(client().public()).to_string(),
            signature: signature.into(),
        };
        let cipher = server().public().encrypt_oaep_sha1(&mut rng(), &properties);
        (cipher.expect("a short text"), encrypt(&metadata.encode_to_vec()))
    })
}

fn encrypt(plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes128>::new(&KEY.into(), &IV.into()).encrypt_padded_vec::<Pkcs7>(plain)
}
