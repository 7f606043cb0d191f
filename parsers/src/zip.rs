//! The accessor `zip`: files in an archive, by a pathspec.
//!
//! Names in an archive are whatever its maker wrote, so they only select content: `..`, empty components and a leading `/`
//! have no meaning, a backslash counts as `/`, and nothing is ever written by them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord, ZipLocator,
};
use troodon_vql::{
    Accessor, Context, Entries, Fault, FileInfo, FileKind, Level, Reader, RowBuilder, Text, Time,
};

use crate::limits::{ZIP_ENTRIES_MAX, ZIP_NAMES_LEN_MAX};
use crate::pathspec::Pathspec;
use crate::unpack::{Shared, Unpacked};

/// Reads archives of the ZIP format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZipAccessor;

/// The archive that a session used last: a walk opens each of its files.
#[derive(Default)]
struct Last(Option<(Pathspec, Arc<Archive>)>);

struct Archive {
    zip: Arc<ZipArchive<Shared>>,
    file: Shared,
    /// By normalised names, without a leading `/`.
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    place: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    is_encrypted: bool,
    is_directory: bool,
    mode: u32,
    modified: Option<Time>,
}

impl Accessor for ZipAccessor {
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let (spec, archive) = archive(cx, path)?;
        let name = normalised(spec.path.as_bytes());
        let entry = archive.entries.get(&name).filter(|entry| !entry.is_directory);
        let entry = entry.ok_or_else(|| absent(path))?.clone();
        if entry.is_encrypted {
            return Err(Fault::note(format!("{path}: is encrypted")));
        }
        if ![CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&entry.method) {
            return Err(Fault::note(format!("{path}: compressed by {:?}", entry.method)));
        }
        Ok(Box::new(Unpacked::new(Box::new(move || archive.unpack(&entry)))))
    }

    fn stat(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        let (spec, archive) = archive(cx, path)?;
        archive.info(&spec, &normalised(spec.path.as_bytes())).ok_or_else(|| absent(path))
    }

    fn read_dir(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        let (spec, archive) = archive(cx, path)?;
        let mut folder = normalised(spec.path.as_bytes());
        if !folder.is_empty() {
            folder.push('/');
        }
        let mut children: Vec<&str> = Vec::new();
        for name in archive.below(&folder) {
            cx.charge(1)?;
            let rest = name.get(folder.len()..).unwrap_or_default();
            let child = rest.split('/').next().unwrap_or_default();
            // Entries of one folder need not stand together: `a`, `a.b`, `a/c`.
            children.push(name.get(..folder.len() + child.len()).unwrap_or_default());
        }
        children.sort_unstable();
        children.dedup();
        let infos: Vec<_> =
            children.iter().filter_map(|name| archive.info(&spec, name)).map(Ok).collect();
        Ok(Box::new(infos.into_iter()))
    }
}

fn absent(path: &Text) -> Fault {
    Fault::log(Level::Debug, format!("{path}: not in the archive"))
}

fn archive(cx: &mut Context, path: &Text) -> Result<(Pathspec, Arc<Archive>), Fault> {
    let spec = Pathspec::parse(path)?
        .ok_or_else(|| Fault::note(format!("{path}: the file in the archive needs a pathspec")))?;
    // Also what is remembered may only be used by who may use the accessor.
    cx.accessor(&spec.accessor)?;
    let mut last: Box<Last> = cx.take_state();
    let known = last.0.as_ref().filter(|(known, _)| known.is_beside(&spec));
    let archive = match known {
        Some((_, archive)) => Ok(Arc::clone(archive)),
        None => Archive::open(cx, &spec).map(Arc::new),
    };
    if let Ok(archive) = &archive {
        last.0 = Some((spec.clone(), Arc::clone(archive)));
    }
    cx.keep_state(last);
    Ok((spec, archive?))
}

impl Archive {
    fn open(cx: &mut Context, spec: &Pathspec) -> Result<Self, Fault> {
        let reader = spec.open(cx)?;
        let len = reader.size().map_or_else(|| spec.stat(cx).map(|info| info.size), Ok)?;
        let file = Shared::new(reader);
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let damaged = |why: rawzip::Error| Fault::note(format!("no ZIP archive: {why}"));
        let zip = ZipLocator::new()
            .locate_in_reader(file.clone(), &mut buffer, len)
            .map_err(|(_, why)| damaged(why))?;
        let mut entries = BTreeMap::new();
        let mut names_len = 0_usize;
        let mut list = zip.entries(&mut buffer);
        while let Some(record) = list.next_entry().map_err(damaged)? {
            cx.charge(1)?;
            let raw = record.file_path();
            let name = normalised(raw.as_bytes());
            names_len = names_len.saturating_add(name.len());
            if entries.len() >= ZIP_ENTRIES_MAX || names_len > ZIP_NAMES_LEN_MAX {
                return Err(Fault::note(format!(
                    "archive has more than {ZIP_ENTRIES_MAX} files, or {ZIP_NAMES_LEN_MAX} bytes of names"
                )));
            }
            if !name.is_empty() {
                entries.insert(name, Entry::from(&record));
            }
        }
        Ok(Self { zip: Arc::new(zip), file, entries })
    }

    /// Content from its beginning on. Its checksum and size are checked at the end.
    fn unpack(&self, entry: &Entry) -> io::Result<Box<dyn io::Read + Send>> {
        let packed = self.zip.get_entry(entry.place).map_err(io::Error::other)?;
        let (start, end) = packed.compressed_data_range();
        let span = self.file.span(start, end);
        Ok(if entry.method == CompressionMethod::DEFLATE {
            Box::new(packed.verifying_reader(DeflateDecoder::new(span)))
        } else {
            Box::new(packed.verifying_reader(span))
        })
    }

    /// Names that begin with `folder`, which ends in `/` unless it is the root.
    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a String> {
        let from = (Bound::Included(folder), Bound::Unbounded);
        self.entries
            .range::<str, _>(from)
            .map(|(name, _)| name)
            .take_while(move |name| name.starts_with(folder))
    }

    /// A file, or a directory that may only exist as the beginning of names.
    fn info(&self, spec: &Pathspec, name: &str) -> Option<FileInfo> {
        let entry = self.entries.get(name).filter(|entry| !entry.is_directory);
        let path = spec.with_path(&format!("/{name}"));
        let info = FileInfo {
            name: Text::from(name.rsplit('/').next().unwrap_or_default()),
            path,
            ..FileInfo::default()
        };
        if let Some(entry) = entry {
            let method = match entry.method {
                CompressionMethod::STORE => "stored".to_owned(),
                CompressionMethod::DEFLATE => "zlib".to_owned(),
                other => format!("{other:?}"),
            };
            let mut data = RowBuilder::new();
            data.set("CompressedSize", entry.place.compressed_size_hint()).set("Method", method);
            return Some(FileInfo {
                size: entry.place.uncompressed_size_hint(),
                mode: entry.mode,
                modified: entry.modified,
                data: data.build().into(),
                ..info
            });
        }
        let is_there = name.is_empty()
            || self.entries.contains_key(name)
            || self.below(&format!("{name}/")).next().is_some();
        is_there.then_some(FileInfo { kind: FileKind::Directory, mode: 0o755, ..info })
    }
}

impl From<&ZipFileHeaderRecord<'_>> for Entry {
    fn from(record: &ZipFileHeaderRecord<'_>) -> Self {
        let time = record.last_modified();
        let date = (i64::from(time.year()), i64::from(time.month()), i64::from(time.day()));
        let clock = (i64::from(time.hour()), i64::from(time.minute()), i64::from(time.second()));
        Self {
            place: record.wayfinder(),
            method: record.compression_method(),
            is_encrypted: record.flags().is_encrypted(),
            is_directory: record.is_dir(),
            mode: record.mode().permissions(),
            modified: Time::from_civil(date, clock, 0),
        }
    }
}

/// A name that stays inside the archive: components without a meaning of their own, joined by `/`.
fn normalised(name: &[u8]) -> String {
    let parts = name.split(|byte| matches!(byte, b'/' | b'\\'));
    let parts: Vec<_> = parts
        .filter(|part| !matches!(*part, b"" | b"." | b".."))
        .map(String::from_utf8_lossy)
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_archive() {
        for (raw, name) in [
            ("../../etc/passwd", "etc/passwd"),
            ("/abs", "abs"),
            ("a\\..\\b", "a/b"),
            ("a//./b/", "a/b"),
            ("..", ""),
        ] {
            assert_eq!(normalised(raw.as_bytes()), name, "{raw}");
        }
    }
}
