//! At most so many per second, with a burst (the generic cell rate algorithm).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A limit of a rate. Who comes too early is told how long to wait.
pub(super) struct Pace {
    interval: Duration,
    burst: Duration,
    longest_wait: Duration,
    /// When the next one would be due if all came evenly.
    due: Mutex<Instant>,
}

impl Pace {
    /// `per_second` in the long run, as many at once; nobody waits longer than `longest_wait`.
    pub(super) fn new(per_second: u32, longest_wait: Duration, now: Instant) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: Duration::from_secs(1), longest_wait, due: Mutex::new(now) }
    }

    /// Reserves a place. Answers how long to wait for it, or `None` when that would be too long.
    pub(super) fn reserve(&self, now: Instant) -> Option<Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let start = (*due).max(now);
        let wait = start.saturating_duration_since(now).saturating_sub(self.burst);
        if wait > self.longest_wait {
            return None;
        }
        *due = start + self.interval;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_waits_its_turn() {
        let now = Instant::now();
        let pace = Pace::new(10, Duration::from_secs(1), now);
        let waits: Vec<_> = (0..13).map(|_| pace.reserve(now).unwrap().as_millis()).collect();
        assert_eq!(waits[..11], [0; 11]);
        assert_eq!(waits[11..], [100, 200]);
    }

    #[test]
    fn who_would_wait_too_long_is_turned_away() {
        let now = Instant::now();
        let pace = Pace::new(10, Duration::from_secs(1), now);
        let admitted = (0..1000).filter_map(|_| pace.reserve(now)).count();
        assert_eq!(admitted, 21);
        assert!(pace.reserve(now + Duration::from_secs(1)).is_some());
    }
}
