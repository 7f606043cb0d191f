//! How much one client may have stored; configured, with limits of the program behind.

use crate::limits;

/// Most that is kept of one client, and of one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Rows and log lines of a collection.
    pub collection_rows: u64,
    /// Bytes of them, before compression.
    pub collection_bytes: u64,
    /// Bytes of event rows of a client, before compression.
    pub event_bytes: u64,
    /// Event rows of a client in the 24 hours before each of them.
    pub event_rows_a_day: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            collection_rows: limits::FLOW_ROWS,
            collection_bytes: limits::FLOW_BYTES,
            event_bytes: limits::CLIENT_EVENT_BYTES,
            event_rows_a_day: limits::CLIENT_EVENT_ROWS_A_DAY,
        }
    }
}

impl Quotas {
    /// What a configuration says; 0 leaves a quota as it is, and none goes beyond the limit of the program.
    #[must_use]
    pub fn configured(self) -> Self {
        let usual = Self::default();
        let of = |wanted: u64, usual: u64| if wanted == 0 { usual } else { wanted.min(usual) };
        Self {
            collection_rows: of(self.collection_rows, usual.collection_rows),
            collection_bytes: of(self.collection_bytes, usual.collection_bytes),
            event_bytes: of(self.event_bytes, usual.event_bytes),
            event_rows_a_day: of(self.event_rows_a_day, usual.event_rows_a_day),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_makes_quotas_smaller_and_never_larger() {
        let none =
            Quotas { collection_rows: 0, collection_bytes: 0, event_bytes: 0, event_rows_a_day: 0 };
        assert_eq!(none.configured(), Quotas::default());
        let small = Quotas { event_rows_a_day: 7, collection_bytes: u64::MAX, ..none };
        let usual = Quotas::default();
        assert_eq!(small.configured(), Quotas { event_rows_a_day: 7, ..usual });
    }
}
