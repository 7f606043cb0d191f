//! What the chip offers beside its network: time, sleep, entropy, a console, marks of memory.

use core::fmt;

use troodon_core::time::{Instant, Span};

/// The services of a board crate. One thread of execution uses them; none of them blocks for longer than it says.
pub trait System: Sync {
    /// The model, as the server shows it.
    fn model(&self) -> &'static str;

    /// The processor, as the server shows it.
    fn architecture(&self) -> &'static str;

    /// Time since reset.
    fn now(&self) -> Instant;

    /// Sleeps until an interrupt, a millisecond at most. An emulator serves its network meanwhile.
    fn idle(&self);

    /// Fills the buffer from a source that nobody can predict.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`]: the source failed, and no key may be made.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;

    /// How much of that the processor did not sleep.
    fn worked(&self) -> Span;

    /// Writes a line on the console as it is.
    fn print(&self, line: fmt::Arguments<'_>);

    /// Writes a line on the console, with the seconds since reset and how many of them the processor worked. What comes
    /// from the network is never written raw.
    fn say(&self, line: fmt::Arguments<'_>) {
        const MICROS: u64 = 1_000_000;
        let (now, worked) = (self.now().as_micros(), self.worked().as_micros());
        let (seconds, micros) = (now / MICROS, now % MICROS);
        let (worked, rest) = (worked / MICROS, worked % MICROS);
        self.print(format_args!("[{seconds}.{micros:06} {worked}.{rest:06}] {line}"));
    }

    /// The next byte that was typed on the console, if there is one.
    fn typed(&self) -> Option<u8>;

    /// Switches the watchdog on, or tells it that all is well. It resets the board after [`WATCHDOG_SECS`] without this.
    ///
    /// [`WATCHDOG_SECS`]: crate::WATCHDOG_SECS
    fn feed(&self);

    /// How full memory is.
    fn memory(&self) -> Memory;

    /// Starts again because somebody wants it, which the next boot knows.
    fn reset(&self) -> !;
}

/// The source of random numbers failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of random numbers failed")
    }
}

/// Marks of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Memory {
    /// The heap's size.
    pub heap: usize,
    /// In use at this moment.
    pub heap_used: usize,
    /// In use at most since reset.
    pub heap_peak: usize,
    /// The stack's size.
    pub stack: usize,
    /// The deepest that the stack was since reset.
    pub stack_peak: usize,
}
