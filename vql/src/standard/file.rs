//! Plugins and functions that read files through accessors.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::hash::HASH;
use super::stream::{Files, path, read_span};
use super::text::bytes;
use crate::accessor::{FileInfo, FileKind, Reader, Upload, Uploader};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::READ_FILE_LEN_DEFAULT;
use crate::registry::{Arg, Function, Kind, Plugin};
use crate::rows::{Pull, Rows, Step};
use crate::value::{Columns, PathForm, Row, Text, Value};

pub(super) const ACCESSOR: Arg =
    Arg::optional("accessor", Kind::String, "How to reach the file (auto).");

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &HASH,
    &Function::new(
        "read_file",
        "The bytes of a file.",
        &[
            Arg::required("filename", Kind::Any, "The file."),
            ACCESSOR,
            Arg::optional("offset", Kind::Int, "The first byte (0)."),
            Arg::optional("length", Kind::Int, "Bytes at most (4194304)."),
        ],
        read_file,
    ),
    &Function::new(
        "stat",
        "What the file system says about a file; NULL if there is none.",
        &[Arg::required("filename", Kind::Any, "The file."), ACCESSOR],
        |cx, _, args| {
            let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
            let path = args.value("filename").map(path).unwrap_or_default();
            Ok(Value::from(row(&columns(), accessor.stat(cx, &path)?)))
        },
    ),
    &Function::new(
        "upload",
        "Sends a file to the server, and answers where it was stored and its hashes.",
        &[
            Arg::required("file", Kind::Any, "The file."),
            ACCESSOR,
            Arg::optional("name", Kind::Any, "The name under which to store it (its path)."),
            Arg::optional(
                "mtime",
                Kind::Any,
                "Accepted for compatibility; the file's own times are sent.",
            ),
            Arg::optional("atime", Kind::Any, "As mtime."),
            Arg::optional("ctime", Kind::Any, "As mtime."),
            Arg::optional("btime", Kind::Any, "As mtime."),
        ],
        upload,
    ),
];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "read_file",
        "Files in pieces: `Data`, `Offset` and `Filename`.",
        &[
            Arg::required("filenames", Kind::List, "The files."),
            ACCESSOR,
            Arg::optional("chunk", Kind::Int, "Bytes in one piece (4096)."),
            Arg::optional("max_length", Kind::Int, "Bytes at most of each file (all)."),
        ],
        read_pieces,
    ),
    &Plugin::new(
        "stat",
        "What the file system says about some files, one row for each.",
        &[Arg::required("filename", Kind::List, "The files."), ACCESSOR],
        stat_rows,
    ),
];

/// The columns of `glob()` and `stat()`.
pub(super) fn columns() -> Columns {
    Columns::fixed(&[
        "OSPath", "Name", "Size", "Mode", "Mtime", "Atime", "Ctime", "Btime", "IsDir", "IsLink",
        "Data",
    ])
}

/// A file as a row of `glob()` and `stat()`.
pub(super) fn row(columns: &Columns, info: FileInfo) -> Row {
    let mode = mode_text(&info);
    let is_directory = info.kind == FileKind::Directory;
    let is_link = info.kind == FileKind::Link;
    let data = match (info.link, info.data) {
        (Some(target), Value::Null) => Row::single("Link", Value::Str(target)).into(),
        (_, data) => data,
    };
    Row::new(
        columns,
        vec![
            Value::Str(marked(info.path)),
            Value::Str(info.name),
            Value::from(info.size),
            mode.into(),
            info.modified.into(),
            info.accessed.into(),
            info.changed.into(),
            info.born.into(),
            is_directory.into(),
            is_link.into(),
            data,
        ],
    )
}

/// A path of an accessor as what it is.
pub(super) fn marked(path: Text) -> Text {
    let form = if path.first() == Some(&b'{') { PathForm::Inside } else { PathForm::Slashes };
    path.into_path(form)
}

/// Kind and permissions as `ls -l` writes them: `drwxr-xr-x`.
fn mode_text(info: &FileInfo) -> String {
    // Hosts with POSIX modes also give the kind of a special file.
    let kind = match (info.mode & 0o170_000, info.kind) {
        (_, FileKind::Directory) => 'd',
        (_, FileKind::Link) => 'l',
        (_, FileKind::Regular) => '-',
        (0o010_000, FileKind::Special) => 'p',
        (0o140_000, FileKind::Special) => 's',
        (0o020_000, FileKind::Special) => 'c',
        (0o060_000, FileKind::Special) => 'b',
        (_, FileKind::Special) => '?',
    };
    let mut text = String::from(kind);
    for (read, special, letter) in
        [(0o400, 0o4000, 's'), (0o040, 0o2000, 's'), (0o004, 0o1000, 't')]
    {
        let has = |bit: u32| info.mode & bit != 0;
        let (write, execute): (u32, u32) = (read >> 1, read >> 2);
        text.push(if has(read) { 'r' } else { '-' });
        text.push(if has(write) { 'w' } else { '-' });
        text.push(match (has(special), has(execute)) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

fn stat_rows(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let mut paths = args.list("filename").map_or_else(Vec::new, |list| list.to_vec()).into_iter();
    let columns = columns();
    Ok(Box::new(Pull::new(move |cx: &mut Context| {
        for value in paths.by_ref() {
            match accessor.stat(cx, &path(&value)) {
                Ok(info) => return Ok(Some(row(&columns, info))),
                Err(fault) => cx.report(args.callee(), fault)?,
            }
        }
        Ok(None)
    })))
}

/// The file that the argument `name` names, through the accessor that is asked for.
pub(super) fn opened(cx: &mut Context, args: &Args, name: &str) -> Result<Box<dyn Reader>, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    accessor.open(cx, &args.value(name).map(path).unwrap_or_default())
}

fn read_file(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut reader = opened(cx, args, "filename")?;
    let number = |name| args.int(name).and_then(|number| usize::try_from(number).ok());
    let len = number("length").unwrap_or(READ_FILE_LEN_DEFAULT).min(cx.budget.value_bytes);
    let offset = args.int("offset").and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
    Ok(Value::from(read_span(cx, &mut *reader, offset, len)?))
}

fn read_pieces(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let number = |name| args.int(name).and_then(|number| usize::try_from(number).ok());
    let chunk = number("chunk").unwrap_or(4096).clamp(1, cx.budget.value_bytes.max(1));
    Ok(Box::new(Pieces {
        files: Files::of(cx, &args, "filenames")?,
        columns: Columns::fixed(&["Data", "Offset", "Filename"]),
        chunk,
        max: number("max_length").unwrap_or(usize::MAX),
        offset: 0,
    }))
}

struct Pieces {
    files: Files,
    columns: Columns,
    chunk: usize,
    max: usize,
    offset: usize,
}

impl Rows for Pieces {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some((path, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        let wanted = self.chunk.min(self.max.saturating_sub(self.offset));
        let mut fault = None;
        while stream.ready().len() < wanted && !stream.has_ended() {
            if let Err(why) = stream.more(cx) {
                fault = Some(why);
                break;
            }
        }
        let data = stream.ready().get(..wanted).unwrap_or_else(|| stream.ready());
        if data.is_empty() || fault.is_some() {
            self.offset = 0;
            self.files.leave(cx, fault)?;
            return Ok(Step::Yield);
        }
        let values = vec![Value::from(data), Value::from(self.offset), Value::Str(path.clone())];
        let len = data.len();
        stream.consume(len);
        self.offset = self.offset.saturating_add(len);
        Ok(Step::Row(Row::new(&self.columns, values)))
    }
}

fn upload(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let uploader = cx
        .extension::<Box<dyn Uploader>>()
        .ok_or_else(|| Fault::note("there is nowhere to upload to"))?;
    let accessor_name = match bytes(args, "accessor") {
        b"" => String::from("auto"),
        name => String::from_utf8_lossy(name).into_owned(),
    };
    let accessor = cx.accessor(&accessor_name)?;
    let file = args.value("file").map(path).unwrap_or_default();
    let mut reader = accessor.open(cx, &file)?;
    // What the accessor cannot describe is sent all the same.
    let info = accessor
        .stat(cx, &file)
        .unwrap_or_else(|_| FileInfo { path: file.clone(), ..FileInfo::default() });
    let name = args.value("name").filter(|name| !name.is_null()).map_or(file, path);
    uploader.upload(cx, Upload { reader: &mut *reader, name, accessor: accessor_name, info })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_like_ls() {
        let text = |kind, mode| mode_text(&FileInfo { kind, mode, ..FileInfo::default() });
        assert_eq!(text(FileKind::Regular, 0o100_644), "-rw-r--r--");
        assert_eq!(text(FileKind::Directory, 0o040_755), "drwxr-xr-x");
        assert_eq!(text(FileKind::Link, 0o120_777), "lrwxrwxrwx");
        assert_eq!(text(FileKind::Directory, 0o041_777), "drwxrwxrwt");
        assert_eq!(text(FileKind::Regular, 0o104_755), "-rwsr-xr-x");
        assert_eq!(text(FileKind::Regular, 0o102_644), "-rw-r-Sr--");
    }
}
