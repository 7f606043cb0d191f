//! Names of artifacts as they travel in queries: hidden from the client, readable by the server (docs/protocol.md section
//! 6.2). Deterministic, so that a client can compare names for equality; a client treats them as opaque.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What an obfuscated name begins with.
const MARK: char = '$';

/// The key under which one deployment hides names.
pub struct Obfuscator {
    key: Zeroizing<[u8; 32]>,
    iv: [u8; 16],
}

impl Obfuscator {
    /// From `obfuscation_nonce` of the configuration, as written there.
    #[must_use]
    pub fn new(nonce: &str) -> Self {
        let key: [u8; 32] = Sha256::digest(nonce.as_bytes()).into();
        let mut iv = [0; 16];
        for (to, from) in iv.iter_mut().zip(key) {
            *to = from;
        }
        Self { key: Zeroizing::new(key), iv }
    }

    /// `$` and the hexadecimal digits of the encrypted name.
    #[must_use]
    pub fn hide(&self, name: &str) -> String {
        let sealed = cbc::Encryptor::<Aes256>::new((&*self.key).into(), (&self.iv).into())
            .encrypt_padded_vec::<Pkcs7>(name.as_bytes());
        let mut hidden = String::with_capacity(sealed.len().saturating_mul(2).saturating_add(1));
        hidden.push(MARK);
        for byte in sealed {
            for nibble in [byte >> 4, byte & 0x0f] {
                hidden.extend(char::from_digit(nibble.into(), 16));
            }
        }
        hidden
    }

    /// The name behind `hidden`; `None` when it is not one that this key hid.
    #[must_use]
    pub fn reveal(&self, hidden: &str) -> Option<String> {
        self.decrypt(hidden.strip_prefix(MARK)?)
    }

    /// `text` with every run of `$` and hexadecimal digits that this key hid replaced by its name; other runs stay.
    #[must_use]
    pub fn reveal_in(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut parts = text.split(MARK);
        out.extend(parts.next());
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(part.len());
            let (digits, rest) = part.split_at_checked(end).unwrap_or((part, ""));
            match self.decrypt(digits) {
                Some(name) => out.push_str(&name),
                None => {
                    out.push(MARK);
                    out.push_str(digits);
                }
            }
            out.push_str(rest);
        }
        out
    }

    fn decrypt(&self, digits: &str) -> Option<String> {
        let mut sealed = from_hex(digits)?;
        let name = cbc::Decryptor::<Aes256>::new((&*self.key).into(), (&self.iv).into())
            .decrypt_padded::<Pkcs7>(&mut sealed)
            .ok()?;
        core::str::from_utf8(name).ok().map(String::from)
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let mut nibbles = digits.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok());
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    while let Some(high) = nibbles.next() {
        bytes.push(high? << 4 | nibbles.next()??);
    }
    Some(bytes)
}

impl fmt::Debug for Obfuscator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obfuscator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    /// docs/protocol.md section 11.
    const NONCE: &str = "AAECAwQFBgc=";
    const PLAIN: &str = "Generic.Client.Info/BasicInformation";
    const HIDDEN: &str = concat!(
        "$d794988daa4b0d0117db70f3430579cc5e73b3b9807aca9bb31f79345f315e5f",
        "027f7b214e37a2a32db1084824bad110"
    );

    #[test]
    fn the_known_answer_is_met_both_ways() {
        let names = Obfuscator::new(NONCE);
        assert_eq!(names.hide(PLAIN), HIDDEN);
        assert_eq!(names.reveal(HIDDEN).as_deref(), Some(PLAIN));
        assert_eq!(names.reveal(&HIDDEN.to_uppercase()).as_deref(), Some(PLAIN));
    }

    #[test]
    fn every_length_of_name_survives() {
        let names = Obfuscator::new(NONCE);
        for length in 0..70 {
            let name = "n".repeat(length);
            assert_eq!(names.reveal(&names.hide(&name)), Some(name));
        }
    }

    #[test]
    fn what_was_not_hidden_by_this_key_is_not_revealed() {
        let names = Obfuscator::new(NONCE);
        for text in ["", "$", "$0", "$zz", "$00", "$\u{e9}", PLAIN, HIDDEN.trim_start_matches('$')]
        {
            assert_eq!(names.reveal(text), None, "{text}");
        }
        assert_ne!(Obfuscator::new("other").reveal(HIDDEN).as_deref(), Some(PLAIN));
    }

    #[test]
    fn names_are_revealed_inside_a_line_of_log() {
        let names = Obfuscator::new(NONCE);
        assert_eq!(
            names.reveal_in(&format!("$5 query {HIDDEN}: $ done, {HIDDEN}")),
            format!("$5 query {PLAIN}: $ done, {PLAIN}")
        );
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", Obfuscator::new(NONCE)), "Obfuscator { .. }");
    }
}
