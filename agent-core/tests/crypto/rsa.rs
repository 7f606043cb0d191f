//! RSA back ends: strength, formats, and that they agree with each other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand_core::CryptoRng;
use troodon_core::error::{BadCiphertext, BadSignature, KeyFault};
use troodon_core::rsa::soft::SoftKey;
use troodon_core::rsa::{PrivateKey, PublicKey};

use crate::keys::{client_key, other_key, rng};

fn holds_together(key: &dyn PrivateKey) {
    let random: &mut dyn CryptoRng = &mut rng(1);
    let signature = key.sign_pkcs1_sha256(random, b"message").unwrap();
    assert_eq!(key.public().verify_pkcs1_sha256(b"message", &signature), Ok(()));
    assert_eq!(key.public().verify_pkcs1_sha256(b"massage", &signature), Err(BadSignature));
    assert_eq!(other_key().public().verify_pkcs1_sha256(b"message", &signature), Err(BadSignature));
    for bad in [&[][..], &signature[1..], &[0; 256], &[signature.as_slice(), &[0]].concat()] {
        assert_eq!(key.public().verify_pkcs1_sha256(b"message", bad), Err(BadSignature));
    }
    // The longest text that fits a modulus of 256 bytes has 214.
    for length in [0, 1, 69, 214] {
        let text = vec![7; length];
        let sealed = key.public().encrypt_oaep_sha1(random, &text).unwrap();
        assert_ne!(sealed, key.public().encrypt_oaep_sha1(random, &text).unwrap());
        assert_eq!(*key.decrypt_oaep_sha1(random, &sealed).unwrap(), text);
        let wrong = other_key().decrypt_oaep_sha1(random, &sealed);
        assert_eq!(wrong.err(), Some(BadCiphertext));
    }
    let long = key.public().encrypt_oaep_sha1(random, &[0; 215]);
    assert_eq!(long.err(), Some(KeyFault::Encryption));
    for bad in [&[][..], &[0; 255], &[0; 256], &[0xff; 256], &[1; 257]] {
        assert_eq!(key.decrypt_oaep_sha1(random, bad).err(), Some(BadCiphertext));
    }
}

#[test]
fn the_soft_back_end_holds_together() {
    holds_together(client_key());
}

#[test]
fn the_soft_back_end_blinds_every_private_operation() {
    let key = client_key();
    let sealed = key.public().encrypt_oaep_sha1(&mut rng(1), b"text").unwrap();
    // A factor as long as the modulus is drawn for each; the position counts words of 4 bytes.
    let factor = u128::try_from(key.public().modulus().len() / 4).unwrap();
    let mut random = rng(2);
    key.sign_pkcs1_sha256(&mut random, b"message").unwrap();
    let signed_at = random.get_word_pos();
    assert!(signed_at >= factor, "{signed_at}");
    key.decrypt_oaep_sha1(&mut random, &sealed).unwrap();
    assert!(random.get_word_pos() - signed_at >= factor);
}

#[cfg(feature = "aws-lc")]
#[test]
fn the_aws_back_end_holds_together_and_is_the_same_key() {
    use troodon_core::rsa::aws::AwsKey;
    let pem = client_key().to_pkcs1_pem().unwrap();
    let key = AwsKey::from_pkcs1_pem(pem.as_bytes()).unwrap();
    holds_together(&key);
    assert_eq!(*key.to_pkcs1_pem().unwrap(), *pem);
    let signature = key.sign_pkcs1_sha256(&mut rng(1), b"x").unwrap();
    assert_eq!(signature, client_key().sign_pkcs1_sha256(&mut rng(2), b"x").unwrap());
    let fresh = AwsKey::generate().unwrap();
    holds_together(&fresh);
    let soft = SoftKey::from_pkcs1_pem(fresh.to_pkcs1_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(soft.public(), fresh.public());
    assert_eq!(format!("{fresh:?}"), "AwsKey { public: PublicKey(2048 bits), .. }");
}

#[test]
fn private_keys_survive_their_formats() {
    let key = client_key();
    let pem = key.to_pkcs1_pem().unwrap();
    assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert_eq!(SoftKey::from_pkcs1_pem(pem.as_bytes()).unwrap().public(), key.public());
    let der = key.to_pkcs1_der().unwrap();
    assert_eq!(SoftKey::from_pkcs1_der(&der).unwrap().public(), key.public());
}

#[test]
fn what_is_no_private_key_is_refused() {
    let pem = client_key().to_pkcs1_pem().unwrap();
    let fault = |text: &[u8]| SoftKey::from_pkcs1_pem(text).err();
    let encoding = Some(KeyFault::Encoding);
    assert_eq!(fault(b""), encoding);
    assert_eq!(fault(pem.replace("RSA PRIVATE", "PRIVATE").as_bytes()), encoding);
    assert_eq!(fault(&pem.as_bytes()[..pem.len() / 2]), encoding);
    assert_eq!(fault(&vec![b'x'; 9 * 1024]), encoding);
    let mut der = client_key().to_pkcs1_der().unwrap();
    let middle = der.len() / 2;
    der[middle] ^= 1;
    assert!(SoftKey::from_pkcs1_der(&der).is_err(), "numbers that do not belong together");
    assert_eq!(SoftKey::generate(&mut rng(1), 1024).err(), Some(KeyFault::Bits(1024)));
    assert_eq!(SoftKey::generate(&mut rng(1), 8192).err(), Some(KeyFault::Bits(8192)));
}

#[test]
fn public_keys_survive_their_formats() {
    let key = client_key().public();
    assert_eq!(&PublicKey::from_pkcs1_der(key.pkcs1_der()).unwrap(), key);
    assert_eq!(&PublicKey::from_spki_der(&key.to_spki_der().unwrap()).unwrap(), key);
    assert_eq!(&PublicKey::from_pkcs1_pem(key.to_pkcs1_pem().as_bytes()).unwrap(), key);
    assert_eq!(&PublicKey::from_components(key.modulus(), &[0, 1, 0, 1]).unwrap(), key);
    assert_eq!(key.modulus().len(), 256);
    let other = other_key().public();
    assert_ne!(other, key);
    assert!(PublicKey::from_pkcs1_pem(STANDARD.encode(key.pkcs1_der()).as_bytes()).is_err());
    assert!(PublicKey::from_spki_der(key.pkcs1_der()).is_err());
    assert!(PublicKey::from_pkcs1_der(&[key.pkcs1_der(), &[0]].concat()).is_err());
}
