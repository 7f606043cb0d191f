//! `sleep()`: a pause that cancelling ends.

use std::time::{Duration, Instant};

use troodon_vql::{Arg, Args, Availability, Context, Fault, Function, Kind, Scope, Value};

use crate::limits::{CHILD_WAIT, SLEEP_MAX};

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[&Function::new(
    "sleep",
    "Waits, and is true. Other queries of the agent wait too; clock() and delay() do not keep them.",
    &[
        Arg::optional("time", Kind::Int, "Seconds, at most an hour (0)."),
        Arg::optional("ms", Kind::Int, "Milliseconds besides (0)."),
    ],
    sleep,
)
.on(Availability::Linux)];

fn sleep(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let number = |name| args.int(name).and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    let span = Duration::from_secs(number("time"))
        .saturating_add(Duration::from_millis(number("ms")))
        .min(SLEEP_MAX);
    let start = Instant::now();
    loop {
        cx.charge(1)?;
        let left = span.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(true.into());
        }
        std::thread::sleep(left.min(CHILD_WAIT));
    }
}
