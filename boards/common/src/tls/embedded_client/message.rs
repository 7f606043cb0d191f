//! Messages of the handshake as far as must be known to let them pass: their order and their outer form.

/// What the server may say next (RFC 8446 section 4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Extensions,
    /// A request for a certificate, or the certificate.
    Request,
    Certificate,
    Verify,
    Finished,
    /// It is the board's turn.
    Silence,
    Data,
}

impl Stage {
    /// As the byte that `filter` tells `cipher`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Extensions => 0,
            Self::Request => 1,
            Self::Certificate => 2,
            Self::Verify => 3,
            Self::Finished => 4,
            Self::Silence => 5,
            Self::Data => 6,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        let all = [
            Self::Extensions,
            Self::Request,
            Self::Certificate,
            Self::Verify,
            Self::Finished,
            Self::Silence,
            Self::Data,
        ];
        all.into_iter().find(|stage| stage.number() == number)
    }

    /// The stage after whole messages, and nothing else, in one record; `None` when one has no place there.
    pub(super) fn after(mut self, mut messages: &[u8]) -> Option<Self> {
        // Empty parts of the handshake are forbidden (RFC 8446 section 5.1).
        messages.first()?;
        while let Some((&kind, rest)) = messages.split_first() {
            let (body, rest) = vector(rest, 3)?;
            self = self.next(kind)?;
            is_whole(form(kind)?, body).then_some(())?;
            messages = rest;
        }
        Some(self)
    }

    fn next(self, kind: u8) -> Option<Self> {
        match (self, kind) {
            (Self::Extensions, ENCRYPTED_EXTENSIONS) => Some(Self::Request),
            (Self::Request, CERTIFICATE_REQUEST) => Some(Self::Certificate),
            (Self::Request | Self::Certificate, CERTIFICATE) => Some(Self::Verify),
            (Self::Verify, CERTIFICATE_VERIFY) => Some(Self::Finished),
            (Self::Finished, FINISHED) => Some(Self::Silence),
            (Self::Data, NEW_SESSION_TICKET) => Some(Self::Data),
            _ => None,
        }
    }
}

const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;

/// A part of a message.
#[derive(Clone, Copy)]
enum Field {
    /// So many bytes.
    Bytes(usize),
    /// So many bytes that tell a length, and that many more.
    Vector(usize),
}

/// What a message consists of. `embedded-tls` takes from each what it needs and whatever follows for the next message, so
/// that a loose end would be one that nobody has looked at.
fn form(kind: u8) -> Option<&'static [Field]> {
    use Field::{Bytes, Vector};
    match kind {
        NEW_SESSION_TICKET => Some(&[Bytes(8), Vector(1), Vector(2), Vector(2)]),
        ENCRYPTED_EXTENSIONS => Some(&[Vector(2)]),
        CERTIFICATE => Some(&[Vector(1), Vector(3)]),
        CERTIFICATE_REQUEST => Some(&[Vector(1), Vector(2)]),
        CERTIFICATE_VERIFY => Some(&[Bytes(2), Vector(2)]),
        FINISHED => Some(&[Bytes(32)]),
        _ => None,
    }
}

fn is_whole(form: &[Field], body: &[u8]) -> bool {
    let rest = form.iter().try_fold(body, |rest, field| match *field {
        Field::Bytes(len) => rest.get(len..),
        Field::Vector(width) => vector(rest, width).map(|(_, rest)| rest),
    });
    rest.is_some_and(<[u8]>::is_empty)
}

/// Cuts off a length of `width` bytes and what it counts.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(width)?;
    let len = len.iter().fold(0_usize, |len, byte| len << 8 | usize::from(*byte));
    rest.split_at_checked(len)
}

/// Whether this is one whole ServerHello that chooses TLS 1.3, AES-128-GCM and P-256, and nothing that was not offered.
/// `embedded-tls` looks at the point alone.
pub(super) fn is_good_server_hello(message: &[u8]) -> bool {
    let extensions = || {
        let (body, rest) = vector(message.strip_prefix(&[SERVER_HELLO])?, 3)?;
        let (version_and_random, body) = body.split_at_checked(2 + 32)?;
        let (session_id, body) = vector(body, 1)?;
        let (suite_and_compression, body) = body.split_at_checked(2 + 1)?;
        let (extensions, end) = vector(body, 2)?;
        // The board sends no session id to be echoed.
        let is_good = version_and_random.starts_with(&[3, 3])
            && session_id.is_empty()
            && suite_and_compression == [0x13, 0x01, 0]
            && end.is_empty()
            && rest.is_empty();
        is_good.then_some(extensions)
    };
    extensions().is_some_and(|extensions| {
        let (mut versions, mut shares, mut rest) = (0, 0, extensions);
        while let Some((kind, body, after)) = extension(rest) {
            match kind {
                // `supported_versions`: TLS 1.3.
                [0, 43] if body == [3, 4] => versions += 1,
                // `key_share`: an uncompressed point of P-256.
                [0, 51] if body.starts_with(&[0, 23, 0, 65]) && body.len() == 4 + 65 => shares += 1,
                _ => return false,
            }
            rest = after;
        }
        rest.is_empty() && versions == 1 && shares == 1
    })
}

fn extension(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (kind, rest) = bytes.split_at_checked(2)?;
    let (body, rest) = vector(rest, 2)?;
    Some((kind, body, rest))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    const EXTENSIONS: [u8; 6] = [8, 0, 0, 2, 0, 0];
    const TICKET: [u8; 17] = [4, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn messages_pass_in_their_order_only() {
        let flight = [
            EXTENSIONS.as_slice(),
            &[13, 0, 0, 3, 0, 0, 0],
            &[11, 0, 0, 4, 0, 0, 0, 0],
            &[15, 0, 0, 4, 4, 3, 0, 0],
            &[20, 0, 0, 32],
            &[0; 32],
        ]
        .concat();
        assert_eq!(Stage::Extensions.after(&flight), Some(Stage::Silence));
        assert_eq!(Stage::Request.after(&flight), None);
        assert_eq!(Stage::Extensions.after(&flight[6..]), None);
        assert_eq!(Stage::Extensions.after(&[EXTENSIONS, EXTENSIONS].concat()), None);
        assert_eq!(Stage::Data.after(&[TICKET, TICKET].concat()), Some(Stage::Data));
        assert_eq!(Stage::Data.after(&EXTENSIONS), None);
        assert_eq!(Stage::Silence.after(&TICKET), None);
        assert_eq!(Stage::Data.after(&[]), None);
    }

    #[test]
    fn loose_ends_do_not_pass() {
        for len in 0..EXTENSIONS.len() {
            assert_eq!(Stage::Extensions.after(&EXTENSIONS[..len]), None, "{len} bytes");
        }
        // A length that counts more than the message has, and one that counts less.
        assert_eq!(Stage::Extensions.after(&[8, 0, 0, 2, 0, 1]), None);
        assert_eq!(Stage::Extensions.after(&[8, 0, 0, 3, 0, 0, 0]), None);
        let hidden = [&[4, 0, 0, 17], &TICKET[4..], &[11, 0, 0, 0]].concat();
        assert_eq!(Stage::Data.after(&hidden), None, "a certificate behind a ticket");
    }

    #[test]
    fn every_stage_has_its_number() {
        let numbered = (0..7).filter_map(Stage::from_number);
        assert!(numbered.map(Stage::number).eq(0..7));
        assert_eq!(Stage::from_number(7), None);
    }

    fn server_hello(suite: [u8; 3], extensions: &[u8]) -> Vec<u8> {
        let body = [&[3, 3], [7; 32].as_slice(), &[0], &suite];
        let extensions_len = u8::try_from(extensions.len()).unwrap();
        let body = [body.concat().as_slice(), &[0, extensions_len], extensions].concat();
        [&[2, 0, 0, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
    }

    #[test]
    fn a_server_chooses_of_what_was_offered() {
        let (suite, version) = ([0x13, 0x01, 0], [0, 43, 0, 2, 3, 4]);
        let share = [[0, 51, 0, 69, 0, 23, 0, 65].as_slice(), &[4; 65]].concat();
        let both = [version.as_slice(), &share].concat();
        let good = server_hello(suite, &both);
        assert!(is_good_server_hello(&good));
        for len in 0..good.len() {
            assert!(!is_good_server_hello(&good[..len]), "{len} bytes");
        }
        assert!(!is_good_server_hello(&[good.as_slice(), &[0]].concat()));
        assert!(!is_good_server_hello(&server_hello([0x13, 0x02, 0], &both)));
        for extensions in [
            version.to_vec(),
            share.clone(),
            [both.as_slice(), &version].concat(),
            [both.as_slice(), &[0, 41, 0, 2, 0, 0]].concat(),
            [[0, 43, 0, 2, 3, 3].as_slice(), &share].concat(),
        ] {
            assert!(!is_good_server_hello(&server_hello(suite, &extensions)), "{extensions:?}");
        }
    }
}
