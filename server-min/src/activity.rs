//! What happened lately, for charts: a few counters of the store, noted every some minutes.
//!
//! Counters only rise, so that the difference of two of them is what happened between, whatever the store has forgotten
//! since. They are kept as one setting: no table grows, and a restart loses nothing.

use serde::{Deserialize, Serialize};

use crate::limits::{ACTIVITY_SAMPLES, ACTIVITY_SECONDS, ONLINE_US};
use crate::store::setting::{self, Setting};
use crate::store::{Store, StoreError, now_us, statistics};

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since 1970.
    pub time: u64,
    /// Clients heard within [`ONLINE_US`].
    pub online: u64,
    /// Clients that have enrolled and were not deleted.
    pub clients: u64,
    /// Collections that ever were.
    pub collections: u64,
    /// Messages with events that ever came, from clients and for the server.
    pub events: u64,
}

/// Samples in the order of time, the last one of this moment.
///
/// # Errors
/// The store cannot be read.
pub fn samples(store: &Store) -> Result<Vec<Sample>, StoreError> {
    let mut samples = kept(store.setting(Setting::Activity)?)?;
    samples.push(now(store)?);
    Ok(samples)
}

/// The counters of this moment.
///
/// # Errors
/// The store cannot be read.
pub fn now(store: &Store) -> Result<Sample, StoreError> {
    store.read(|db| statistics::sample(db, now_us(), ONLINE_US))
}

/// Notes a sample unless one was noted lately.
///
/// # Errors
/// The store cannot be used.
pub fn note(store: &Store) -> Result<(), StoreError> {
    store.write(|db| {
        let mut samples = kept(setting::find(db, Setting::Activity)?)?;
        let now = statistics::sample(db, now_us(), ONLINE_US)?;
        let is_due = |last: &Sample| now.time.abs_diff(last.time) >= ACTIVITY_SECONDS / 2;
        if !samples.last().is_none_or(is_due) {
            return Ok(());
        }
        samples.push(now);
        let surplus = samples.len().saturating_sub(ACTIVITY_SAMPLES);
        samples.drain(..surplus);
        setting::put(db, Setting::Activity, &serde_json::to_vec(&samples)?)
    })
}

fn kept(value: Option<Vec<u8>>) -> Result<Vec<Sample>, StoreError> {
    value.map_or_else(|| Ok(Vec::new()), |value| Ok(serde_json::from_slice(&value)?))
}

/// What a counter rose by in each of `spans` spans of `seconds` up to `now`, with the microseconds at which they begin.
/// Spans without samples are 0.
#[must_use]
pub fn rises(
    samples: &[Sample],
    counter: impl Fn(&Sample) -> u64,
    (now, seconds, spans): (u64, u64, u64),
) -> Vec<(u64, u64)> {
    each(now, seconds, spans, |from, until| {
        let at = |time| samples.iter().rev().find(|sample| sample.time <= time);
        let first = at(from).or_else(|| samples.first().filter(|first| first.time <= until));
        match (first, at(until)) {
            (Some(first), Some(last)) => counter(last).saturating_sub(counter(first)),
            _ => 0,
        }
    })
}

/// The largest value in each span, like [`rises`].
#[must_use]
pub fn peaks(
    samples: &[Sample],
    value: impl Fn(&Sample) -> u64,
    (now, seconds, spans): (u64, u64, u64),
) -> Vec<(u64, u64)> {
    each(now, seconds, spans, |from, until| {
        let within = samples.iter().filter(|sample| sample.time > from && sample.time <= until);
        within.map(&value).max().unwrap_or_default()
    })
}

fn each(now: u64, seconds: u64, spans: u64, value: impl Fn(u64, u64) -> u64) -> Vec<(u64, u64)> {
    let begin =
        |number: u64| now.saturating_sub(seconds.saturating_mul(spans.saturating_sub(number)));
    let one = |number: u64| {
        let from = begin(number);
        (from.saturating_mul(1_000_000), value(from, from.saturating_add(seconds)))
    };
    (0..spans).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_what_rose_in_them_and_what_was_largest() {
        let at = |time, online, events| Sample { time, online, events, ..Sample::default() };
        let samples = [at(100, 5, 10), at(160, 9, 14), at(190, 1, 20), at(260, 3, 21)];
        let values =
            |found: Vec<(u64, u64)>| -> Vec<u64> { found.iter().map(|one| one.1).collect() };
        let span = (260, 60, 4);
        assert_eq!(values(rises(&samples, |sample| sample.events, span)), [0, 0, 10, 1]);
        assert_eq!(values(peaks(&samples, |sample| sample.online, span)), [0, 5, 9, 3]);
        assert_eq!(rises(&samples, |sample| sample.events, span)[3].0, 200_000_000);
    }

    #[test]
    fn samples_are_noted_once_for_each_span_and_survive() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        note(&store).unwrap();
        note(&store).unwrap();
        assert_eq!(kept(store.setting(Setting::Activity).unwrap()).unwrap().len(), 1);
        assert_eq!(samples(&store).unwrap().len(), 2);
    }
}
