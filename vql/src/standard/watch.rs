//! Event plugins that follow growing files: `watch_syslog()` and `watch_jsonl()`.
//!
//! Files are looked at again and again, which works with every accessor. A file that became shorter, or that is another file
//! under the same name, was rotated and is read from its beginning; what was appended to the old one since the
//! last look is then lost.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use super::file::ACCESSOR;
use super::file::marked;
use super::json;
use super::stream::path;
use crate::accessor::Accessor;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::limits::{JSON_LINE_LEN_MAX, READ_LEN, WATCH_PERIOD, WATCHED_FILES_MAX};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Rows, Step};
use crate::value::{Columns, Instant, Row, Text, Value};

const ARGS: &[Arg] = &[
    Arg::required("filename", Kind::List, "The files."),
    ACCESSOR,
    Arg::optional(
        "buffer_size",
        Kind::Int,
        "Accepted for compatibility; lines have at most 1 MiB.",
    ),
];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "watch_syslog",
        "Lines that are appended to files from now on: `OSPath` and `Line`.",
        ARGS,
        |cx, _, args| open(cx, &args, Form::Line),
    ),
    &Plugin::new(
        "watch_auditd",
        "The same as watch_syslog(): records of the audit log come as their lines.",
        ARGS,
        |cx, _, args| open(cx, &args, Form::Line),
    ),
    &Plugin::new(
        "watch_jsonl",
        "Objects that are appended to JSONL files from now on, as rows.",
        ARGS,
        |cx, _, args| open(cx, &args, Form::Object),
    ),
];

/// What a line becomes.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Form {
    Line,
    Object,
}

fn open(cx: &mut Context, args: &Args, form: Form) -> Result<Box<dyn Rows>, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let mut files = Vec::new();
    for name in args.list("filename").map_or(&[][..], |list| list) {
        if files.len() >= WATCHED_FILES_MAX {
            let text = alloc::format!("more than {WATCHED_FILES_MAX} files to watch");
            return Err(Fault::error(text));
        }
        files.push(Followed::now(cx, &*accessor, path(name)));
    }
    let columns = Columns::fixed(&["OSPath", "Line"]);
    Ok(Box::new(Watch { accessor, files, form, columns, at: 0, due: Instant::default() }))
}

struct Watch {
    accessor: Arc<dyn Accessor>,
    files: Vec<Followed>,
    form: Form,
    columns: Columns,
    /// The file that is looked at next.
    at: usize,
    /// When the next round of looks begins.
    due: Instant,
}

/// How far a file was read.
struct Followed {
    path: Text,
    offset: u64,
    identity: Option<(u64, u64)>,
    /// Read and not yet given out.
    buffer: Vec<u8>,
    used: usize,
    /// The line that is being read is longer than what is kept.
    is_cut: bool,
}

impl Rows for Watch {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            let Some(file) = self.files.get_mut(self.at) else {
                if self.files.is_empty() {
                    return Ok(Step::End);
                }
                self.at = 0;
                self.due = cx.instant().after(WATCH_PERIOD);
                return Ok(Step::Pending(self.due));
            };
            if self.at == 0 && file.used == 0 && cx.instant() < self.due {
                return Ok(Step::Pending(self.due));
            }
            while let Some(line) = file.line() {
                cx.charge(1)?;
                match self.form {
                    Form::Line => {
                        let values = vec![Value::Str(marked(file.path.clone())), Value::from(line)];
                        return Ok(Step::Row(Row::new(&self.columns, values)));
                    }
                    Form::Object => {
                        // What is no object is a line of somebody else.
                        if let Ok(Value::Dict(row)) = json::parse(&line) {
                            return Ok(Step::Row(row));
                        }
                    }
                }
            }
            match file.more(cx, &*self.accessor) {
                Ok(true) => {}
                // A file that is gone for a moment is being rotated.
                Err(fault) if fault.stop().is_some() => return Err(fault),
                Ok(false) | Err(_) => self.at = self.at.saturating_add(1),
            }
            if cx.is_out_of_fuel() {
                return Ok(Step::Yield);
            }
        }
    }
}

impl Followed {
    /// The file from its present end on; from its beginning if it is not there yet.
    fn now(cx: &mut Context, accessor: &dyn Accessor, path: Text) -> Self {
        let info = accessor.follow(cx, &path).unwrap_or_default();
        Self {
            path,
            offset: info.size,
            identity: info.identity,
            buffer: Vec::new(),
            used: 0,
            is_cut: false,
        }
    }

    /// The next whole line without its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            let ready = self.buffer.get(self.used..).unwrap_or_default();
            let Some(end) = ready.iter().position(|byte| *byte == b'\n') else {
                if ready.len() >= JSON_LINE_LEN_MAX {
                    self.is_cut = true;
                    self.buffer.clear();
                }
                self.buffer.drain(..self.used.min(self.buffer.len()));
                self.used = 0;
                return None;
            };
            let mut line = ready.get(..end).unwrap_or_default().to_vec();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.used = self.used.saturating_add(end).saturating_add(1);
            // The rest of a line that was too long is none.
            if !mem::take(&mut self.is_cut) {
                return Some(line);
            }
        }
    }

    /// Reads what was appended; false if there is nothing.
    fn more(&mut self, cx: &mut Context, accessor: &dyn Accessor) -> Result<bool, Fault> {
        let info = accessor.follow(cx, &self.path)?;
        if info.size < self.offset || info.identity != self.identity {
            self.offset = 0;
            self.identity = info.identity;
            self.buffer.clear();
            self.used = 0;
        }
        if info.size == self.offset {
            return Ok(false);
        }
        let mut reader = accessor.open(cx, &self.path)?;
        let len = self.buffer.len();
        self.buffer.resize(len.saturating_add(READ_LEN), 0);
        let read = reader.read_at(self.offset, self.buffer.get_mut(len..).unwrap_or_default());
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(len.saturating_add(count));
        self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(read? > 0)
    }
}
