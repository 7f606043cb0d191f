//! The last words of a firmware, kept over a reset.
//!
//! The record lies in memory that start-up code does not clear. After power-on that memory holds noise, so a record
//! counts only if its mark and its checksum are right. It is read once: taking it clears it.

use core::fmt::{self, Write};

use crc::{CRC_32_ISO_HDLC, Crc};

/// Longest text, in bytes: a path, a line and a short message. What is longer is cut.
pub const TEXT_LEN_MAX: usize = 192;

const MARK: u32 = 0x5452_4F4F;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What a panic handler leaves for the next boot.
#[derive(Debug)]
#[repr(C)]
pub struct PanicRecord {
    mark: u32,
    length: u32,
    checksum: u32,
    text: [u8; TEXT_LEN_MAX],
}

impl PanicRecord {
    /// A record that says nothing.
    pub const fn empty() -> Self {
        Self { mark: 0, length: 0, checksum: 0, text: [0; TEXT_LEN_MAX] }
    }

    /// Writes down a message; what does not fit is cut. Never fails: a panic handler has nobody to tell.
    pub fn keep(&mut self, message: impl fmt::Display) {
        let mut writer = Cut { text: &mut self.text, length: 0 };
        // `Cut` takes what fits and reports no error.
        let _always_ok = write!(writer, "{message}");
        let length = writer.length;
        self.length = u32::try_from(length).unwrap_or(0);
        self.checksum = self.text.get(..length).map_or(0, |text| CRC.checksum(text));
        self.mark = MARK;
    }

    /// The message of the last panic, if there was one since it was last taken. Clears the record.
    ///
    /// Noise, a torn record and a text that is not UTF-8 count as no message.
    pub fn take(&mut self) -> Option<&str> {
        let marked = core::mem::replace(&mut self.mark, 0) == MARK;
        let length = usize::try_from(self.length).ok()?;
        let text = self.text.get(..length)?;
        if !marked || CRC.checksum(text) != self.checksum {
            return None;
        }
        core::str::from_utf8(text).ok()
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
        let mut record = PanicRecord::empty();
        record.keep(format_args!("{}:{} {}", "src/main.rs", 7, "out of memory"));
        assert_eq!(record.take(), Some("src/main.rs:7 out of memory"));
        assert_eq!(record.take(), None);
    }

    #[test]
    fn noise_is_no_message() {
        let mut record =
            PanicRecord { mark: !0, length: !0, checksum: !0, text: [0xa5; TEXT_LEN_MAX] };
        assert_eq!(record.take(), None);
    }

    #[test]
    fn a_torn_record_is_no_message() {
        let mut record = PanicRecord::empty();
        record.keep("stack overflow");
        record.text[3] ^= 1;
        assert_eq!(record.take(), None);
    }

    #[test]
    fn a_length_from_noise_is_no_message() {
        let mut record = PanicRecord::empty();
        record.keep("stack overflow");
        record.length = u32::MAX;
        assert_eq!(record.take(), None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut record = PanicRecord::empty();
        let long: String = core::iter::repeat_n('ü', TEXT_LEN_MAX).collect();
        record.keep(&long);
        let kept = record.take().map(str::len);
        assert_eq!(kept, Some(TEXT_LEN_MAX / 2 * 2));
    }
}
