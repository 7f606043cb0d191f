//! Files that queries make: `tempfile()`, `tempdir()`, `copy()` and `rm()`.
//!
//! Temporary ones are made with names that nobody can guess and exclusively, so that no link of another user is followed,
//! and are removed with the session.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::{TempDir, TempPath};
use troodon_vql::standard::path_of;
use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Scope, Text, Value,
};

use crate::accessor::{as_path, to_path};
use crate::limits::{COPY_LEN_MAX, TEMPORARY_FILES_MAX, UPLOAD_READ_LEN};

const WRITE: &[Permission] = &[Permission::FilesystemWrite];

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "tempfile",
        "Makes a file that lives as long as the query, and answers its path.",
        &[
            Arg::optional("data", Kind::List, "What to write into it, one piece after the other."),
            Arg::optional("extension", Kind::String, "The end of its name, such as .exe."),
            Arg::optional("permissions", Kind::String, "`x` lets the agent's user run it (no)."),
            Arg::optional(
                "remove_last",
                Kind::Bool,
                "Accepted for compatibility; files go when the session ends.",
            ),
        ],
        temporary_file,
    )
    .needs(WRITE)
    .on(Availability::Linux),
    &Function::new(
        "tempdir",
        "Makes a directory that lives as long as the query, and answers its path.",
        &[Arg::optional("remove_last", Kind::Bool, "Accepted for compatibility; see tempfile().")],
        temporary_directory,
    )
    .needs(WRITE)
    .on(Availability::Linux),
    &Function::new(
        "rm",
        "Removes a file, a link or an empty directory; true if it is gone.",
        &[Arg::required("filename", Kind::String, "The path.")],
        remove,
    )
    .needs(WRITE)
    .on(Availability::Linux),
    &Function::new(
        "copy",
        "Copies a file into the file system, and answers the new path.",
        &[
            Arg::required("filename", Kind::Any, "The file."),
            Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
            Arg::required("dest", Kind::String, "Where to write; a link there is not followed."),
            Arg::optional("permissions", Kind::String, "`x` lets the agent's user run it (no)."),
            Arg::optional(
                "dir_permissions",
                Kind::String,
                "Accepted for compatibility; directories are the agent's alone.",
            ),
            Arg::optional("append", Kind::Bool, "Write behind what is there (replace it)."),
            Arg::optional("create_directories", Kind::Bool, "Make missing directories (no)."),
        ],
        copy,
    )
    .needs(&[Permission::FilesystemWrite, Permission::FilesystemRead])
    .on(Availability::Linux),
];

/// What a session made; removed when it is dropped.
#[derive(Default)]
struct Temporary {
    files: Vec<TempPath>,
    directories: Vec<TempDir>,
}

impl Temporary {
    fn has_room(&self) -> Result<(), Fault> {
        if self.files.len().saturating_add(self.directories.len()) < TEMPORARY_FILES_MAX {
            return Ok(());
        }
        Err(Fault::error(format!("a query may have {TEMPORARY_FILES_MAX} temporary files")))
    }
}

fn temporary_file(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let suffix = args.string("extension").unwrap_or_default();
    if suffix.contains(['/', '\0']) {
        return Err(Fault::error("extension should not contain a slash"));
    }
    with_temporary(cx, |temporary| {
        let mode = fs::Permissions::from_mode(mode(args));
        let mut file = tempfile::Builder::new()
            .prefix("tmp")
            .suffix(&suffix)
            .permissions(mode)
            .tempfile()
            .map_err(|why| Fault::note(why.to_string()))?;
        for piece in args.list("data").map_or(&[][..], |list| list) {
            let written = file.write_all(&path_of(piece));
            written.map_err(|why| Fault::note(format!("{}: {why}", file.path().display())))?;
        }
        let path = file.into_temp_path();
        let text = Value::from(path.as_os_str().as_bytes());
        temporary.files.push(path);
        Ok(text)
    })
}

fn temporary_directory(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    with_temporary(cx, |temporary| {
        let directory = tempfile::Builder::new()
            .prefix("tmp")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|why| Fault::note(why.to_string()))?;
        let text = Value::from(directory.path().as_os_str().as_bytes());
        temporary.directories.push(directory);
        Ok(text)
    })
}

fn with_temporary(
    cx: &mut Context,
    make: impl FnOnce(&mut Temporary) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let mut temporary = cx.take_state::<Temporary>();
    let made = temporary.has_room().and_then(|()| make(&mut temporary));
    cx.keep_state(temporary);
    made
}

/// Permission bits of a file that is made.
fn mode(args: &Args) -> u32 {
    if args.text("permissions").is_some_and(|text| text.contains(&b'x')) { 0o700 } else { 0o600 }
}

fn remove(_: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let text = args.text("filename").cloned().unwrap_or_default();
    let path = as_path(&text);
    let is_directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_directory { fs::remove_dir(path) } else { fs::remove_file(path) };
    removed.map_err(|why| Fault::note(format!("{text}: {why}")))?;
    Ok(true.into())
}

fn copy(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let source = args.value("filename").map(path_of).unwrap_or_default();
    // Opened first, so that a missing source leaves no empty copy.
    let mut reader = accessor.open(cx, &source)?;
    let text = args.text("dest").cloned().unwrap_or_default();
    let dest = to_path(&text);
    let mut file = target(&dest, args).map_err(|why| Fault::note(format!("{text}: {why}")))?;
    let mut piece = vec![0; UPLOAD_READ_LEN];
    let mut offset = 0_u64;
    loop {
        let count = reader.read_at(offset, &mut piece)?;
        let data = piece.get(..count).unwrap_or_default();
        if data.is_empty() {
            return Ok(Value::Str(text));
        }
        offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if offset > COPY_LEN_MAX {
            return Err(Fault::error(format!("{source}: more than {COPY_LEN_MAX} bytes")));
        }
        cx.charge(u64::try_from(count / 1024).unwrap_or(0).saturating_add(1))?;
        file.write_all(data).map_err(|why| Fault::note(format!("{text}: {why}")))?;
    }
}

/// Opens the file to copy to. What is no regular file is refused: writing to a device acts.
fn target(dest: &Path, args: &Args) -> std::io::Result<File> {
    if let Some(folder) = dest.parent().filter(|_| args.flag("create_directories")) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    open_target(dest, mode(args), args.flag("append"))
}

/// Opens a file for writing, made with `mode` if it is missing; a link or something special is refused.
pub(super) fn open_target(dest: &Path, mode: u32, append: bool) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .write(true)
        .append(append)
        .create(true)
        .mode(mode)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(dest)?;
    if !file.metadata()?.is_file() {
        let text = "is not a regular file";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    if !append {
        file.set_len(0)?;
    }
    Ok(file)
}

/// The path that an argument names.
pub(super) fn path_argument(args: &Args, name: &str) -> (Text, PathBuf) {
    let text = args.value(name).map(path_of).unwrap_or_default();
    let path = to_path(&text);
    (text, path)
}
