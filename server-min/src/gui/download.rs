//! Rows and files to save: never shown by a browser, under names that cannot do harm.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;

use super::fault::Fault;
use crate::export::{Columns, ExportError};
use crate::store::StoreError;
use crate::stream::{self, Pieces};

/// How somebody wants rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// A JSON object on each line, as they came.
    #[default]
    Jsonl,
    /// A table for spreadsheets, in which no cell is a formula.
    Csv,
}

/// All rows that `open` yields, as they are made. A CSV needs them twice, since its first line names every column.
pub(super) fn rows<I>(
    name: &str,
    format: Format,
    open: impl Fn() -> Result<I, StoreError> + Send + 'static,
) -> Result<Response, Fault>
where
    I: Iterator<Item = Result<Bytes, StoreError>>,
{
    let (kind, ending) = match format {
        Format::Jsonl => ("application/x-ndjson", "jsonl"),
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let body = stream::body(move |pieces: &Pieces| match format {
        Format::Jsonl => lines(open().map_err(std::io::Error::other)?, pieces),
        Format::Csv => table(&open, pieces).map_err(std::io::Error::other),
    });
    attachment(kind, &format!("{name}.{ending}"), body)
}

fn lines(
    rows: impl Iterator<Item = Result<Bytes, StoreError>>,
    pieces: &Pieces,
) -> std::io::Result<()> {
    for line in rows {
        let mut line = line.map_err(std::io::Error::other)?.to_vec();
        line.push(b'\n');
        pieces.send(line.into())?;
    }
    Ok(())
}

fn table<I: Iterator<Item = Result<Bytes, StoreError>>>(
    open: impl Fn() -> Result<I, StoreError>,
    pieces: &Pieces,
) -> Result<(), ExportError> {
    let mut columns = Columns::default();
    for row in open()? {
        columns.see(&row?)?;
    }
    let mut line = Vec::new();
    columns.head(&mut line)?;
    pieces.send(line.into())?;
    for row in open()? {
        let mut line = Vec::new();
        columns.line(&row?, &mut line)?;
        pieces.send(line.into())?;
    }
    Ok(())
}

/// Something to save and never to show. The name is what an agent said, in letters that cannot do harm.
pub(super) fn attachment(kind: &'static str, name: &str, body: Body) -> Result<Response, Fault> {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let sound: String = name.chars().map(|c| if is_sound(c) { c } else { '_' }).take(100).collect();
    let disposition = format!("attachment; filename=\"{}\"", sound.trim_start_matches('.'));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = HeaderValue::try_from(disposition).map_err(|_| Fault::Failed)?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_made_safe() {
        let name = "../..\"\r\n\u{202e}/.ssh/id";
        let response = attachment("text/plain", name, Body::empty()).unwrap();
        let value = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(value, "attachment; filename=\"_.._____.ssh_id\"");
    }
}
