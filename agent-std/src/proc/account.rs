//! Accounts of `/etc/passwd`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::{decimal, read_line_bounded};
use crate::limits::TABLE_LINE_LEN_MAX;

/// Where the accounts are.
pub const PASSWD: &str = "/etc/passwd";

/// One account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Login name.
    pub name: Vec<u8>,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// The free text, usually the full name.
    pub description: Vec<u8>,
    /// Home directory.
    pub home: Vec<u8>,
    /// Login shell.
    pub shell: Vec<u8>,
}

impl Account {
    /// Parses one line; nothing for comments, NIS lines and lines that are not entries.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(b"#"))?;
        fields.next()?;
        Some(Self {
            name: name.to_vec(),
            uid: fields.next().and_then(decimal)?,
            gid: fields.next().and_then(decimal)?,
            description: fields.next()?.to_vec(),
            home: fields.next()?.to_vec(),
            shell: fields.next().unwrap_or_default().to_vec(),
        })
    }
}

/// The accounts of a file, one at a time.
#[derive(Debug)]
pub struct Accounts {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Accounts {
    /// Opens the table at `path`, normally [`PASSWD`].
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: BufReader::with_capacity(4096, File::open(path)?), line: Vec::new() })
    }
}

impl Iterator for Accounts {
    type Item = Account;

    fn next(&mut self) -> Option<Account> {
        while matches!(
            read_line_bounded(&mut self.reader, &mut self.line, TABLE_LINE_LEN_MAX),
            Ok(true)
        ) {
            if let Some(account) = Account::parse(&self.line) {
                return Some(account);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_seven_fields() {
        let account = Account::parse(b"ann:x:1000:100:Ann,,,:/home/ann:/bin/sh").unwrap();
        assert_eq!((account.uid, account.gid), (1000, 100));
        assert_eq!(account.home, b"/home/ann");
        assert_eq!(account.shell, b"/bin/sh");
    }

    #[test]
    fn comments_and_broken_lines_are_no_accounts() {
        for line in [&b"# x:x:1:1:::"[..], b"", b"+::::::", b"ann:x:-1:100:::", b"ann"] {
            assert_eq!(Account::parse(line), None, "{line:?}");
        }
    }
}
