//! `parse_csv()`: comma-separated values by RFC 4180, record by record.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::file::ACCESSOR;
use super::json;
use super::stream::{Files, Stream};
use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::{COLUMNS_MAX, CSV_RECORD_LEN_MAX};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Rows, Step};
use crate::value::{Columns, Row, Text, Value};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "parse_csv",
    "Files of comma-separated values, a row for each record; the first record has the names.",
    &[
        Arg::required(
            "filename",
            Kind::List,
            "The files, or the text itself with the accessor `data`.",
        ),
        ACCESSOR,
        Arg::optional(
            "auto_headers",
            Kind::Bool,
            "There are no names; call them Column0, Column1, … (false).",
        ),
        Arg::optional("separator", Kind::String, "What separates fields (,)."),
        Arg::optional("comment", Kind::String, "What begins a comment line (nothing)."),
        Arg::optional("columns", Kind::List, "The names, if the file does not have them."),
    ],
    parse_csv,
)];

fn parse_csv(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let names: Vec<Text> = args
        .list("columns")
        .map_or(&[][..], |list| list)
        .iter()
        .map(|name| Text::from(shown(name).into_owned()))
        .collect();
    let header = match (names.is_empty(), args.flag("auto_headers")) {
        (false, _) => Header::Given(Columns::new(names)),
        (true, true) => Header::Numbered,
        (true, false) => Header::FirstRecord,
    };
    let mut syntax = ReaderBuilder::new();
    if let Some(separator) = bytes(&args, "separator").first() {
        syntax.delimiter(*separator);
    }
    syntax.comment(bytes(&args, "comment").first().copied());
    let files = Files::of(cx, &args, "filename")?;
    Ok(Box::new(Csv { files, reader: syntax.build(), syntax, header, columns: None }))
}

enum Header {
    /// The call has the names.
    Given(Columns),
    /// The file has the names.
    FirstRecord,
    /// Nobody has.
    Numbered,
}

struct Csv {
    files: Files,
    syntax: ReaderBuilder,
    reader: Reader,
    header: Header,
    columns: Option<Columns>,
}

impl Rows for Csv {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let Some((_, stream)) = self.files.current(cx)? else { return Ok(Step::End) };
        let fields = match record(cx, stream, &mut self.reader) {
            Ok(Some(fields)) => fields,
            read => {
                self.reader = self.syntax.build();
                self.columns = None;
                return self.files.leave(cx, read.err()).map(|()| Step::Yield);
            }
        };
        let Some(columns) = &self.columns else {
            let columns = match &self.header {
                Header::Given(columns) => columns.clone(),
                Header::Numbered => Columns::new(
                    (0..fields.len()).map(|at| Text::from(format!("Column{at}"))).collect(),
                ),
                Header::FirstRecord => {
                    let names = fields.into_iter().map(|name| Text::from(without_mark(name)));
                    self.columns = Some(Columns::new(names.collect()));
                    return Ok(Step::Yield);
                }
            };
            self.columns = Some(columns.clone());
            return Ok(Step::Row(Row::new(&columns, fields.into_iter().map(typed).collect())));
        };
        Ok(Step::Row(Row::new(columns, fields.into_iter().map(typed).collect())))
    }
}

/// The fields of the next record; nothing at the end.
fn record(
    cx: &mut Context,
    stream: &mut Stream,
    reader: &mut Reader,
) -> Result<Option<Vec<Vec<u8>>>, Fault> {
    let mut text = vec![0; 1024];
    let mut ends = vec![0; 16];
    let (mut text_len, mut ends_len) = (0_usize, 0_usize);
    loop {
        if stream.ready().is_empty() && !stream.has_ended() {
            stream.more(cx)?;
        }
        let free_text = text.get_mut(text_len..).unwrap_or_default();
        let free_ends = ends.get_mut(ends_len..).unwrap_or_default();
        let (result, read, written, ended) =
            reader.read_record(stream.ready(), free_text, free_ends);
        stream.consume(read);
        text_len = text_len.saturating_add(written);
        ends_len = ends_len.saturating_add(ended);
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull if text.len() < CSV_RECORD_LEN_MAX => {
                text.resize(text.len().saturating_mul(2), 0);
            }
            ReadRecordResult::OutputEndsFull if ends.len() < COLUMNS_MAX => {
                ends.resize(ends.len().saturating_mul(2), 0);
            }
            ReadRecordResult::OutputFull => {
                return Err(Fault::note(format!(
                    "record has more than {CSV_RECORD_LEN_MAX} bytes"
                )));
            }
            ReadRecordResult::OutputEndsFull => {
                return Err(Fault::note(format!("record has more than {COLUMNS_MAX} fields")));
            }
            ReadRecordResult::End => return Ok(None),
            ReadRecordResult::Record => break,
        }
    }
    let mut start = 0;
    let fields = ends.iter().take(ends_len).map(|end| {
        let field = text.get(start..*end).unwrap_or_default().to_vec();
        start = *end;
        field
    });
    Ok(Some(fields.collect()))
}

/// Spreadsheets write a byte order mark before the first name.
fn without_mark(name: Vec<u8>) -> Vec<u8> {
    match name.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) => rest.to_vec(),
        None => name,
    }
}

/// Numbers, lists and dicts are written without quotes in CSV, so they are recognised by their form.
fn typed(field: Vec<u8>) -> Value {
    let is_number = field.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
    // A leading zero is part of a code, such as a telephone number.
    let is_code = matches!(field.as_slice(), [b'0', next, ..] if next.is_ascii_digit());
    let is_structure = matches!(field.first(), Some(b'{' | b'['));
    if ((is_number && !is_code) || is_structure)
        && let Ok(value) = json::parse(&field)
    {
        return value;
    }
    Value::from(field)
}
