//! Mounts of `/proc/self/mountinfo` (proc(5)).

use super::{decimal, fields};

/// One mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// Id of the mount.
    pub id: u64,
    /// Id of the mount that it stands on.
    pub parent: u64,
    /// Root of the mount inside its file system.
    pub root: Vec<u8>,
    /// Where it is mounted.
    pub point: Vec<u8>,
    /// Options of the mount, separated by commas.
    pub options: Vec<u8>,
    /// Type of the file system.
    pub kind: Vec<u8>,
    /// The device, or whatever the file system calls its source.
    pub source: Vec<u8>,
    /// Options of the file system, separated by commas.
    pub super_options: Vec<u8>,
}

impl Mount {
    /// Parses one line; nothing if it is no entry.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut left = fields(line);
        let id = left.next().and_then(decimal)?;
        let parent = left.next().and_then(decimal)?;
        left.next()?;
        let root = unescaped(left.next()?);
        let point = unescaped(left.next()?);
        let options = left.next()?.to_vec();
        let mut right = left.skip_while(|field| *field != b"-").skip(1);
        Some(Self {
            id,
            parent,
            root,
            point,
            options,
            kind: right.next()?.to_vec(),
            source: unescaped(right.next()?),
            super_options: right.next().unwrap_or_default().to_vec(),
        })
    }
}

/// Undoes the kernel's `\ooo` for blanks, tabs, line ends and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        match (first, octal(tail)) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let line = br"36 35 98:0 /mnt1 /mnt\040two rw,noatime master:1 shared:2 - ext3 /dev/root\134 rw,errors=continue";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(mount.point, b"/mnt two");
        assert_eq!(mount.kind, b"ext3");
        assert_eq!(mount.source, b"/dev/root\\");
        assert_eq!(mount.super_options, b"rw,errors=continue");
    }

    #[test]
    fn a_line_without_the_separator_is_no_mount() {
        assert_eq!(Mount::parse(b"36 35 98:0 / /mnt rw"), None);
    }

    #[test]
    fn a_backslash_without_three_digits_stays() {
        assert_eq!(unescaped(br"a\04"), br"a\04");
        assert_eq!(unescaped(br"a\777"), br"a\777");
    }
}
