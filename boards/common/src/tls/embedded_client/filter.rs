//! What may come in at all: heads of records, before `embedded-tls` sees any of them.

use super::message::{Stage, is_good_server_hello};
use crate::limits::{TLS_BARREN_RECORDS_MAX, TLS_RECORD_LEN_MAX};
use crate::tls::TlsFault;

/// Bytes of a record's head: type, version, length.
pub(super) const HEAD_LEN: usize = 5;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SEALED: u8 = 23;
/// Bytes of a record that is not sealed (RFC 8446 section 5.1).
const BARE_LEN_MAX: usize = 16 * 1024;
/// Bytes of the tag and the inner type: a sealed record has at least these.
const SEALED_LEN_MIN: usize = 16 + 1;

/// How far a connection has come.
#[derive(Debug, Default)]
pub(super) struct Filter {
    has_hello: bool,
    has_change: bool,
    /// Sealed records before a certificate.
    early: u8,
    /// Records since the last that held data.
    barren: u8,
    pub(super) has_certificate: bool,
    pub(super) has_verify: bool,
    has_answered: bool,
}

impl Filter {
    /// Bytes of the record at the front, if its head is there.
    ///
    /// # Errors
    ///
    /// It is none, or too long.
    pub(super) fn len(bytes: &[u8]) -> Result<Option<usize>, TlsFault> {
        let Some([kind, _, _, a, b]) = bytes.first_chunk() else { return Ok(None) };
        let most = match *kind {
            CHANGE_CIPHER_SPEC => 1,
            ALERT => 2,
            HANDSHAKE => BARE_LEN_MAX,
            SEALED => TLS_RECORD_LEN_MAX,
            _ => return Err(TlsFault::Protocol),
        };
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        if len > most { Err(TlsFault::Oversized) } else { Ok(Some(HEAD_LEN.saturating_add(len))) }
    }

    /// Lets a whole record in. Where it is sealed, the version in its head, which says nothing (RFC 8446 section 5.1), makes
    /// room for the stage: `embedded-tls` gives `cipher` nothing else to know it from.
    ///
    /// # Errors
    ///
    /// It has no place here.
    pub(super) fn admit(&mut self, record: &mut [u8]) -> Result<(), TlsFault> {
        let stage = self.stage();
        let Some(([kind, _, version, ..], body)) = record.split_first_chunk_mut::<HEAD_LEN>()
        else {
            return Err(TlsFault::Protocol);
        };
        match *kind {
            HANDSHAKE if !self.has_hello && is_good_server_hello(body) => self.has_hello = true,
            // A server that does not want to begin says why.
            ALERT if !self.has_hello => return Err(TlsFault::Refused),
            CHANGE_CIPHER_SPEC if self.has_hello && !self.has_change && stage != Stage::Data => {
                self.has_change = true;
            }
            SEALED if self.has_hello && body.len() >= SEALED_LEN_MIN => {
                *version = stage.number();
                self.early = self.early.saturating_add(1);
                self.barren = self.barren.saturating_add(1);
            }
            _ => return Err(TlsFault::Protocol),
        }
        if self.barren > TLS_BARREN_RECORDS_MAX {
            return Err(TlsFault::Protocol);
        }
        Ok(())
    }

    /// The board said something.
    pub(super) fn answered(&mut self) {
        self.has_answered = self.has_verify;
    }

    /// Data came.
    pub(super) fn has_data(&mut self) {
        self.barren = 0;
    }

    /// Every sealed record holds at least one message, or `cipher` refuses it: EncryptedExtensions in the first; a request
    /// in the second, when no certificate came with either.
    fn stage(&self) -> Stage {
        match (self.has_answered, self.has_verify, self.has_certificate, self.early) {
            (true, ..) => Stage::Data,
            (false, true, ..) => Stage::Finished,
            (false, false, true, _) => Stage::Verify,
            (false, false, false, 0) => Stage::Extensions,
            (false, false, false, 1) => Stage::Request,
            (false, false, false, _) => Stage::Certificate,
        }
    }
}
