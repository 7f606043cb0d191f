//! `upload()` of a local query: copies into a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use md5::Md5;
use sha2::{Digest, Sha256};
use troodon_vql::{Context, Fault, Row, RowBuilder, Text, Upload, Uploader, Value};

use crate::limits::UPLOAD_READ_LEN;

/// Stores files below a folder, under their accessor and path.
#[derive(Debug)]
pub struct FolderUploader {
    folder: PathBuf,
    stored: AtomicU64,
}

impl FolderUploader {
    /// Stores files below `folder`, which is made when the first one comes.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder, stored: AtomicU64::new(0) }
    }

    /// A new file for the name; a second file of the same name gets a number.
    fn create(&self, accessor: &str, parts: &[Text], number: u64) -> io::Result<File> {
        let mut path = self.folder.join(file_name(accessor.as_bytes()));
        parts.iter().for_each(|part| path.push(file_name(part)));
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        let create =
            |path: &Path| OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match create(&path) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                path.as_mut_os_string().push(format!(".{number}"));
                create(&path)
            }
            created => created,
        }
    }
}

impl Uploader for FolderUploader {
    fn upload(&self, cx: &mut Context, file: Upload<'_>) -> Result<Value, Fault> {
        let number = self.stored.fetch_add(1, Ordering::Relaxed);
        let parts: Vec<Text> = file
            .name
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .map(Text::from)
            .collect();
        let folder = self.folder.display();
        let fault = |why: io::Error| Fault::note(format!("{folder}: {why}"));
        let mut out = self.create(&file.accessor, &parts, number).map_err(fault)?;
        let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
        let mut piece = vec![0; UPLOAD_READ_LEN];
        let mut len = 0_u64;
        loop {
            let count = file.reader.read_at(len, &mut piece)?;
            let data = piece.get(..count).unwrap_or_default();
            if data.is_empty() {
                break;
            }
            cx.charge(u64::try_from(count / 1024).unwrap_or(0) + 1)?;
            md5.update(data);
            sha256.update(data);
            out.write_all(data).map_err(fault)?;
            len += u64::try_from(count).unwrap_or(0);
        }
        out.sync_all().map_err(fault)?;
        Ok(row(&file, &parts, number, len, &hex(&md5.finalize()), &hex(&sha256.finalize())).into())
    }
}

/// The columns are those of docs/protocol.md section 6.7.
fn row(file: &Upload<'_>, parts: &[Text], number: u64, len: u64, md5: &str, sha256: &str) -> Row {
    let parts: Vec<Value> = parts.iter().cloned().map(Value::Str).collect();
    let mut row = RowBuilder::new();
    row.set("Path", file.info.path.clone())
        .set("Size", len)
        .set("UploadId", number)
        .set("StoredSize", len)
        .set("sha256", sha256)
        .set("md5", md5)
        .set("StoredName", file.name.clone())
        .set("Components", parts)
        .set("Accessor", file.accessor.as_str());
    row.build()
}

/// One component of a path below the folder: it cannot be `..`, have a slash, or be too long.
fn file_name(part: &[u8]) -> String {
    let mut name = String::new();
    for byte in part {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b' ');
        if is_plain && !(name.is_empty() && *byte == b'.') {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
        // Longest name that file systems take, with room for a number.
        if name.len() > 240 {
            break;
        }
    }
    name
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_component_stays_below_the_folder() {
        assert_eq!(file_name(b".."), "%2E.");
        assert_eq!(file_name(b"a/../b"), "a%2F..%2Fb");
        assert_eq!(file_name(b"\x00\xff"), "%00%FF");
        assert!(file_name(&[b'/'; 4096]).len() < 250);
    }
}
