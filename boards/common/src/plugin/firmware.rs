//! `firmware()`: what only a board can tell of itself.

use alloc::boxed::Box;

use troodon_vql::{Args, Context, Fault, Permission, Plugin, Rows, Scope, Value};

use super::{facts, one_row};
use crate::facts::VERSION;

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "firmware",
    "The firmware: version, time since reset and how much of it the processor worked, why it was reset, how the one before it ended, marks of memory in bytes.",
    &[],
    firmware,
)
.needs(&[Permission::MachineState])];

/// The reason of a reset that no firmware wrote down.
const POWER: &str = "power or pin";

fn firmware(cx: &mut Context, _: &Scope, _: Args) -> Result<Box<dyn Rows>, Fault> {
    let facts = facts(cx)?;
    let memory = facts.system.memory();
    let bytes = |count: usize| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
    let millis = |micros: u64| i64::try_from(micros / 1_000).unwrap_or(i64::MAX);
    Ok(one_row([
        ("Board", facts.system.model().into()),
        ("Version", VERSION.into()),
        ("UptimeMs", millis(facts.system.now().as_micros()).into()),
        ("WorkedMs", millis(facts.system.worked().as_micros()).into()),
        ("ResetReason", facts.ending.as_ref().map_or(POWER, |ending| ending.cause.name()).into()),
        ("LastPanic", facts.last_panic().into()),
        ("HeapSize", bytes(memory.heap)),
        ("HeapUsed", bytes(memory.heap_used)),
        ("HeapPeak", bytes(memory.heap_peak)),
        ("StackSize", bytes(memory.stack)),
        ("StackPeak", bytes(memory.stack_peak)),
    ]))
}
