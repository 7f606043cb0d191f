//! How much of its time the processor works.

use core::sync::atomic::{AtomicU32, Ordering};

use troodon_core::time::{Instant, Span};

/// Adds up how long the processor slept. There is one, in a `static`; the loop writes it, and whoever reads it in an interrupt
/// may find it a moment old.
#[derive(Debug)]
pub struct Load {
    /// Microseconds: there are chips without atomic numbers of 64 bits.
    slept: [AtomicU32; 2],
}

impl Load {
    /// The processor has not slept yet.
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    #[must_use]
    pub const fn new() -> Self {
        Self { slept: [AtomicU32::new(0), AtomicU32::new(0)] }
    }

    /// Sleeps, and adds the time.
    pub fn sleep(&self, now: impl Fn() -> Instant, sleep: impl FnOnce()) {
        let begin = now();
        sleep();
        let slept = self.slept().saturating_add(now().since(begin).as_micros());
        let [low, high] = &self.slept;
        let [a, b, c, d, e, f, g, h] = slept.to_le_bytes();
        low.store(u32::from_le_bytes([a, b, c, d]), Ordering::Relaxed);
        high.store(u32::from_le_bytes([e, f, g, h]), Ordering::Relaxed);
    }

    /// How long the processor worked until `now`.
    pub fn worked(&self, now: Instant) -> Span {
        let total = now.since(Instant::ORIGIN).as_micros();
        Span::from_micros(total.saturating_sub(self.slept()))
    }

    fn slept(&self) -> u64 {
        let [low, high] = self.slept.each_ref().map(|part| u64::from(part.load(Ordering::Relaxed)));
        high << 32 | low
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn what_was_not_slept_was_worked() {
        let (load, time) = (Load::new(), Cell::new(0_u64));
        let now = || Instant::from_micros(time.get());
        time.set(100);
        load.sleep(now, || time.set(5_000_000_100));
        time.set(5_000_000_150);
        load.sleep(now, || time.set(5_000_000_200));
        assert_eq!(load.worked(now()).as_micros(), 150);
    }
}
