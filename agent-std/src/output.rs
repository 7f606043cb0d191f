//! Rows as text for people and programs: table, JSON, JSONL, CSV.
//!
//! A table shows control characters as escapes, since a file name may hold sequences that a terminal obeys.

use std::io::{self, Write};

use clap::ValueEnum;
use troodon_vql::{Columns, Row, Text, Value, json};

use crate::limits::{TABLE_CELL_LEN_MAX, TABLE_ROWS_TOGETHER};

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// One array of objects.
    Json,
    /// An object in each line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
}

/// Writes rows as they come, holding at most a screenful of them.
#[derive(Debug)]
pub struct Printer<W: Write> {
    out: W,
    format: Format,
    rows: u64,
    header: Vec<Text>,
    /// Cells of table rows that wait for the widths of their columns.
    waiting: Vec<Vec<String>>,
    /// Widths of the table's columns; empty until its header is written.
    widths: Vec<usize>,
}

impl<W: Write> Printer<W> {
    /// A printer onto `out`.
    pub const fn new(out: W, format: Format) -> Self {
        Self { out, format, rows: 0, header: Vec::new(), waiting: Vec::new(), widths: Vec::new() }
    }

    /// Writes a row.
    ///
    /// # Errors
    ///
    /// When the output refuses it, for instance because its reader is gone.
    pub fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows += 1;
        match self.format {
            Format::Table => self.table_row(row),
            Format::Csv => self.csv_row(row),
            Format::Json => {
                let mut line = Vec::from(if self.rows == 1 { "[\n " } else { ",\n " });
                json::write_row(row, &mut line);
                self.out.write_all(&line)
            }
            Format::Jsonl => {
                let mut line = Vec::new();
                json::write_line(row, &mut line);
                self.out.write_all(&line)
            }
        }
    }

    /// Writes what waits, so that rows of an event query do not stay behind.
    ///
    /// # Errors
    ///
    /// As [`Self::row`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.write_waiting()?;
        self.send()
    }

    /// Hands over what is written, but no rows that still wait for their columns' widths.
    ///
    /// # Errors
    ///
    /// As [`Self::row`].
    pub fn send(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes the end.
    ///
    /// # Errors
    ///
    /// As [`Self::row`].
    pub fn finish(mut self) -> io::Result<()> {
        self.write_waiting()?;
        if self.format == Format::Json {
            self.out.write_all(if self.rows == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }

    /// Begins a header when the columns are others than those before.
    fn begins(&mut self, columns: &Columns) -> bool {
        let is_new = self.header != columns.names();
        if is_new {
            self.header = columns.names().to_vec();
        }
        is_new
    }

    fn csv_row(&mut self, row: &Row) -> io::Result<()> {
        let mut line = Vec::new();
        if self.begins(row.columns()) {
            if self.rows > 1 {
                line.push(b'\n');
            }
            csv_line(self.header.iter().map(Text::as_bytes), &mut line);
        }
        let cells: Vec<Vec<u8>> = row.values().iter().map(plain).collect();
        csv_line(cells.iter().map(Vec::as_slice), &mut line);
        self.out.write_all(&line)
    }

    fn table_row(&mut self, row: &Row) -> io::Result<()> {
        if self.header != row.columns().names() {
            self.write_waiting()?;
            if self.rows > 1 {
                self.out.write_all(b"\n")?;
            }
            self.begins(row.columns());
            self.widths.clear();
        }
        self.waiting.push(row.values().iter().map(|value| cell(&plain(value))).collect());
        if self.waiting.len() >= TABLE_ROWS_TOGETHER || !self.widths.is_empty() {
            self.write_waiting()?;
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        if rows.is_empty() {
            return Ok(());
        }
        if self.widths.is_empty() {
            let header: Vec<String> = self.header.iter().map(|name| cell(name)).collect();
            self.widths = header.iter().map(|name| width(name)).collect();
            for row in &rows {
                for (widest, text) in self.widths.iter_mut().zip(row) {
                    *widest = (*widest).max(width(text));
                }
            }
            let line: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
            self.table_line(&header)?;
            self.table_line(&line)?;
        }
        rows.iter().try_for_each(|row| self.table_line(row))
    }

    fn table_line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for (text, widest) in cells.iter().zip(&self.widths) {
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', widest.saturating_sub(width(text)) + 2));
        }
        writeln!(self.out, "{}", line.trim_end())
    }
}

fn plain(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => Vec::new(),
        Value::Str(text) => text.to_vec(),
        Value::Time(time) => time.to_string().into_bytes(),
        other => json::to_string(other).into_bytes(),
    }
}

/// A cell of a table: no control characters, not too long.
fn cell(text: &[u8]) -> String {
    let mut out = String::new();
    for (at, letter) in String::from_utf8_lossy(text).chars().enumerate() {
        if at >= TABLE_CELL_LEN_MAX {
            out.push('…');
            break;
        }
        if letter.is_control() || is_bidirectional(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Letters that make a terminal show text in another order than it is.
const fn is_bidirectional(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn csv_line<'a>(cells: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for (at, text) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if text.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            out.push(b'"');
            for byte in text {
                out.extend_from_slice(if *byte == b'"' {
                    b"\"\""
                } else {
                    std::slice::from_ref(byte)
                });
            }
            out.push(b'"');
        } else {
            out.extend_from_slice(text);
        }
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, rows: &[Row]) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, format);
        rows.iter().for_each(|row| printer.row(row).unwrap());
        printer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn row(name: &str, size: i64) -> Row {
        let columns = Columns::fixed(&["Name", "Size"]);
        Row::new(&columns, vec![name.into(), size.into()])
    }

    #[test]
    fn a_table_is_aligned_and_shows_no_control_characters() {
        let text = printed(Format::Table, &[row("a\x1b[31m\u{202e}", 1), row("bcd", 22)]);
        assert_eq!(
            text,
            "Name                  Size\n\
             --------------------  ----\n\
             a\\u{1b}[31m\\u{202e}  1\n\
             bcd                   22\n"
                .replace("--------------------", "-".repeat(19).as_str())
                .replace("Name                  ", "Name                 ")
                .replace("bcd                   ", "bcd                  ")
        );
    }

    #[test]
    fn json_is_one_array_even_without_rows() {
        assert_eq!(printed(Format::Json, &[]), "[]\n");
        let text = printed(Format::Json, &[row("a", 1), row("b", 2)]);
        assert_eq!(text, "[\n {\"Name\":\"a\",\"Size\":1},\n {\"Name\":\"b\",\"Size\":2}\n]\n");
    }

    #[test]
    fn csv_quotes_what_needs_it_and_has_a_header_for_each_kind_of_row() {
        let rows = [row("a,\"b\"", 1), Row::single("X", Value::Null)];
        assert_eq!(printed(Format::Csv, &rows), "Name,Size\n\"a,\"\"b\"\"\",1\n\nX\n\n");
    }
}
