//! How a firmware ended, kept over a reset.
//!
//! The record lies in memory that start-up code does not clear. After power-on that memory holds noise, so a record
//! counts only if its mark and its checksum are right. It is read once: taking it clears it.

use alloc::string::String;
use core::fmt::{self, Write};

use crc::{CRC_32_ISO_HDLC, Crc};

/// Longest text, in bytes: a path, a line and a short message. What is longer is cut.
pub const TEXT_LEN_MAX: usize = 192;

const MARK: u32 = 0x5452_4F4F;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Why a firmware ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// It found a fault in itself.
    Panic,
    /// The processor did.
    Fault,
    /// It did nothing for too long.
    Watchdog,
    /// Somebody wanted it: the server, or who holds the board.
    Asked,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Panic, Self::Fault, Self::Watchdog, Self::Asked];

    /// As queries show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Fault => "fault",
            Self::Watchdog => "watchdog",
            Self::Asked => "asked",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Self::Panic => 1,
            Self::Fault => 2,
            Self::Watchdog => 3,
            Self::Asked => 4,
        }
    }
}

/// How the firmware before this one ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// Where, and what it had to say; may be empty.
    pub text: String,
}

/// What a firmware leaves for the next boot.
#[derive(Debug)]
#[repr(C)]
pub struct EndingRecord {
    mark: u32,
    cause: u32,
    length: u32,
    checksum: u32,
    text: [u8; TEXT_LEN_MAX],
}

impl EndingRecord {
    /// A record that says nothing.
    pub const fn empty() -> Self {
        Self { mark: 0, cause: 0, length: 0, checksum: 0, text: [0; TEXT_LEN_MAX] }
    }

    /// Writes down a message; what does not fit is cut. Never fails: a panic handler has nobody to tell.
    pub fn keep(&mut self, cause: Cause, message: impl fmt::Display) {
        let mut writer = Cut { text: &mut self.text, length: 0 };
        // `Cut` takes what fits and reports no error.
        let _always_ok = write!(writer, "{message}");
        let length = writer.length;
        self.length = u32::try_from(length).unwrap_or(0);
        self.cause = cause.number();
        self.checksum = self.text.get(..length).map_or(0, |text| self.sum(text));
        self.mark = MARK;
    }

    /// How the firmware before this one ended, if it could say so. Clears the record.
    ///
    /// Noise, a torn record and a text that is not UTF-8 count as none.
    pub fn take(&mut self) -> Option<Ending> {
        let marked = core::mem::replace(&mut self.mark, 0) == MARK;
        let length = usize::try_from(self.length).ok()?;
        let text = self.text.get(..length)?;
        if !marked || self.sum(text) != self.checksum {
            return None;
        }
        let cause = Cause::ALL.into_iter().find(|cause| cause.number() == self.cause)?;
        core::str::from_utf8(text).ok().map(|text| Ending { cause, text: text.into() })
    }

    fn sum(&self, text: &[u8]) -> u32 {
        let mut sum = CRC.digest();
        sum.update(&self.cause.to_le_bytes());
        sum.update(text);
        sum.finalize()
    }
}

/// A writer that stops, at the end of a character, when the text is full.
struct Cut<'a> {
    text: &'a mut [u8; TEXT_LEN_MAX],
    length: usize,
}

impl Write for Cut<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for character in part.chars() {
            let mut bytes = [0; 4];
            let encoded = character.encode_utf8(&mut bytes).as_bytes();
            let end = self.length + encoded.len();
            let Some(room) = self.text.get_mut(self.length..end) else { return Ok(()) };
            room.copy_from_slice(encoded);
            self.length = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn a_message_is_read_once() {
        let mut record = EndingRecord::empty();
        record.keep(Cause::Panic, format_args!("{}:{} {}", "src/main.rs", 7, "out of memory"));
        let ending = Ending { cause: Cause::Panic, text: "src/main.rs:7 out of memory".into() };
        assert_eq!(record.take(), Some(ending));
        assert_eq!(record.take(), None);
    }

    #[test]
    fn noise_is_no_message() {
        let mut record = EndingRecord {
            mark: !0,
            cause: !0,
            length: !0,
            checksum: !0,
            text: [0xa5; TEXT_LEN_MAX],
        };
        assert_eq!(record.take(), None);
    }

    #[test]
    fn a_torn_record_is_no_message() {
        let mut record = EndingRecord::empty();
        record.keep(Cause::Panic, "stack overflow");
        record.text[3] ^= 1;
        assert_eq!(record.take(), None);
    }

    #[test]
    fn another_cause_than_was_written_is_no_message() {
        for cause in [0, 2, 9] {
            let mut record = EndingRecord::empty();
            record.keep(Cause::Panic, "stack overflow");
            record.cause = cause;
            assert_eq!(record.take(), None);
        }
    }

    #[test]
    fn a_length_from_noise_is_no_message() {
        let mut record = EndingRecord::empty();
        record.keep(Cause::Panic, "stack overflow");
        record.length = u32::MAX;
        assert_eq!(record.take(), None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut record = EndingRecord::empty();
        let long: String = core::iter::repeat_n('ü', TEXT_LEN_MAX).collect();
        record.keep(Cause::Panic, &long);
        let kept = record.take().map(|ending| ending.text.len());
        assert_eq!(kept, Some(TEXT_LEN_MAX / 2 * 2));
    }
}
