//! The data that are queried: the same bytes on every machine, made in a minute.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::step;

/// Bytes of each text file.
const TEXT_BYTES: usize = 100_000_000;
/// Bytes of the file that is hashed.
const BLOB_BYTES: usize = 1 << 30;
/// Directories of the tree.
const FOLDERS: u32 = 200;
/// Files in each of them.
const FILES: u32 = 1_000;

const WORDS: [&str; 12] = [
    "alpha", "beta", "gamma", "delta", "usr", "bin", "lib", "share", "Admin", "Temp", "cache",
    "log",
];
const ENDINGS: [&str; 4] = ["txt", "log", "dat", "bin"];

/// A folder with all of it.
pub(super) struct Data {
    folder: PathBuf,
    /// Removes the folder when it is dropped.
    _temporary: Option<TempDir>,
}

impl Data {
    /// Makes the data in a folder; those that are there stay. Without one they go into a temporary folder.
    pub(super) fn make(folder: Option<&Path>) -> Result<Self> {
        let temporary = match folder {
            Some(folder) => {
                fs::create_dir_all(folder)?;
                None
            }
            // Not in /tmp, which may be in memory.
            None => Some(tempfile::tempdir_in(step::root().join("target"))?),
        };
        let folder = temporary.as_ref().map_or(folder, |folder| Some(folder.path()));
        let folder = folder.context("a folder")?.canonicalize()?;
        let data = Self { folder, _temporary: temporary };
        for (name, path) in data.paths() {
            if path.exists() {
                continue;
            }
            eprintln!("==> make {}", path.display());
            // A half-made file must not be taken for a whole one by the next run.
            let unfinished = path.with_extension("part");
            let _ = fs::remove_dir_all(&unfinished);
            match name {
                "csv" => write_lines(&unfinished, "Id,Name,Size,Path,Time,Flag\n", csv_line)?,
                "jsonl" => write_lines(&unfinished, "", json_line)?,
                "tree" => grow(&unfinished)?,
                _ => write_blob(&unfinished)?,
            }
            fs::rename(&unfinished, &path)?;
        }
        Ok(data)
    }

    /// The name of each part, and where it is.
    pub(super) fn paths(&self) -> [(&'static str, PathBuf); 4] {
        [("csv", "d.csv"), ("jsonl", "d.jsonl"), ("tree", "tree"), ("blob", "blob")]
            .map(|(name, file)| (name, self.folder.join(file)))
    }
}

fn write_lines(path: &Path, header: &str, line: fn(u32, &mut String)) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut text = header.to_owned();
    let mut written = 0;
    for at in 0.. {
        if written >= TEXT_BYTES {
            break;
        }
        line(at, &mut text);
        out.write_all(text.as_bytes())?;
        written += text.len();
        text.clear();
    }
    Ok(out.flush()?)
}

/// Digits that look like chance.
fn size(at: u32) -> u64 {
    u64::from(at) * 2_654_435_761 % 10_000_000
}

fn push_path(at: u32, out: &mut String) {
    for (_, word) in (0..4 + at % 3).zip(WORDS.iter().cycle().skip((at % 12) as usize).step_by(5)) {
        let _ = write!(out, "/{word}");
    }
    let _ = write!(out, "/f{at}.dat");
}

fn csv_line(at: u32, out: &mut String) {
    let _ = write!(out, "{at},file-{at},{},", size(at));
    if at.is_multiple_of(50) {
        let _ = write!(out, "\"a, \"\"quoted\"\" {at}\"");
    } else {
        push_path(at, out);
    }
    let (day, hour, minute, second) = (1 + at % 28, at % 24, at % 60, at % 59);
    let flag = if at.is_multiple_of(3) { "no" } else { "yes" };
    let _ = writeln!(out, ",2024-08-{day:02}T{hour:02}:{minute:02}:{second:02}Z,{flag}");
}

fn json_line(at: u32, out: &mut String) {
    let _ = write!(out, "{{\"Id\":{at},\"Name\":\"file-{at}\",\"Size\":{},\"Path\":\"", size(at));
    push_path(at, out);
    let ratio = f64::from(at % 1_000) / 8.0;
    let (flag, tag, user) = (!at.is_multiple_of(3), at % 7, 1_000 + at % 5);
    let _ = write!(out, "\",\"Ratio\":{ratio:?},\"Flag\":{flag},\"Tags\":[\"a{tag}\",\"b\"],");
    let _ = writeln!(out, "\"Info\":{{\"Uid\":{user},\"Mode\":\"-rw-r--r--\"}}}}");
}

fn grow(root: &Path) -> Result<()> {
    for folder in 0..FOLDERS {
        let folder = root.join(format!("d{folder:03}"));
        fs::create_dir_all(&folder)?;
        for (file, ending) in (0..FILES).zip(ENDINGS.iter().cycle()) {
            fs::write(
                folder.join(format!("f{file:04}.{ending}")),
                &b"0123456789"[..(file % 10) as usize],
            )?;
        }
    }
    Ok(())
}

fn write_blob(path: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut block = Vec::with_capacity(1 << 16);
    let mut state = 1_u32;
    for _ in 0..(1 << 14) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        block.extend_from_slice(&state.to_le_bytes());
    }
    for at in 0..BLOB_BYTES / block.len() {
        block.splice(..8, (at as u64).to_le_bytes());
        out.write_all(&block)?;
    }
    Ok(out.flush()?)
}
