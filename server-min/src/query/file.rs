//! The accessor `file` on the server: its file system, as far as the configuration lets queries look at it.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, SeekFrom, seek};
use rustix::io::Errno;
use troodon_core::limits::SPARSE_RUNS;
use troodon_vql::{
    Accessor, Context, DataRun, Entries, Fault, FileInfo, FileKind, Reader, Text, Time,
};

use crate::config::Config;
use crate::model::prefix::Prefixes;

/// Files of the server by their absolute paths.
pub(super) struct FileAccessor {
    prefixes: Prefixes,
}

impl FileAccessor {
    /// Not reached unless a longer allowed prefix says so: the store, the configuration with its keys, and the memory of
    /// processes.
    pub(super) fn new(config: &Config) -> Self {
        let security = &config.security;
        let mut denied = security.denied_file_accessor_prefix.clone();
        let datastore = &config.datastore;
        let own = [&datastore.location, &datastore.filestore_directory];
        let own = own.into_iter().filter(|path| !path.is_empty()).map(PathBuf::from);
        for path in own.chain(config.source.clone()).chain([PathBuf::from("/proc")]) {
            let real = fs::canonicalize(&path).unwrap_or(path);
            denied.push(real.to_string_lossy().into_owned());
        }
        let allowed = security.allowed_file_accessor_prefix.clone();
        Self { prefixes: Prefixes { allowed, denied } }
    }

    /// The path without links, when it may be reached. `follow` says whether a link at its end is one of them.
    fn reach(&self, path: &Text, follow: bool) -> Result<PathBuf, Fault> {
        let given = Path::new(OsStr::from_bytes(path));
        let real = match (given.parent(), given.file_name()) {
            (Some(folder), Some(name)) if !follow => {
                fs::canonicalize(folder).map(|folder| folder.join(name))
            }
            _ => fs::canonicalize(given),
        };
        let real = real.map_err(|why| fault(path, &why))?;
        if !given.is_absolute() || !self.prefixes.allow(&real) {
            return Err(Fault::note(format!("{path}: No access to filesystem path")));
        }
        Ok(real)
    }
}

impl Accessor for FileAccessor {
    fn open(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let real = self.reach(path, true)?;
        // Neither a link that came in between, nor a pipe that keeps the server waiting.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(real);
        let file = file.map_err(|why| fault(path, &why))?;
        let metadata = file.metadata().map_err(|why| fault(path, &why))?;
        if !metadata.is_file() {
            return Err(Fault::note(format!("{path}: not a file")));
        }
        Ok(Box::new(OpenFile { file, path: path.clone(), size: metadata.len() }))
    }

    fn stat(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        let real = self.reach(path, false)?;
        fs::symlink_metadata(&real)
            .map_err(|why| fault(path, &why))
            .map(|it| shown(path, &real, &it))
    }

    fn follow(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        let real = self.reach(path, true)?;
        fs::metadata(&real).map_err(|why| fault(path, &why)).map(|it| shown(path, &real, &it))
    }

    fn read_dir(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        let real = self.reach(path, true)?;
        let entries = fs::read_dir(&real).map_err(|why| fault(path, &why))?;
        let (prefixes, folder) = (self.prefixes.clone(), path.clone());
        Ok(Box::new(entries.filter_map(move |entry| {
            let entry = match entry {
                Ok(entry) => entry,
                Err(why) => return Some(Err(fault(&folder, &why))),
            };
            let real = entry.path();
            let given = Path::new(OsStr::from_bytes(&folder)).join(entry.file_name());
            let given = Text::from(given.into_os_string().into_vec());
            prefixes.allow(&real).then(|| match entry.metadata() {
                Ok(metadata) => Ok(shown(&given, &real, &metadata)),
                Err(why) => Err(fault(&given, &why)),
            })
        })))
    }
}

struct OpenFile {
    file: File,
    path: Text,
    size: u64,
}

impl Reader for OpenFile {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.file.read_at(buffer, offset).map_err(|why| fault(&self.path, &why))
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    /// What the file system says. A file that it knows nothing of, or in too many pieces, has no holes.
    fn runs(&self) -> Option<Vec<DataRun>> {
        let (mut runs, mut held, mut at) = (Vec::new(), 0_u64, 0_u64);
        while at < self.size {
            let offset = match seek(&self.file, SeekFrom::Data(at)) {
                Ok(offset) => offset.min(self.size),
                Err(Errno::NXIO) => break,
                Err(_) => return None,
            };
            at = seek(&self.file, SeekFrom::Hole(offset)).ok()?.min(self.size);
            let len = at.checked_sub(offset).filter(|len| *len > 0)?;
            runs.push(DataRun { offset, len });
            held = held.saturating_add(len);
            if runs.len() > SPARSE_RUNS {
                return None;
            }
        }
        (held < self.size).then_some(runs)
    }
}

fn shown(path: &Text, real: &Path, metadata: &Metadata) -> FileInfo {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => FileKind::Regular,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Link,
        _ => FileKind::Special,
    };
    let time = |seconds: i64, nanos: i64| {
        Some(Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
    };
    let link = (kind == FileKind::Link).then(|| fs::read_link(real).ok()).flatten();
    FileInfo {
        name: Text::from(real.file_name().map_or(b"/".as_slice(), OsStr::as_bytes)),
        path: path.clone(),
        size: metadata.len(),
        kind,
        mode: metadata.mode(),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        accessed: time(metadata.atime(), metadata.atime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
        link: link.map(|target| Text::from(target.into_os_string().into_vec())),
        identity: Some((metadata.dev(), metadata.ino())),
        ..FileInfo::default()
    }
}

fn fault(path: &Text, why: &io::Error) -> Fault {
    Fault::note(format!("{path}: {why}"))
}
