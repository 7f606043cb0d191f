//! Messages of `envelope.proto`.

use bytes::Bytes;
use troodon_proto::{
    Certificate, CipherMetadata, CipherProperties, ClientCommunication, PackedMessageList,
    certificate, cipher_properties, packed_message_list,
};

use crate::frozen;

#[test]
fn a_client_communication() {
    let bytes = [
        b"\x0a\x02\xe0\xe1".as_slice(),         // 1 encrypted: 2 bytes
        b"\x12\x03\xc0\xc1\xc2".as_slice(),     // 2 encrypted_cipher: 3 bytes
        b"\x28\x96\x03".as_slice(),             // 5 status: varint 406
        b"\x30\x04".as_slice(),                 // 6 api_version: varint 4
        b"\x42\x100123456789:;<=>?".as_slice(), // 8 packet_iv: 16 bytes
        b"\x4a\x01\xd0".as_slice(),             // 9 encrypted_cipher_metadata: 1 bytes
        b"\x52\x14\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3"
            .as_slice(), // 10 full_hmac: 20 bytes
        b"\x5a\x04\x00\x01\xac\x02".as_slice(), // 11 padding (packed): 4 bytes
    ]
    .concat();
    frozen(
        &bytes,
        ClientCommunication {
            encrypted: Bytes::from_static(b"\xe0\xe1"),
            encrypted_cipher: Bytes::from_static(b"\xc0\xc1\xc2"),
            status: 406,
            api_version: 4,
            packet_iv: (0x30..0x40).collect(),
            encrypted_cipher_metadata: Bytes::from_static(b"\xd0"),
            full_hmac: (0xa0..0xb4).collect(),
            padding: vec![0, 1, 300],
        },
    );
}

#[test]
fn cipher_properties() {
    let bytes = [
        b"\x0a\x0baes_128_cbc".as_slice(), // 1 name: 11 bytes
        b"\x12\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f".as_slice(), // 2 key: 16 bytes
        b"\x1a\x10\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f".as_slice(), // 3 metadata_iv: 16 bytes
        b"\x2a\x10 !\"#$%&'()*+,-./".as_slice(), // 5 hmac_key: 16 bytes
        b"\x30\x01".as_slice(),                  // 6 hmac_type: varint 1
    ]
    .concat();
    frozen(
        &bytes,
        CipherProperties {
            name: "aes_128_cbc".into(),
            key: (0x00..0x10).collect(),
            metadata_iv: (0x10..0x20).collect(),
            hmac_key: (0x20..0x30).collect(),
            hmac_type: cipher_properties::HmacType::FullHmac.into(),
        },
    );
}

#[test]
fn cipher_metadata() {
    let bytes = [
        b"\x0a\x12C.5170dd5921551ec7".as_slice(), // 1 source: 18 bytes
        b"\x12\x02\xaa\xaa".as_slice(),           // 2 signature: 2 bytes
    ]
    .concat();
    frozen(
        &bytes,
        CipherMetadata {
            source: "C.5170dd5921551ec7".into(),
            signature: Bytes::from_static(&[0xaa; 2]),
        },
    );
}

#[test]
fn a_packed_message_list() {
    let bytes = [
        b"\x0a\x02\x0a\x00".as_slice(), // 1 message_list: 2 bytes
        b"\x0a\x00".as_slice(),         // 1 message_list: 0 bytes
        b"\x20\x01".as_slice(),         // 4 compression: varint 1
        b"\x30\x80\x80\xf9\xc0\xc1\xc4\x82\x03".as_slice(), // 6 timestamp: varint 1700000000000000
        b"\x3a\x0cAAECAwQFBgc=".as_slice(), // 7 nonce: 12 bytes
    ]
    .concat();
    frozen(
        &bytes,
        PackedMessageList {
            message_list: vec![Bytes::from_static(b"\x0a\x00"), Bytes::new()],
            compression: packed_message_list::Compression::Zcompression.into(),
            timestamp: 1_700_000_000_000_000,
            nonce: "AAECAwQFBgc=".into(),
        },
    );
}

#[test]
fn a_certificate() {
    let bytes = [
        b"\x08\x02".as_slice(),           // 1 type: varint 2
        b"\x12\x0a-----BEGIN".as_slice(), // 2 pem: 10 bytes
        b"\x1a\x03C.1".as_slice(),        // 3 cn: 3 bytes
    ]
    .concat();
    frozen(
        &bytes,
        Certificate {
            r#type: certificate::Type::Ca.into(),
            pem: Bytes::from_static(b"-----BEGIN"),
            cn: "C.1".into(),
        },
    );
}
