//! `write_csv()` and `write_jsonl()`: rows of a query into a file, and on to whoever asked.

use std::fs::File;
use std::io::BufWriter;

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Kind, Permission, Plugin, RowSource, Rows, Scope,
    Step, Text,
};

use super::write::{open_target, path_argument};
use crate::output::{Format, Printer};

const FILENAME: Arg = Arg::required("filename", Kind::Any, "The file, made if it is missing.");
const QUERY: Arg = Arg::required("query", Kind::Rows, "The rows to write.");
const ACCESSOR: Arg =
    Arg::optional("accessor", Kind::String, "Only `file` and `auto` can write (auto).");

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[
    &Plugin::new(
        "write_csv",
        "Writes the rows of a query to a file as comma-separated values, and yields them.",
        &[FILENAME, ACCESSOR, QUERY],
        |cx, scope, args| open(cx, scope, &args, Format::Csv),
    )
    .needs(&[Permission::FilesystemWrite])
    .on(Availability::Linux),
    &Plugin::new(
        "write_jsonl",
        "Writes the rows of a query to a file, an object in each line, and yields them.",
        &[
            FILENAME,
            ACCESSOR,
            QUERY,
            Arg::optional("append", Kind::Bool, "Write behind what is there (replace it)."),
            Arg::optional("buffer_size", Kind::Int, "Accepted for compatibility."),
            Arg::optional("max_time", Kind::Int, "Accepted for compatibility."),
        ],
        |cx, scope, args| open(cx, scope, &args, Format::Jsonl),
    )
    .needs(&[Permission::FilesystemWrite])
    .on(Availability::Linux),
];

fn open(
    cx: &mut Context,
    scope: &Scope,
    args: &Args,
    format: Format,
) -> Result<Box<dyn Rows>, Fault> {
    if let Some(accessor) = args.string("accessor")
        && !matches!(accessor.as_str(), "" | "auto" | "file")
    {
        return Err(Fault::error(format!("accessor {accessor} cannot write")));
    }
    let (text, path) = path_argument(args, "filename");
    let file = open_target(&path, 0o600, args.flag("append"))
        .map_err(|why| Fault::note(format!("{text}: {why}")))?;
    let rows = args.rows("query").unwrap_or(&RowSource::Nothing).open(cx, scope)?;
    let printer = Printer::new(BufWriter::new(file), format);
    Ok(Box::new(Written { rows, printer: Some(printer), text }))
}

struct Written {
    rows: Box<dyn Rows>,
    printer: Option<Printer<BufWriter<File>>>,
    text: Text,
}

impl Rows for Written {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let step = self.rows.next(cx)?;
        let Some(printer) = &mut self.printer else { return Ok(Step::End) };
        let written = match &step {
            Step::Row(row) => printer.row(row),
            // Whoever reads the file of an event query finds what has happened.
            Step::Pending(_) => printer.flush(),
            Step::Yield => Ok(()),
            Step::End => self.printer.take().map_or(Ok(()), Printer::finish),
        };
        written.map_err(|why| Fault::note(format!("{}: {why}", self.text)))?;
        Ok(step)
    }
}
