//! Plugins that do what a test needs, and nothing else.

use std::time::Duration;

use troodon_vql::{
    Arg, Args, Columns, Context, DataRun, Fault, FileInfo, Function, Instant, Kind, Level, Plugin,
    Pull, Reader, Ready, Registry, Row, RowBuilder, Rows, Scope, Step, Text, Upload, Uploader,
    Value,
};

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::core();
    registry.add_plugins(&[&COUNT, &TICK, &SLOW, &BROKEN, &DENIED, &INFO, &INTERFACES]);
    registry.add_functions(&[&SEND, &SAY, &INT]);
    registry
}

static COUNT: Plugin = Plugin::new(
    "count_to",
    "The numbers from 1.",
    &[Arg::required("n", Kind::Int, "The last one.")],
    |_, _, args| {
        let columns = Columns::fixed(&["N"]);
        let mut numbers = 1..=args.int("n").unwrap_or(0);
        Ok(Box::new(Pull::new(move |cx: &mut Context| {
            cx.charge(1)?;
            Ok(numbers.next().map(|n| Row::new(&columns, vec![n.into()])))
        })))
    },
);

static TICK: Plugin = Plugin::new("tick", "A row every second, for ever.", &[], |cx, _, _| {
    Ok(Box::new(Tick { n: 0, next_at: cx.instant() }))
});

struct Tick {
    n: i64,
    next_at: Instant,
}

impl Rows for Tick {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if cx.instant() < self.next_at {
            return Ok(Step::Pending(self.next_at));
        }
        self.next_at = self.next_at.after(Duration::from_secs(1));
        self.n += 1;
        Ok(Step::Row(Row::single("Tick", self.n.into())))
    }
}

static SLOW: Plugin = Plugin::new(
    "slow",
    "Works for a number of steps, then makes a row.",
    &[Arg::required("steps", Kind::Int, "How many.")],
    |_, _, args| {
        let left = args.int("steps").unwrap_or(0);
        Ok(Box::new(Slow { left, is_done: false }))
    },
);

struct Slow {
    left: i64,
    is_done: bool,
}

impl Rows for Slow {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        while self.left > 0 {
            if cx.is_out_of_fuel() {
                return Ok(Step::Yield);
            }
            cx.charge(1)?;
            self.left -= 1;
        }
        if self.is_done {
            return Ok(Step::End);
        }
        self.is_done = true;
        Ok(Step::Row(Row::single("Done", true.into())))
    }
}

static BROKEN: Plugin =
    Plugin::new("broken", "Fails.", &[], |_, _, _| Err(Fault::error("broken on purpose")));

static DENIED: Plugin = Plugin::new("denied", "Is not permitted.", &[], |_, _, _| {
    Err(Fault::note("PermissionDenied: Permission denied: [EXECVE]"))
});

static INFO: Plugin = Plugin::new("info", "What the interrogation asks for.", &[], |_, _, _| {
    let mut row = RowBuilder::new();
    row.set("Hostname", "h").set("OS", "linux").set("Architecture", "arm");
    row.set("Platform", "p").set("PlatformVersion", "1").set("KernelVersion", "2");
    row.set("Fqdn", "h.example");
    Ok(Ready::boxed(vec![row.build()]))
});

static INTERFACES: Plugin = Plugin::new("interfaces", "One interface.", &[], |_, _, _| {
    let mut row = RowBuilder::new();
    row.set("Name", "eth0").set("HardwareAddr", "x").set("HardwareAddrString", "02:00:00:00:00:01");
    Ok(Ready::boxed(vec![row.build()]))
});

static SAY: Function = Function::new(
    "say",
    "Logs a text.",
    &[
        Arg::required("text", Kind::String, "What."),
        Arg::optional("level", Kind::String, "The level; DEFAULT if not given."),
    ],
    say,
);

fn say(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let level = args.string("level").and_then(|name| Level::named(&name));
    let text = args.string("text").unwrap_or_default();
    cx.log(level.unwrap_or(Level::Default), format_args!("{text}"));
    Ok(true.into())
}

static INT: Function = Function::new(
    "int",
    "A whole number from a text.",
    &[Arg::required("int", Kind::String, "The text.")],
    |_, _, args| Ok(args.string("int").and_then(|text| text.parse::<i64>().ok()).into()),
);

static SEND: Function = Function::new(
    "send",
    "Uploads a file of zeros.",
    &[
        Arg::required("name", Kind::String, "Its name."),
        Arg::required("size", Kind::Int, "Its size in bytes."),
        Arg::optional("hole", Kind::Int, "Where ten bytes of data begin; there are no others."),
    ],
    send,
);

fn send(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let uploader = cx.extension::<Box<dyn Uploader>>().expect("the executor put it in");
    let size = u64::try_from(args.int("size").unwrap_or(0)).unwrap_or(0);
    let name = args.text("name").cloned().unwrap_or_default();
    let info = FileInfo { path: Text::from("/dev/zero"), size, ..FileInfo::default() };
    let hole = args.int("hole").and_then(|at| u64::try_from(at).ok());
    let mut reader = Zeros { size, hole };
    uploader.upload(cx, Upload { reader: &mut reader, name, accessor: "data".into(), info })
}

struct Zeros {
    size: u64,
    hole: Option<u64>,
}

impl Reader for Zeros {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        // An odd length, so that chunks are filled by more than one read.
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = buffer.len().min(left).min(777);
        buffer[..count].fill(0);
        Ok(count)
    }

    fn runs(&self) -> Option<Vec<DataRun>> {
        self.hole.map(|offset| vec![DataRun { offset, len: 10 }])
    }
}
