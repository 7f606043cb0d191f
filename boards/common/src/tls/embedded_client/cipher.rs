//! The cipher suite: AES-128-GCM and SHA-256 of the crates that the envelope uses too, behind the traits of the earlier
//! generation that `embedded-tls` knows. What is opened is looked at before the crate sees it.

use aead::generic_array::GenericArray;
use aead::generic_array::typenum::{U0, U12, U16, U32, U54, U64};
use aead::{AeadCore, AeadInPlace, KeyInit as AeadKeyInit, KeySizeUser};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Tag};
use digest::core_api::BlockSizeUser;
use digest::{FixedOutput, FixedOutputReset, HashMarker, Output, OutputSizeUser, Reset, Update};
use embedded_tls::TlsCipherSuite;
use sha2::Sha256;

use super::filter::HEAD_LEN;
use super::message::Stage;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
/// Bytes of content of a record (RFC 8446 section 5.1).
const CONTENT_LEN_MAX: usize = 16 * 1024;

/// TLS_AES_128_GCM_SHA256.
pub(super) struct Suite;

impl TlsCipherSuite for Suite {
    const CODE_POINT: u16 = 0x1301;
    type Cipher = Cipher;
    type KeyLen = U16;
    type IvLen = U12;
    type Hash = Hash;
    type LabelBufferSize = U54;
}

/// AES-128-GCM that opens nothing that has no place where it comes.
pub(super) struct Cipher(Aes128Gcm);

impl KeySizeUser for Cipher {
    type KeySize = U16;
}

impl AeadKeyInit for Cipher {
    fn new(key: &aead::Key<Self>) -> Self {
        let key: [u8; 16] = (*key).into();
        Self(Aes128Gcm::new(&key.into()))
    }
}

impl AeadCore for Cipher {
    type NonceSize = U12;
    type TagSize = U16;
    type CiphertextOverhead = U0;
}

impl AeadInPlace for Cipher {
    fn encrypt_in_place_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        head: &[u8],
        text: &mut [u8],
    ) -> aead::Result<aead::Tag<Self>> {
        let nonce: [u8; 12] = (*nonce).into();
        let tag = self.0.encrypt_inout_detached(&nonce.into(), head, text.into());
        let tag: [u8; 16] = tag.map_err(|_| aead::Error)?.into();
        Ok(tag.into())
    }

    fn decrypt_in_place_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        head: &[u8],
        text: &mut [u8],
        tag: &aead::Tag<Self>,
    ) -> aead::Result<()> {
        let nonce: [u8; 12] = (*nonce).into();
        let tag: [u8; 16] = (*tag).into();
        let [kind, _, stage, a, b] = *<&[u8; HEAD_LEN]>::try_from(head).map_err(|_| aead::Error)?;
        let stage = Stage::from_number(stage).ok_or(aead::Error)?;
        // What was sealed has the one version that there is in such heads (RFC 8446 section 5.2).
        let head = [kind, 3, 3, a, b];
        self.0
            .decrypt_inout_detached(&nonce.into(), &head, (&mut *text).into(), &Tag::from(tag))
            .map_err(|_| aead::Error)?;
        if may_come(stage, text) { Ok(()) } else { Err(aead::Error) }
    }
}

/// Whether a record may hold this at a stage: content, its type, and zeros.
fn may_come(stage: Stage, text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| *byte != 0);
    let Some((kind, content)) = end.and_then(|end| text.get(..=end)?.split_last()) else {
        return false;
    };
    content.len() <= CONTENT_LEN_MAX
        && match *kind {
            ALERT => content.len() == 2,
            HANDSHAKE => stage.after(content).is_some(),
            DATA => stage == Stage::Data,
            _ => false,
        }
}

/// SHA-256.
#[derive(Clone, Default)]
pub(super) struct Hash(Sha256);

impl HashMarker for Hash {}

impl OutputSizeUser for Hash {
    type OutputSize = U32;
}

impl BlockSizeUser for Hash {
    type BlockSize = U64;
}

impl Update for Hash {
    fn update(&mut self, data: &[u8]) {
        sha2::Digest::update(&mut self.0, data);
    }
}

impl FixedOutput for Hash {
    fn finalize_into(self, out: &mut Output<Self>) {
        let hash: [u8; 32] = sha2::Digest::finalize(self.0).into();
        *out = GenericArray::from(hash);
    }
}

impl Reset for Hash {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

impl FixedOutputReset for Hash {
    fn finalize_into_reset(&mut self, out: &mut Output<Self>) {
        core::mem::take(self).finalize_into(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_empty_or_out_of_place_is_opened() {
        for text in [&[][..], &[0], &[0, 0, 0], &[HANDSHAKE], &[ALERT], &[1, 2, 3, ALERT], &[99]] {
            for stage in [Stage::Extensions, Stage::Finished, Stage::Data] {
                assert!(!may_come(stage, text), "{stage:?}: {text:?}");
            }
        }
        assert!(may_come(Stage::Data, &[1, 2, DATA, 0, 0]));
        assert!(may_come(Stage::Data, &[DATA]));
        assert!(!may_come(Stage::Silence, &[1, 2, DATA]));
        assert!(!may_come(Stage::Data, &[[0; CONTENT_LEN_MAX + 1].as_slice(), &[DATA]].concat()));
        assert!(may_come(Stage::Data, &[[0; CONTENT_LEN_MAX].as_slice(), &[DATA]].concat()));
    }
}
