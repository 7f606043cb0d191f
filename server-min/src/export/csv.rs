//! Rows as comma-separated values (RFC 4180), for tables whose rows need not have the same columns.

use std::collections::HashSet;
use std::io::{self, Write};

use serde_json::{Map, Value};

use super::ExportError;
use crate::limits;

/// The columns of a table, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: Vec<String>,
    known: HashSet<String>,
}

impl Columns {
    /// Takes note of the columns of a row. Columns beyond [`limits::EXPORT_COLUMNS`] are in the JSON lines only.
    pub(crate) fn see(&mut self, row: &[u8]) -> Result<(), ExportError> {
        let row: Map<String, Value> = serde_json::from_slice(row)?;
        for name in row.keys() {
            if self.names.len() < limits::EXPORT_COLUMNS && !self.known.contains(name) {
                self.known.insert(name.clone());
                self.names.push(name.clone());
            }
        }
        Ok(())
    }

    /// Writes the line with their names.
    pub(crate) fn head(&self, output: &mut impl Write) -> Result<(), ExportError> {
        let names: Vec<String> =
            self.names.iter().map(|name| text(&Value::String(name.clone()))).collect();
        Ok(line(names.iter().map(String::as_str), output)?)
    }

    /// Writes a row.
    pub(crate) fn line(&self, row: &[u8], output: &mut impl Write) -> Result<(), ExportError> {
        let row: Map<String, Value> = serde_json::from_slice(row)?;
        let cells: Vec<String> =
            self.names.iter().map(|name| row.get(name).map_or_else(String::new, text)).collect();
        Ok(line(cells.iter().map(String::as_str), output)?)
    }
}

/// Strings as they are, everything else as JSON. A string that a spreadsheet would calculate begins with an apostrophe,
/// which makes it a text there; the JSON lines have it unchanged.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if is_formula(text) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_formula(text: &str) -> bool {
    let is_number = text.parse::<f64>().is_ok();
    text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, output: &mut impl Write) -> io::Result<()> {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            output.write_all(b",")?;
        }
        if cell.contains(['"', ',', '\n', '\r']) {
            write!(output, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            output.write_all(cell.as_bytes())?;
        }
    }
    output.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_any_row_is_there() {
        let rows = [r#"{"a":1,"b":"x,\"y\""}"#, r#"{"c":[1],"a":null}"#];
        let mut columns = Columns::default();
        let mut output = Vec::new();
        rows.iter().for_each(|row| columns.see(row.as_bytes()).unwrap());
        columns.head(&mut output).unwrap();
        rows.iter().for_each(|row| columns.line(row.as_bytes(), &mut output).unwrap());
        let expected = "a,b,c\r\n1,\"x,\"\"y\"\"\",\r\n,,[1]\r\n";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }

    #[test]
    fn nothing_is_a_formula_in_a_spreadsheet() {
        let row = r#"{"=a":"=1+1","b":"-5","c":"-5+x","d":"@SUM(A1)","e":-5,"f":"\tx","g":"+1"}"#;
        let mut columns = Columns::default();
        let mut output = Vec::new();
        columns.see(row.as_bytes()).unwrap();
        columns.head(&mut output).unwrap();
        columns.line(row.as_bytes(), &mut output).unwrap();
        let expected = "'=a,b,c,d,e,f,g\r\n'=1+1,-5,'-5+x,'@SUM(A1),-5,'\tx,+1\r\n";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}
