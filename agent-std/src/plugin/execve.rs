//! `execve()`: the output of a program, piece by piece.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use troodon_vql::{
    Arg, Args, Availability, Columns, Context, Fault, Kind, Permission, Plugin, Row, Rows, Scope,
    Step, Value,
};

use crate::accessor::to_path;
use crate::child::{Child, Progress, Spec};
use crate::limits::{CHILD_OUTPUT_LEN_DEFAULT, CHILD_OUTPUT_LEN_MAX, CHILD_WAIT};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "execve",
    "Runs a program, without a shell, and yields its output: `Stdout`, `Stderr`, `ReturnCode`, `Complete`.",
    &[
        Arg::required("argv", Kind::List, "The program and its arguments."),
        Arg::optional("sep", Kind::String, "What separates rows, such as a line feed (nothing)."),
        Arg::optional("length", Kind::Int, "Bytes of output in one row at most (4194304)."),
        Arg::optional("env", Kind::Dict, "Variables besides those of the agent."),
        Arg::optional("cwd", Kind::String, "The working directory (the agent's)."),
    ],
    execve,
)
.needs(&[Permission::Execve])
.on(Availability::Linux)];

fn execve(_: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let argv = args.list("argv").map_or(&[][..], |list| list).iter().map(os_string).collect();
    let argv: Option<Vec<OsString>> = argv;
    let argv = argv.ok_or_else(|| Fault::error("argv should be a list of strings without NUL"))?;
    let env = args.dict("env").map_or_else(Vec::new, |dict| {
        let pair =
            |(name, value)| Some((os_string(&Value::Str(Clone::clone(name)))?, os_string(value)?));
        dict.iter().filter_map(pair).collect()
    });
    let cwd = args.text("cwd").filter(|cwd| !cwd.is_empty()).map(to_path);
    let length = args.int("length").and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length > 0).unwrap_or(CHILD_OUTPUT_LEN_DEFAULT);
    let program = argv.first().cloned().unwrap_or_default();
    let child = Child::start(Spec { argv, env, cwd })
        .map_err(|why| Fault::note(format!("{}: {why}", program.display())))?;
    Ok(Box::new(Output {
        child,
        separator: args.text("sep").map(|text| text.to_vec()).unwrap_or_default(),
        length: length.min(CHILD_OUTPUT_LEN_MAX),
        stdout: Vec::new(),
        stderr: Vec::new(),
        end: End::Running,
        columns: Columns::fixed(&["Stdout", "Stderr", "ReturnCode", "Complete"]),
    }))
}

fn os_string(value: &Value) -> Option<OsString> {
    let bytes = match value {
        Value::Str(text) => text.to_vec(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Float(number) => number.to_string().into_bytes(),
        _ => return None,
    };
    (!bytes.contains(&0)).then(|| OsString::from_vec(bytes))
}

struct Output {
    child: Child,
    separator: Vec<u8>,
    length: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    end: End,
    columns: Columns,
}

enum End {
    Running,
    /// Ended with this code, which no row has told yet.
    Untold(i32),
    Told,
}

impl Rows for Output {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            if let Some(piece) = self.piece() {
                return Ok(Step::Row(self.row(piece, Value::Null)));
            }
            match self.end {
                End::Told => return Ok(Step::End),
                End::Untold(code) => {
                    self.end = End::Told;
                    let rest = std::mem::take(&mut self.stdout);
                    return Ok(Step::Row(self.row(rest, Value::Int(i64::from(code)))));
                }
                End::Running => {}
            }
            cx.charge(1)?;
            let looked = self.child.look(&mut self.stdout, &mut self.stderr);
            match looked.map_err(|why| Fault::note(why.to_string()))? {
                Progress::Output => {}
                Progress::Ended(code) => self.end = End::Untold(code),
                // A query inside an expression cannot be told to come back, so the wait is here, and short.
                Progress::Quiet => {
                    self.child.wait_for_output(CHILD_WAIT);
                    return Ok(Step::Yield);
                }
            }
        }
    }
}

impl Output {
    /// Takes output for a row off: up to the separator, or as much as a row may have.
    fn piece(&mut self) -> Option<Vec<u8>> {
        let len = self.separator.len();
        let found = (len > 0)
            .then(|| self.stdout.windows(len).position(|window| window == self.separator))
            .flatten();
        let (end, used) = match found {
            Some(at) => (at, at + len),
            None if self.stdout.len() >= self.length => (self.length, self.length),
            None => return (self.stderr.len() >= self.length).then(Vec::new),
        };
        let rest = self.stdout.split_off(used);
        let mut piece = std::mem::replace(&mut self.stdout, rest);
        piece.truncate(end);
        Some(piece)
    }

    fn row(&mut self, stdout: Vec<u8>, code: Value) -> Row {
        let is_complete = !code.is_null();
        let stderr = std::mem::take(&mut self.stderr);
        let values = vec![Value::from(stdout), Value::from(stderr), code, is_complete.into()];
        Row::new(&self.columns, values)
    }
}
