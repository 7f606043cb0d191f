//! Both clocks as the host reads them when it calls the executor.

use core::time::Duration;

use troodon_vql as vql;

use crate::time::{Instant, UnixTime};

/// A reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The steady clock: for waiting.
    pub(crate) now: Instant,
    /// The wall clock: for what the server reads.
    pub(crate) wall: UnixTime,
}

impl Moment {
    /// The reading as the query engine takes it.
    pub(crate) fn for_queries(self) -> vql::Now {
        let nanos = i64::try_from(self.wall.as_nanos()).unwrap_or(i64::MAX);
        vql::Now {
            instant: vql::Instant::from_start(Duration::from_micros(self.now.as_micros())),
            time: vql::Time::from_nanos(nanos),
        }
    }
}

/// The instant for which the query engine waits.
pub(crate) fn from_queries(until: vql::Instant) -> Instant {
    let micros = u64::try_from(until.since_start().as_micros());
    micros.map_or(Instant::NEVER, Instant::from_micros)
}
