//! `sqlite()`: the rows of a query in a database file, which is never changed.
//!
//! The database and its write-ahead log are copied into a private folder through the accessor, so that locks of whoever
//! uses it do not matter and recovery changes the copy only. SQL may read and nothing else: SQLite asks for each action, and
//! what could reach another file (ATTACH, VACUUM INTO) is denied.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use troodon_vql::standard::path_of;
use troodon_vql::{
    Arg, Args, Columns, Context, Fault, Interrupt, Kind, Plugin, Row, Rows, Scope, Step, Text,
    Value,
};

use crate::limits::{
    SQLITE_LEN_MAX, SQLITE_LOOK_EVERY, SQLITE_ROWS_WAITING_MAX, SQLITE_VALUE_LEN_MAX, SQLITE_WAIT,
};

/// Bytes that are copied at a time.
const PIECE: usize = 64 * 1024;

/// The plugins of this file.
pub(crate) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "sqlite",
    "The rows of an SQL query in a SQLite database. It works on a copy; SQL that changes anything is refused.",
    &[
        Arg::required("file", Kind::Any, "The database."),
        Arg::optional("accessor", Kind::String, "How to reach it (auto)."),
        Arg::required("query", Kind::String, "One SQL statement."),
        Arg::optional("args", Kind::List, "Values for its question marks."),
    ],
    sqlite,
)];

fn sqlite(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let io = |why: std::io::Error| Fault::note(why.to_string());
    let folder = tempfile::Builder::new().prefix("db").tempdir().map_err(io)?;
    let copy = folder.path().join("db");
    let path = args.value("file").map(path_of).unwrap_or_default();
    copied(cx, &args, &path, &copy)?;
    let mut log = path.to_vec();
    log.extend_from_slice(b"-wal");
    // Most databases have none.
    if let Err(fault) = copied(cx, &args, &Text::from(log), &folder.path().join("db-wal"))
        && fault.stop().is_some()
    {
        return Err(fault);
    }
    let sql = args.string("query").unwrap_or_default();
    let values = args.list("args").map_or_else(Vec::new, |list| list.iter().map(cell).collect());
    let (sender, rows) = sync_channel(SQLITE_ROWS_WAITING_MAX);
    let interrupt = cx.interrupt().clone();
    let work = move || read(&folder, &sql, values, interrupt, &sender);
    thread::Builder::new().name("sqlite".to_owned()).spawn(work).map_err(io)?;
    Ok(Box::new(Table { rows }))
}

fn copied(cx: &mut Context, args: &Args, path: &Text, to: &Path) -> Result<(), Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let mut reader = accessor.open(cx, path)?;
    let mut file = File::create_new(to).map_err(|why| Fault::note(why.to_string()))?;
    let mut piece = vec![0; PIECE];
    let mut offset = 0_u64;
    loop {
        let count = reader.read_at(offset, &mut piece)?;
        let data = piece.get(..count).unwrap_or_default();
        if data.is_empty() {
            return Ok(());
        }
        offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if offset > SQLITE_LEN_MAX {
            return Err(Fault::note(format!("{path}: more than {SQLITE_LEN_MAX} bytes")));
        }
        cx.charge(u64::try_from(count / 1024).unwrap_or(0).saturating_add(1))?;
        file.write_all(data).map_err(|why| Fault::note(why.to_string()))?;
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Integer(i64::from(*flag)),
        Value::Int(number) => Cell::Integer(*number),
        Value::Float(number) => Cell::Real(*number),
        other => Cell::Text(path_of(other).to_str_lossy().into_owned()),
    }
}

/// What the thread tells.
type Told = Result<Row, String>;

/// Rows from the database's thread, which ends when this is dropped.
struct Table {
    rows: Receiver<Told>,
}

impl Rows for Table {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        cx.charge(1)?;
        match self.rows.recv_timeout(SQLITE_WAIT) {
            Ok(Ok(row)) => Ok(Step::Row(row)),
            Ok(Err(why)) => Err(Fault::note(why)),
            Err(RecvTimeoutError::Timeout) => Ok(Step::Yield),
            Err(RecvTimeoutError::Disconnected) => Ok(Step::End),
        }
    }
}

fn read(
    folder: &TempDir,
    sql: &str,
    values: Vec<Cell>,
    interrupt: Interrupt,
    to: &SyncSender<Told>,
) {
    if let Err(why) = query(&folder.path().join("db"), sql, values, interrupt, to) {
        // Nobody listens when the query is gone.
        let _told = to.send(Err(why.to_string()));
    }
}

fn query(
    path: &Path,
    sql: &str,
    values: Vec<Cell>,
    interrupt: Interrupt,
    to: &SyncSender<Told>,
) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, SQLITE_VALUE_LEN_MAX)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // A view or a trigger of a hostile database gets no functions with effects.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.progress_handler(SQLITE_LOOK_EVERY, Some(move || interrupt.is_set()))?;
    connection.authorizer(Some(authorized))?;
    let mut statement = connection.prepare(sql)?;
    let names = statement.column_names().map(Text::from).collect();
    let columns = Columns::new(names);
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns.names().len()).map(|at| row.get_ref(at).map(value));
        let row = Row::new(&columns, cells.collect::<rusqlite::Result<_>>()?);
        if to.send(Ok(row)).is_err() {
            break;
        }
    }
    Ok(())
}

/// Reading only. PRAGMA without a value reads.
fn authorized(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive
        | AuthAction::Pragma { pragma_value: None, .. } => Authorization::Allow,
        _ => Authorization::Deny,
    }
}

fn value(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Float(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::from(bytes),
    }
}
