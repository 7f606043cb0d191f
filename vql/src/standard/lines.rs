//! Plugins that read text files line by line or record by record.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::file::ACCESSOR;
use super::regex::{group, group_columns};
use super::stream::{Files, Stream};
use super::text::shown;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::{COLUMNS_MAX, LINE_LEN_DEFAULT, OVERLAP_DEFAULT};
use crate::pattern::{Case, Pattern};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Rows, Step};
use crate::value::{Columns, Row, Text, Value};

const BUFFER: Arg =
    Arg::optional("buffer_size", Kind::Int, "Longest line in bytes; the rest is cut off (65536).");

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "parse_lines",
        "Files line by line: `Line`.",
        &[Arg::required("filename", Kind::List, "The files."), ACCESSOR, BUFFER],
        |cx, _, args| {
            let files = Files::of(cx, &args, "filename")?;
            Ok(Box::new(Lines {
                files,
                columns: Columns::fixed(&["Line"]),
                len_max: buffer_size(cx, &args),
            }))
        },
    ),
    &Plugin::new(
        "parse_records_with_regex",
        "Every match of some patterns in files, with a column for each group.",
        &[
            Arg::required("file", Kind::List, "The files."),
            ACCESSOR,
            Arg::required(
                "regex",
                Kind::List,
                "The patterns; groups without names are called g1, g2, …",
            ),
            Arg::optional("buffer_size", Kind::Int, "Bytes that are looked at together (65536)."),
            Arg::optional(
                "overlap",
                Kind::Int,
                "Longest match, in bytes, that is found for sure (4096).",
            ),
        ],
        parse_records,
    ),
    &Plugin::new(
        "split_records",
        "Files record by record, each split at a pattern.",
        &[
            Arg::required("filenames", Kind::List, "The files."),
            ACCESSOR,
            Arg::required("regex", Kind::String, "What separates fields."),
            Arg::optional("columns", Kind::List, "Names of the fields (Column0, Column1, …)."),
            Arg::optional(
                "first_row_is_headers",
                Kind::Bool,
                "The first record has the names (false).",
            ),
            Arg::optional("count", Kind::Int, "Fields at most; the last one keeps the rest (all)."),
            Arg::optional(
                "record_regex",
                Kind::String,
                "What separates records (the end of a line).",
            ),
            BUFFER,
        ],
        split_records,
    ),
];

fn buffer_size(cx: &Context, args: &Args) -> usize {
    let wanted = args.int("buffer_size").and_then(|len| usize::try_from(len).ok());
    wanted.filter(|len| *len > 0).unwrap_or(LINE_LEN_DEFAULT).min(cx.budget.value_bytes)
}

struct Lines {
    files: Files,
    columns: Columns,
    len_max: usize,
}

impl Rows for Lines {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some((_, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        match stream.line(cx, self.len_max) {
            Ok(Some(line)) => {
                Ok(Step::Row(Row::new(&self.columns, alloc::vec![Value::Str(Text::from(line))])))
            }
            Ok(None) => self.files.leave(cx, None).map(|()| Step::Yield),
            Err(fault) => self.files.leave(cx, Some(fault)).map(|()| Step::Yield),
        }
    }
}

fn split_records(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let names: Vec<Text> = args
        .list("columns")
        .map_or(&[][..], |list| list)
        .iter()
        .map(|name| Text::from(shown(name).into_owned()))
        .collect();
    let empty = Text::default();
    let record = args.text("record_regex").filter(|text| !text.is_empty());
    Ok(Box::new(Records {
        files: Files::of(cx, &args, "filenames")?,
        separator: cx.pattern(args.text("regex").unwrap_or(&empty), Case::Ignored)?,
        record: record.map(|text| cx.pattern(text, Case::Ignored)).transpose()?,
        count: args
            .int("count")
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .unwrap_or(COLUMNS_MAX),
        wants_header: names.is_empty() && args.flag("first_row_is_headers"),
        columns: (!names.is_empty()).then(|| Columns::new(names)),
        len_max: buffer_size(cx, &args),
    }))
}

struct Records {
    files: Files,
    separator: Arc<Pattern>,
    record: Option<Arc<Pattern>>,
    count: usize,
    wants_header: bool,
    columns: Option<Columns>,
    len_max: usize,
}

impl Rows for Records {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some((_, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        let record = match &self.record {
            Some(pattern) => record(cx, stream, pattern, self.len_max),
            None => stream.line(cx, self.len_max),
        };
        let record = match record {
            Ok(Some(record)) => record,
            Ok(None) => return self.files.leave(cx, None).map(|()| Step::Yield),
            Err(fault) => return self.files.leave(cx, Some(fault)).map(|()| Step::Yield),
        };
        let fields = split(&self.separator, &record, self.count);
        if core::mem::take(&mut self.wants_header) {
            self.columns = Some(Columns::new(fields.into_iter().map(Text::from).collect()));
            return Ok(Step::Yield);
        }
        let columns = match &self.columns {
            Some(columns) => columns.clone(),
            None => numbered(fields.len()),
        };
        Ok(Step::Row(Row::new(&columns, fields.into_iter().map(Value::from).collect())))
    }
}

/// The bytes up to the next match of `pattern`; empty records are left out.
fn record(
    cx: &mut Context,
    stream: &mut Stream,
    pattern: &Pattern,
    len_max: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    loop {
        let ready = stream.ready();
        // A match at the very end could become longer with more text.
        let found = pattern
            .find_from(ready, 0)
            .filter(|found| !found.is_empty() && (found.end < ready.len() || stream.has_ended()));
        let is_full = ready.len() >= len_max;
        let (len, used) = match found {
            Some(found) => (found.start, found.end),
            None if stream.has_ended() || is_full => (ready.len(), ready.len()),
            None => {
                stream.more(cx)?;
                continue;
            }
        };
        if used == 0 {
            return Ok(None);
        }
        let record = ready.get(..len).unwrap_or_default().to_vec();
        stream.consume(used);
        if !record.is_empty() {
            return Ok(Some(record));
        }
    }
}

fn split<'a>(separator: &Pattern, record: &'a [u8], count: usize) -> Vec<&'a [u8]> {
    let mut fields = Vec::new();
    let (mut start, mut from) = (0, 0);
    while fields.len().saturating_add(1) < count
        && let Some(found) = separator.find_from(record, from)
    {
        from = found.end.max(from.saturating_add(usize::from(found.is_empty())));
        if found.is_empty() {
            if from > record.len() {
                break;
            }
            continue;
        }
        fields.push(record.get(start..found.start).unwrap_or_default());
        start = found.end;
    }
    fields.push(record.get(start..).unwrap_or_default());
    fields
}

fn numbered(count: usize) -> Columns {
    Columns::new((0..count).map(|at| Text::from(format!("Column{at}"))).collect())
}

fn parse_records(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let mut patterns = Vec::new();
    for text in args.list("regex").map_or(&[][..], |list| list) {
        let pattern = cx.pattern(&Text::from(shown(text).into_owned()), Case::Ignored)?;
        let columns = Columns::new(group_columns(&pattern));
        patterns.push((pattern, columns));
    }
    let overlap = args.int("overlap").and_then(|len| usize::try_from(len).ok());
    let window = buffer_size(cx, &args);
    Ok(Box::new(Matches {
        files: Files::of(cx, &args, "file")?,
        patterns,
        window,
        overlap: overlap.unwrap_or(OVERLAP_DEFAULT).min(window.div_euclid(2)),
        pattern: 0,
        from: 0,
    }))
}

/// Matches within a window that moves over each file. A match belongs to the window in whose first part it begins,
/// so it is reported once although windows overlap.
struct Matches {
    files: Files,
    patterns: Vec<(Arc<Pattern>, Columns)>,
    window: usize,
    overlap: usize,
    /// Which pattern is searched for, and from where in the window.
    pattern: usize,
    from: usize,
}

impl Rows for Matches {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        cx.charge(1)?;
        let Some((_, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        while stream.ready().len() < self.window && !stream.has_ended() {
            if let Err(fault) = stream.more(cx) {
                return self.files.leave(cx, Some(fault)).map(|()| Step::Yield);
            }
        }
        let text = stream.ready();
        let own_part =
            if stream.has_ended() { text.len() } else { text.len().saturating_sub(self.overlap) };
        let Some((pattern, columns)) = self.patterns.get(self.pattern) else {
            let is_last = stream.has_ended();
            stream.consume(own_part);
            (self.pattern, self.from) = (0, 0);
            if is_last {
                self.files.leave(cx, None)?;
            }
            return Ok(Step::Yield);
        };
        let found = pattern.captures_from(text, self.from);
        let whole = found.as_ref().and_then(|found| found.first().cloned().flatten());
        let (Some(found), Some(whole)) = (found, whole.filter(|whole| whole.start < own_part))
        else {
            self.pattern = self.pattern.saturating_add(1);
            self.from = 0;
            return Ok(Step::Yield);
        };
        self.from = whole.end.saturating_add(usize::from(whole.is_empty()));
        let groups = (1..=columns.names().len()).map(|at| Value::from(group(text, &found, at)));
        Ok(Step::Row(Row::new(columns, groups.collect())))
    }
}
