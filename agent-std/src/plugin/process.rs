//! `pslist()` and `getpid()`.

use std::path::Path;

use troodon_vql::{
    Arg, Args, Availability, Columns, Context, Fault, Function, Kind, Permission, Plugin, Row,
    Rows, Scope, Step, Time, Value,
};

use crate::proc::account::{Accounts, PASSWD};
use crate::proc::platform::boot_time;
use crate::proc::process::{Pids, Process};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] =
    &[&Function::new("getpid", "The agent's own process id.", &[], |_, _, _| {
        Ok(Value::from(std::process::id()))
    })
    .needs(&[Permission::MachineState])
    .on(Availability::Linux)];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "pslist",
    "The running processes.",
    &[Arg::optional("pid", Kind::Int, "Only the process with this id (all).")],
    pslist,
)
.needs(&[Permission::MachineState])
.on(Availability::Linux)];

fn pslist(_: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    Ok(Box::new(match args.int("pid") {
        Some(pid) => Processes::new(Box::new(u32::try_from(pid).into_iter())),
        None => Processes::running()?,
    }))
}

/// The rows of `pslist()`.
pub(super) fn all(cx: &mut Context) -> Result<Vec<Row>, Fault> {
    let mut processes = Processes::running()?;
    let mut rows = Vec::new();
    while let Step::Row(row) = processes.next(cx)? {
        rows.push(row);
    }
    Ok(rows)
}

struct Processes {
    pids: Box<dyn Iterator<Item = u32> + Send>,
    users: Users,
    boot: Time,
    columns: Columns,
    times: Columns,
    memory: Columns,
}

impl Rows for Processes {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        for pid in self.pids.by_ref() {
            cx.charge(1)?;
            // A process that ends while it is being read is not listed.
            if let Ok(process) = Process::read(pid) {
                return Ok(Step::Row(self.row(process)));
            }
        }
        Ok(Step::End)
    }
}

impl Processes {
    fn running() -> Result<Self, Fault> {
        let pids = Pids::open().map_err(|why| Fault::note(format!("/proc: {why}")))?;
        Ok(Self::new(Box::new(pids)))
    }

    fn new(pids: Box<dyn Iterator<Item = u32> + Send>) -> Self {
        Self {
            pids,
            users: Users::default(),
            boot: Time::from_seconds(i64::try_from(boot_time()).unwrap_or(0)),
            columns: Columns::fixed(&[
                "Pid",
                "Ppid",
                "Name",
                "CommandLine",
                "Exe",
                "Cwd",
                "Username",
                "Uid",
                "Status",
                "Threads",
                "CreateTime",
                "Times",
                "MemoryInfo",
            ]),
            times: Columns::fixed(&["user", "system"]),
            memory: Columns::fixed(&["RSS", "VMS"]),
        }
    }

    fn row(&mut self, process: Process) -> Row {
        let since_boot = i64::try_from(process.start_after_boot_ns()).unwrap_or(i64::MAX);
        let times = vec![process.user_seconds().into(), process.system_seconds().into()];
        let memory = vec![process.resident_len().into(), process.stat.virtual_len.into()];
        let values = vec![
            process.pid.into(),
            process.stat.parent.into(),
            Value::from(process.stat.name),
            Value::from(process.command_line),
            Value::from(process.exe),
            Value::from(process.cwd),
            process.uid.map(|uid| self.users.name(uid)).into(),
            process.uid.into(),
            char::from(process.stat.state).to_string().into(),
            process.stat.threads.into(),
            Time::from_nanos(self.boot.nanos().saturating_add(since_boot)).into(),
            Row::new(&self.times, times).into(),
            Row::new(&self.memory, memory).into(),
        ];
        Row::new(&self.columns, values)
    }
}

/// The names of users, looked up once for each of them.
#[derive(Default)]
struct Users {
    known: Vec<(u32, Value)>,
}

impl Users {
    /// The name of a user; the number as text if it has none.
    fn name(&mut self, uid: u32) -> Value {
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == uid) {
            return name.clone();
        }
        let account = Accounts::open(Path::new(PASSWD))
            .ok()
            .and_then(|mut accounts| accounts.find(|account| account.uid == uid));
        let name =
            account.map_or_else(|| uid.to_string().into(), |account| Value::from(account.name));
        self.known.push((uid, name.clone()));
        name
    }
}
