//! Functions and plugins about the query's own world: time, chance, log, registry.

use alloc::boxed::Box;
use core::time::Duration;

use super::collection::dict_of;
use super::text::{bytes, shown};
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::Scope;
use crate::function::hex;
use crate::registry::{Arg, FoldState, Found, Function, Kind, Plugin};
use crate::rows::{Rows, Step};
use crate::value::operators::number;
use crate::value::{Columns, Instant, Row, Text, Time, Value};

/// Random bytes from the host; `rand()` and `uuid()` find it as the extension `Box<dyn Entropy>`.
pub trait Entropy: Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] when the host has none.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Fault>;
}

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "now",
        "The current time in seconds since 1970.",
        &[Arg::optional("ns", Kind::Bool, "In nanoseconds (FALSE).")],
        |cx, _, args| {
            let now = cx.now();
            Ok(Value::Int(if args.flag("ns") { now.nanos() } else { now.seconds() }))
        },
    ),
    &Function::new(
        "rand",
        "A random whole number below a bound.",
        &[Arg::optional("range", Kind::Int, "The bound (the largest number).")],
        rand,
    ),
    &Function::new("uuid", "A random UUID.", &[], uuid),
    &Function::new(
        "version",
        "1 if a plugin or function of this name exists here, else NULL.",
        &[
            Arg::optional("function", Kind::String, "Name of a function."),
            Arg::optional("plugin", Kind::String, "Name of a plugin."),
        ],
        version,
    ),
    &Function::new(
        "memoize",
        "A dict of the rows of a query by their key, to look up with get().",
        &[
            Arg::required("query", Kind::Rows, "The query."),
            Arg::required("key", Kind::String, "The column with the key."),
            Arg::optional(
                "period",
                Kind::Int,
                "Accepted for compatibility; LET <= keeps the result.",
            ),
            Arg::optional("name", Kind::String, "Accepted for compatibility."),
        ],
        memoize,
    ),
    &Function::fold(
        "rate",
        "How much x changes for each unit of y since the row before; NULL in the first row.",
        &[
            Arg::required("x", Kind::Float, "The quantity."),
            Arg::required("y", Kind::Float, "What it changes by, usually the time."),
        ],
        rate,
    ),
];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "clock",
    "A row with the current time again and again.",
    &[
        Arg::optional("period", Kind::Int, "Seconds between rows (1)."),
        Arg::optional("ms", Kind::Int, "Milliseconds to add to the period."),
        Arg::optional("start", Kind::Any, "The time of the first row (now)."),
    ],
    clock,
)];

/// Numbers that `rand()` draws until one is even over its bound; each is with a probability of a half at least.
const RAND_DRAWS_MAX: u32 = 64;

fn random(cx: &Context, buffer: &mut [u8]) -> Result<(), Fault> {
    let source = cx
        .extension::<Box<dyn Entropy>>()
        .ok_or_else(|| Fault::note("this host has no source of random numbers"))?;
    source.fill(buffer)
}

fn rand(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let bound = args.int("range").unwrap_or(i64::MAX).max(1).unsigned_abs();
    // Above the last whole multiple of the bound small remainders would come more often.
    let uneven = u64::MAX.checked_rem(bound).unwrap_or(0);
    let mut number = 0;
    for _ in 0..RAND_DRAWS_MAX {
        let mut bytes = [0; 8];
        random(cx, &mut bytes)?;
        number = u64::from_le_bytes(bytes);
        if number < u64::MAX.saturating_sub(uneven) {
            break;
        }
    }
    Ok(Value::from(number.checked_rem(bound).unwrap_or(0)))
}

fn uuid(cx: &mut Context, _: &Scope, _: &Args) -> Result<Value, Fault> {
    let mut bytes = [0; 16];
    random(cx, &mut bytes)?;
    // Version 4 and variant 1 of RFC 9562.
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex = hex(&bytes);
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-").into())
}

fn version(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let exists = match (args.string("function"), args.string("plugin")) {
        (Some(name), _) => matches!(cx.registry.function(&name), Found::Entry(_)),
        (None, Some(name)) => matches!(cx.registry.plugin(&name), Found::Entry(_)),
        (None, None) => false,
    };
    Ok(if exists { Value::Int(1) } else { Value::Null })
}

fn memoize(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let Some(source) = args.rows("query") else { return Ok(Value::Null) };
    let key = bytes(args, "key");
    dict_of(cx, scope, source, &|row| {
        let key = row.get(key).map(|key| Text::from(shown(key).into_owned()));
        Some((key.unwrap_or_default(), row.into()))
    })
}

fn rate(_: &mut Context, _: &Scope, args: &Args, state: &mut FoldState) -> Result<Value, Fault> {
    let (Some(x), Some(y)) = (args.float("x"), args.float("y")) else { return Ok(Value::Null) };
    let point = Value::from(alloc::vec![Value::Float(x), Value::Float(y)]);
    let Some(Value::List(before)) = state.replace(point) else { return Ok(Value::Null) };
    let [Value::Float(before_x), Value::Float(before_y)] = &*before else { return Ok(Value::Null) };
    let rate = (x - before_x) / (y - before_y);
    Ok(if rate.is_finite() { Value::Float(rate) } else { Value::Null })
}

fn clock(cx: &mut Context, _: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let millis = |name: &str, unit: u64| {
        args.int(name)
            .and_then(|count| u64::try_from(count).ok())
            .map(|count| count.saturating_mul(unit))
    };
    let period = match (millis("period", 1_000), millis("ms", 1)) {
        (None, None) => 1_000,
        (seconds, rest) => seconds.unwrap_or(0).saturating_add(rest.unwrap_or(0)),
    };
    if period == 0 {
        return Err(Fault::error("period should be more than 0"));
    }
    let period = Duration::from_millis(period);
    let due = match args.value("start") {
        None => cx.instant().after(period),
        Some(start) => cx.instant().after(until(cx.now(), start)),
    };
    Ok(Box::new(Clock { columns: Columns::fixed(&["Unix", "UnixNano", "String"]), period, due }))
}

/// How long it is until a time; nothing if it has passed.
fn until(now: Time, start: &Value) -> Duration {
    let start = match start {
        Value::Time(time) => *time,
        other => Time::from_seconds(number(other).map_or(0, crate::value::operators::truncated)),
    };
    let nanos = start.nanos().saturating_sub(now.nanos());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

struct Clock {
    columns: Columns,
    period: Duration,
    due: Instant,
}

impl Rows for Clock {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        let now = cx.instant();
        if now < self.due {
            return Ok(Step::Pending(self.due));
        }
        // A host that slept through several periods gets one row for them.
        let next = self.due.after(self.period);
        self.due = if next > now { next } else { now.after(self.period) };
        let time = cx.now();
        let values =
            alloc::vec![Value::Int(time.seconds()), Value::Int(time.nanos()), Value::Time(time)];
        Ok(Step::Row(Row::new(&self.columns, values)))
    }
}
