//! What happened, counted over all agents.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts of all agents.
#[derive(Debug)]
pub struct Tally {
    clients: u64,
    /// Agents that the server knows.
    pub enrolled: AtomicU64,
    /// Messages that the server acknowledged.
    pub delivered: AtomicU64,
    /// Messages that wait to be acknowledged.
    pub waiting: AtomicU64,
    /// Rows in all messages.
    pub rows: AtomicU64,
    /// Messages that the server refused.
    pub rejected: AtomicU64,
    /// Connections that were lost or not made, outages included.
    pub lost: AtomicU64,
    /// Collections that were asked for.
    pub asked: AtomicU64,
    /// Collections that ended, by agent.
    finished: Mutex<Vec<u64>>,
    /// Microseconds from a message's way into the queue to its acknowledgement.
    latency: Mutex<Vec<u64>>,
}

impl Tally {
    /// Nothing has happened yet.
    pub fn new(clients: usize) -> Self {
        Self {
            clients: u64::try_from(clients).unwrap_or(u64::MAX),
            enrolled: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            finished: Mutex::new(vec![0; clients]),
            latency: Mutex::default(),
        }
    }

    /// A collection of this agent has ended.
    pub fn finish(&self, agent: usize) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = finished.get_mut(agent) {
            *count += 1;
        }
    }

    /// A message was acknowledged so long after it was queued.
    pub fn acknowledge(&self, after: Duration) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).push(micros);
    }

    /// Whether every agent has ended so many collections, and nothing waits.
    pub fn is_done(&self, flows: u64) -> bool {
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.iter().all(|count| *count >= flows) && self.waiting.load(Ordering::Relaxed) == 0
    }

    /// One line for people.
    pub fn progress(&self) -> String {
        let finished: u64 =
            self.finished.lock().unwrap_or_else(PoisonError::into_inner).iter().sum();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        format!(
            "{}/{} enrolled, {} of {} collections ended, {} rows, {} messages delivered, {} wait, {} connections lost",
            read(&self.enrolled),
            self.clients,
            finished,
            read(&self.asked),
            read(&self.rows),
            read(&self.delivered),
            read(&self.waiting),
            read(&self.lost),
        )
    }

    /// The end of a run as one line of JSON.
    pub fn summary(&self, took: Duration) -> serde_json::Value {
        let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
        latency.sort_unstable();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let finished: u64 =
            self.finished.lock().unwrap_or_else(PoisonError::into_inner).iter().sum();
        let rate = |count: u64| Rate { count, took }.to_string();
        serde_json::json!({
            "clients": self.clients,
            "seconds": took.as_secs(),
            "enrolled": read(&self.enrolled),
            "collections": finished,
            "rows": read(&self.rows),
            "messages": read(&self.delivered),
            "messages_per_second": rate(read(&self.delivered)),
            "rows_per_second": rate(read(&self.rows)),
            "rejected": read(&self.rejected),
            "connections_lost": read(&self.lost),
            "latency_ms": {
                "p50": percentile(&latency, 50),
                "p90": percentile(&latency, 90),
                "p99": percentile(&latency, 99),
                "max": percentile(&latency, 100),
            },
        })
    }
}

/// Milliseconds below which so many of a hundred lie.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let at = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(0, |micros| micros / 1000)
}

struct Rate {
    count: u64,
    took: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = u128::from(self.count) * 10_000 / self.took.as_millis().max(1);
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_list() {
        let sorted: Vec<u64> = (1..=200).map(|ms| ms * 1000).collect();
        assert_eq!([50, 99, 100].map(|one| percentile(&sorted, one)), [100, 198, 200]);
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn a_run_is_done_when_each_agent_has_done_its_share_and_nothing_waits() {
        let tally = Tally::new(2);
        assert!(!tally.is_done(1));
        tally.finish(0);
        tally.finish(0);
        assert!(!tally.is_done(1));
        tally.finish(1);
        tally.waiting.fetch_add(1, Ordering::Relaxed);
        assert!(!tally.is_done(1));
        tally.acknowledge(Duration::from_millis(3));
        assert!(tally.is_done(1));
        assert_eq!(tally.summary(Duration::from_secs(2))["rows_per_second"], "0.0");
    }
}
