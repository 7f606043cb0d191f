//! What the queries of the fleet read: numbers, ticks and a file whose bytes are known.

use std::time::Duration;

use troodon_vql::{
    Arg, Args, Context, Fault, FileInfo, Function, Instant, Kind, Plugin, Reader, Registry, Row,
    Rows, Scope, Step, Text, Upload, Uploader, Value,
};

pub fn registry() -> Registry {
    let mut registry = Registry::core();
    registry.add_plugins(&[&NUMBERS, &TICKS]);
    registry.add_functions(&[&SEND]);
    registry
}

static NUMBERS: Plugin = Plugin::new(
    "numbers",
    "The numbers from 0, so many a second.",
    &[
        Arg::required("count", Kind::Int, "How many."),
        Arg::required("pause", Kind::Int, "Milliseconds between two."),
    ],
    |cx, _, args| {
        let pause = u64::try_from(args.int("pause").unwrap_or(0)).unwrap_or(0);
        Ok(Box::new(Numbers {
            n: 0,
            count: args.int("count").unwrap_or(0),
            pause: Duration::from_millis(pause),
            next_at: cx.instant(),
        }))
    },
);

struct Numbers {
    n: i64,
    count: i64,
    pause: Duration,
    next_at: Instant,
}

impl Rows for Numbers {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        if self.n >= self.count {
            return Ok(Step::End);
        }
        if cx.instant() < self.next_at {
            return Ok(Step::Pending(self.next_at));
        }
        cx.charge(1)?;
        self.next_at = self.next_at.after(self.pause);
        self.n += 1;
        Ok(Step::Row(Row::single("N", (self.n - 1).into())))
    }
}

static TICKS: Plugin = Plugin::new(
    "ticks",
    "The time in microseconds, every so many seconds, for ever.",
    &[Arg::required("period", Kind::Int, "Seconds.")],
    |cx, _, args| {
        let period = u64::try_from(args.int("period").unwrap_or(1)).unwrap_or(1);
        Ok(Box::new(Ticks { period: Duration::from_secs(period), next_at: cx.instant() }))
    },
);

struct Ticks {
    period: Duration,
    next_at: Instant,
}

impl Rows for Ticks {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let now = cx.instant();
        if now < self.next_at {
            return Ok(Step::Pending(self.next_at));
        }
        self.next_at = now.after(self.period);
        let micros = i64::try_from(now.since_start().as_micros()).unwrap();
        Ok(Step::Row(Row::single("At", micros.into())))
    }
}

static SEND: Function = Function::new(
    "send",
    "Uploads a file of so many bytes.",
    &[Arg::required("size", Kind::Int, "Its size.")],
    send,
);

fn send(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let uploader = cx.extension::<Box<dyn Uploader>>().expect("the executor put it in");
    let size = u64::try_from(args.int("size").unwrap_or(0)).unwrap_or(0);
    let info = FileInfo { path: Text::from("/dev/known"), size, ..FileInfo::default() };
    let mut reader = Known { size };
    let name = Text::from("known");
    uploader.upload(cx, Upload { reader: &mut reader, name, accessor: "data".into(), info })
}

struct Known {
    size: u64,
}

impl Reader for Known {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let end = self.size.min(offset.saturating_add(buffer.len() as u64));
        for (at, byte) in (offset..end).zip(buffer.iter_mut()) {
            *byte = known_byte(at);
        }
        Ok(usize::try_from(end.saturating_sub(offset)).unwrap())
    }
}

/// The byte of the file at this place.
pub fn known_byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}
