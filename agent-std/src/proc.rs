//! What the kernel says about processes, sockets, mounts and the machine, as plain Rust values.
//!
//! Readers take small bounded bites of `/proc` and `/sys`; parsers are pure and take bytes. A process or a socket
//! may vanish between two reads: that is never an error of the whole walk.

pub mod account;
pub mod interface;
pub mod mount;
pub mod platform;
pub mod process;
pub mod socket;

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

/// Reads at most `len_max` bytes of a file of the kernel.
///
/// Such files report size 0, so the limit is what bounds the memory; what is beyond it is cut off.
///
/// # Errors
///
/// Whatever opening and reading say.
pub fn read_bounded(path: &Path, len_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len_max = u64::try_from(len_max).unwrap_or(u64::MAX);
    File::open(path)?.take(len_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the next line without its end into `line`; false at the end of the file.
///
/// Bytes beyond `len_max` are skipped, so that a hostile line costs time but no memory.
///
/// # Errors
///
/// Whatever reading says.
pub fn read_line_bounded(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    len_max: usize,
) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let text = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        let room = len_max.saturating_sub(line.len());
        line.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        let used = end.map_or(available.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Parses a decimal number of a kernel table.
fn decimal<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Splits a line at runs of blanks.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_beyond_the_limit_is_cut_and_the_next_one_is_whole() {
        let mut reader = io::BufReader::with_capacity(4, &b"0123456789\nab\n\nlast"[..]);
        let mut line = Vec::new();
        let mut lines = Vec::new();
        while read_line_bounded(&mut reader, &mut line, 5).unwrap() {
            lines.push(line.clone());
        }
        assert_eq!(lines, [&b"01234"[..], b"ab", b"", b"last"]);
    }
}
