//! A notebook as one page of HTML, to be kept or sent: without scripts, and loading nothing.

use std::io::Write;

use askama::filters::{Escaper, Html};
use serde_json::{Map, Value, json};

use super::{NotebookError, drawing, html, seen};
use crate::actor::Actor;
use crate::limits::{EXPORT_COLUMNS, NOTEBOOK_PAGE_ROWS};
use crate::model::door::Door;
use crate::model::notebook::{Cell, CellKind, NotebookId};
use crate::store::server_event::Kind;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
    <meta name=\"color-scheme\" content=\"light dark\">\n<style>\nbody { font-family: sans-serif; margin: 2em auto; \
    max-width: 80em; } table { border-collapse: collapse; } th, td { border: 1px solid; padding: 0.2em 0.5em; \
    text-align: left; vertical-align: top; } pre { overflow-x: auto; } .drawing { margin: 1em 0; font-size: 0.75em; \
    fill: currentColor; } .drawing :is(.axis, .line) { fill: none; stroke: currentColor; }\n</style>\n";

/// Writes a notebook with what its cells yielded. Everything in it is escaped; of a long table the first rows are shown.
///
/// # Errors
/// The caller may not take results out or see the notebook, or the page cannot be written.
pub fn export(actor: &Actor, id: &NotebookId, mut output: impl Write) -> Result<(), NotebookError> {
    let record = actor.enter(Door::ExportNotebook, json!({"notebook_id": id}))?;
    let one = seen(actor, id, &record)?;
    actor.store().audit(record)?;
    writeln!(
        output,
        "{HEAD}<title>{0}</title>\n</head>\n<body>\n<h1>{0}</h1>",
        escaped(&one.name)
    )?;
    writeln!(output, "<p>{} · {}</p>", escaped(id.as_str()), escaped(&one.creator))?;
    if !one.description.is_empty() {
        writeln!(output, "<p>{}</p>", escaped(&one.description))?;
    }
    for cell in actor.store().cells(id)? {
        match cell.kind {
            CellKind::Markdown => output.write_all(html(&cell.input).as_bytes())?,
            CellKind::Vql => {
                writeln!(output, "<pre><code>{}</code></pre>", escaped(&cell.input))?;
                let rows = actor.store().cell_lines(cell.number, Kind::Rows);
                let drawn = if cell.rows > 0 { drawing(&cell.input, rows)? } else { None };
                output.write_all(drawn.unwrap_or_default().as_bytes())?;
                table(actor, &cell, &mut output)?;
            }
        }
    }
    output.write_all(b"</body>\n</html>\n")?;
    output.flush()?;
    Ok(())
}

fn table(actor: &Actor, cell: &Cell, output: &mut impl Write) -> Result<(), NotebookError> {
    if !cell.failure.is_empty() {
        writeln!(output, "<p>{}</p>", escaped(&cell.failure))?;
    }
    let rows = actor.store().cell_lines(cell.number, Kind::Rows).take(NOTEBOOK_PAGE_ROWS);
    let mut table: Vec<Map<String, Value>> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    for line in rows {
        let row: Map<String, Value> =
            serde_json::from_slice(&line?).map_err(crate::store::StoreError::from)?;
        for name in row.keys() {
            if columns.len() < EXPORT_COLUMNS && !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        table.push(row);
    }
    if table.is_empty() {
        return Ok(());
    }
    output.write_all(b"<table>\n<tr>")?;
    for name in &columns {
        write!(output, "<th>{}</th>", escaped(name))?;
    }
    output.write_all(b"</tr>\n")?;
    for row in &table {
        output.write_all(b"<tr>")?;
        for name in &columns {
            let shown = match row.get(name) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            write!(output, "<td>{}</td>", escaped(&shown))?;
        }
        output.write_all(b"</tr>\n")?;
    }
    output.write_all(b"</table>\n")?;
    let shown = u64::try_from(table.len()).unwrap_or(u64::MAX);
    if cell.rows > shown {
        writeln!(output, "<p>{shown} of {} rows</p>", cell.rows)?;
    }
    Ok(())
}

/// A text without anything that a browser would take for more than a text.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    // Writing to a String does not fail.
    let _ = Html.write_escaped_str(&mut safe, text);
    safe
}
