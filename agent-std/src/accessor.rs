//! The accessor `file`: this machine's file system.

#[cfg(feature = "parsers")]
pub mod memory;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use troodon_vql::{
    Accessor, Context, Entries, Fault, FileInfo, FileKind, Level, Reader, Text, Time,
};

use crate::file::{Links, Metadata, open_regular};

/// Files of the operating system by their absolute paths.
#[derive(Clone, Copy, Debug)]
pub struct FileAccessor;

impl Accessor for FileAccessor {
    fn open(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let file = open_regular(as_path(path)).map_err(|why| fault(path, &why))?;
        let size = file.metadata().ok().map(|metadata| metadata.len());
        // The kernel says 0 for files that it writes while they are read.
        Ok(Box::new(OpenFile { file, path: path.clone(), size: size.filter(|size| *size > 0) }))
    }

    fn stat(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        described(path.clone(), Links::Keep)
    }

    fn follow(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        described(path.clone(), Links::Follow)
    }

    fn read_dir(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        let entries = fs::read_dir(as_path(path)).map_err(|why| fault(path, &why))?;
        let folder = path.clone();
        Ok(Box::new(entries.map(move |entry| match entry {
            Ok(entry) => {
                let path = Text::from(entry.path().into_os_string().into_vec());
                described(path, Links::Keep)
            }
            Err(why) => Err(fault(&folder, &why)),
        })))
    }
}

struct OpenFile {
    file: File,
    path: Text,
    size: Option<u64>,
}

impl Reader for OpenFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|why| fault(&self.path, &why)),
            }
        }
    }

    fn size(&self) -> Option<u64> {
        self.size
    }
}

/// The path that a query means.
#[must_use]
pub fn as_path(text: &Text) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

/// The path that a query gave, to keep.
#[must_use]
pub fn to_path(text: &Text) -> PathBuf {
    as_path(text).to_owned()
}

fn described(path: Text, links: Links) -> Result<FileInfo, Fault> {
    let metadata = Metadata::of(as_path(&path), links).map_err(|why| fault(&path, &why))?;
    let kind = match metadata.file_type() {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Special,
    };
    let link = (kind == FileKind::Link)
        .then(|| fs::read_link(as_path(&path)).ok())
        .flatten()
        .map(|target| Text::from(target.into_os_string().into_vec()));
    let name = as_path(&path).file_name().map_or(b"/".as_slice(), OsStr::as_bytes);
    Ok(FileInfo {
        name: Text::from(name),
        size: metadata.len,
        kind,
        mode: metadata.mode,
        modified: metadata.modified.map(Time::from_nanos),
        accessed: metadata.accessed.map(Time::from_nanos),
        changed: metadata.changed.map(Time::from_nanos),
        born: metadata.born.map(Time::from_nanos),
        link,
        identity: Some(metadata.identity),
        path,
        ..FileInfo::default()
    })
}

/// An absent file is everyday business and worth a debug message only.
fn fault(path: &Text, why: &io::Error) -> Fault {
    let level = match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Level::Debug,
        _ => Level::Default,
    };
    Fault::log(level, format!("{path}: {why}"))
}
