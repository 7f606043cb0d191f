//! Rows on the standard output, in one of four formats.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::limits::{TABLE_CELL_CHARS, TABLE_ROWS};

/// A row: columns in their order.
pub(super) type Row = Map<String, Value>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns, for people
    Table,
    /// One JSON array
    Json,
    /// One JSON object in each line
    Jsonl,
    /// Comma-separated values; the columns are those of the first row
    Csv,
}

/// Writes rows as they come. [`RowWriter::finish`] must be called, or the output is not complete.
pub(super) struct RowWriter<W: Write> {
    output: W,
    format: Format,
    columns: Vec<String>,
    waiting: Vec<Row>,
    written: u64,
}

impl<W: Write> RowWriter<W> {
    pub(super) fn new(output: W, format: Format) -> Self {
        Self { output, format, columns: Vec::new(), waiting: Vec::new(), written: 0 }
    }

    /// Writes one row.
    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        match self.format {
            Format::Json => {
                self.output.write_all(if self.written == 0 { b"[\n " } else { b",\n " })?;
                serde_json::to_writer(&mut self.output, &row)?;
            }
            Format::Jsonl => {
                serde_json::to_writer(&mut self.output, &row)?;
                self.output.write_all(b"\n")?;
            }
            Format::Csv => self.csv_row(&row)?,
            Format::Table => {
                self.waiting.push(row);
                if self.waiting.len() >= TABLE_ROWS {
                    self.table()?;
                }
            }
        }
        self.written += 1;
        Ok(())
    }

    /// Writes what is still to be written; returns how many rows there were.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        match self.format {
            Format::Json if self.written == 0 => self.output.write_all(b"[]\n")?,
            Format::Json => self.output.write_all(b"\n]\n")?,
            Format::Table => self.table()?,
            Format::Jsonl | Format::Csv => {}
        }
        self.output.flush()?;
        Ok(self.written)
    }

    fn csv_row(&mut self, row: &Row) -> io::Result<()> {
        if self.written == 0 {
            self.columns = row.keys().cloned().collect();
            self.csv_line(self.columns.clone())?;
        }
        let cells =
            self.columns.iter().map(|column| row.get(column).map_or_else(String::new, text));
        let cells = cells.collect();
        self.csv_line(cells)
    }

    /// RFC 4180 section 2.
    fn csv_line(&mut self, cells: Vec<String>) -> io::Result<()> {
        let quoted = cells.into_iter().map(|cell| {
            if cell.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        });
        let line = quoted.collect::<Vec<_>>().join(",");
        self.output.write_all(line.as_bytes())?;
        self.output.write_all(b"\r\n")
    }

    /// Writes the waiting rows as tables: one for each run of rows with the same columns.
    fn table(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        for alike in waiting.chunk_by(|a, b| a.keys().eq(b.keys())) {
            let columns: Vec<String> =
                alike.first().into_iter().flat_map(Map::keys).cloned().collect();
            let cells: Vec<Vec<String>> =
                alike.iter().map(|row| row.values().map(cell).collect()).collect();
            let width = |at: usize, name: &String| {
                let longest =
                    cells.iter().filter_map(|row| row.get(at)).map(|c| c.chars().count()).max();
                longest.unwrap_or_default().max(name.chars().count())
            };
            let widths: Vec<usize> =
                columns.iter().enumerate().map(|(at, name)| width(at, name)).collect();
            if self.columns != columns {
                self.table_line(&columns, &widths)?;
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                self.table_line(&rules, &widths)?;
                self.columns = columns;
            }
            for row in &cells {
                self.table_line(row, &widths)?;
            }
        }
        Ok(())
    }

    fn table_line(&mut self, cells: &[String], widths: &[usize]) -> io::Result<()> {
        let padded = cells.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        writeln!(self.output, "{}", line.trim_end())
    }
}

/// A value as text: strings as they are, everything else as JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value in a table: one line, printable, not too long. A terminal obeys control characters, and rows come from
/// machines that may be in other hands.
fn cell(value: &Value) -> String {
    let shown: String = text(value).chars().map(|c| if c.is_control() { '·' } else { c }).collect();
    match shown.char_indices().nth(TABLE_CELL_CHARS) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Format, RowWriter};

    fn written(format: Format, rows: &[Value]) -> String {
        let mut output = Vec::new();
        let mut writer = RowWriter::new(&mut output, format);
        for row in rows {
            writer.row(row.as_object().unwrap().clone()).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), rows.len() as u64);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn json_is_one_array() {
        let rows = [json!({"b": 1, "a": "x\ny"}), json!({"b": null})];
        let read: Value = serde_json::from_str(&written(Format::Json, &rows)).unwrap();
        assert_eq!(read, json!(rows));
        assert_eq!(written(Format::Json, &[]), "[]\n");
        assert_eq!(written(Format::Jsonl, &rows), "{\"b\":1,\"a\":\"x\\ny\"}\n{\"b\":null}\n");
    }

    #[test]
    fn csv_quotes_and_keeps_the_columns_of_the_first_row() {
        let rows = [json!({"b": 1, "a": "x,\"y\""}), json!({"a": [1], "c": 2})];
        assert_eq!(written(Format::Csv, &rows), "b,a\r\n1,\"x,\"\"y\"\"\"\r\n,[1]\r\n");
    }

    #[test]
    fn a_table_has_aligned_columns_and_no_control_characters() {
        let rows = [json!({"Name": "init", "Pid": 1}), json!({"Name": "e\u{1b}[31m", "Pid": 22})];
        let table = "Name    Pid\n------  ---\ninit    1\ne·[31m  22\n";
        assert_eq!(written(Format::Table, &rows), table);
    }

    #[test]
    fn long_cells_of_a_table_are_cut() {
        let table = written(Format::Table, &[json!({"A": "ä".repeat(61)})]);
        assert!(table.ends_with(&format!("\n{}…\n", "ä".repeat(60))), "{table}");
    }
}
