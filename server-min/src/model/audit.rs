//! One record of the audit log, and the chain that holds them together.
//!
//! The hash of a record covers all of it and the hash of the record before, so that whoever changes, removes or inserts
//! one has to write all that follow again: a hash that was noted elsewhere no longer fits then.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::id::OrgId;

/// The end of the chain.
pub type Link = [u8; 32];

/// What the first record continues.
pub const START: Link = [0; 32];

/// What somebody did or tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Microseconds since 1970.
    pub time_us: u64,
    /// Where.
    pub org: OrgId,
    /// Who.
    pub principal: String,
    /// What; names as Velociraptor has them where it has one.
    pub operation: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// What it was about.
    pub details: Value,
}

/// A record as its hash covers it: with its number, and its details as they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    /// Counted from 1, without gaps.
    pub number: u64,
    /// Microseconds since 1970.
    pub time_us: u64,
    /// Where.
    pub org: &'a str,
    /// Who.
    pub principal: &'a str,
    /// What.
    pub operation: &'a str,
    /// Whether it was allowed.
    pub allowed: bool,
    /// JSON.
    pub details: &'a str,
}

impl Record {
    /// When it was, in RFC 3339; empty for a time that no calendar has.
    #[must_use]
    pub fn server_time(&self) -> String {
        let nanos = i128::from(self.time_us).saturating_mul(1000);
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
    }

    /// The record as a row of the event artifact `Server.Audit.Logs`.
    #[must_use]
    pub fn row(&self, number: u64) -> Value {
        json!({
            "ServerTime": self.server_time(),
            "operation": self.operation,
            "principal": self.principal,
            "details": self.details,
            "org": self.org.as_str(),
            "allowed": self.allowed,
            "number": number,
        })
    }

    /// The record with its number and its details as they are stored.
    #[must_use]
    pub fn sealed<'a>(&'a self, number: u64, details: &'a str) -> Sealed<'a> {
        Sealed {
            number,
            time_us: self.time_us,
            org: self.org.as_str(),
            principal: &self.principal,
            operation: &self.operation,
            allowed: self.allowed,
            details,
        }
    }
}

/// The link of a record behind `before`.
#[must_use]
pub fn link(before: &Link, record: &Sealed<'_>) -> Link {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(record.number.to_be_bytes());
    hash.update(record.time_us.to_be_bytes());
    hash.update([u8::from(record.allowed)]);
    for text in [record.org, record.principal, record.operation, record.details] {
        // Lengths keep the end of one text from being the start of the next.
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            time_us: 5,
            org: OrgId::root(),
            principal: "ann".into(),
            operation: "user_grant".into(),
            allowed: true,
            details: Value::Null,
        }
    }

    fn linked(before: &Link, number: u64, record: &Record, details: &str) -> Link {
        link(before, &record.sealed(number, details))
    }

    #[test]
    fn each_part_of_a_record_changes_its_link() {
        let own = linked(&START, 1, &record(), "null");
        let changed = [
            linked(&[1; 32], 1, &record(), "null"),
            linked(&START, 2, &record(), "null"),
            linked(&START, 1, &record(), "{}"),
            linked(&START, 1, &Record { time_us: 6, ..record() }, "null"),
            linked(&START, 1, &Record { allowed: false, ..record() }, "null"),
            linked(&START, 1, &Record { principal: "bob".into(), ..record() }, "null"),
            linked(&START, 1, &Record { operation: "user_create".into(), ..record() }, "null"),
            linked(&START, 1, &Record { org: "OA".parse().unwrap(), ..record() }, "null"),
            linked(
                &START,
                1,
                &Record { principal: "annu".into(), operation: "ser_grant".into(), ..record() },
                "null",
            ),
        ];
        assert!(changed.iter().all(|other| *other != own));
        assert_eq!(linked(&START, 1, &record(), "null"), own);
    }

    #[test]
    fn a_row_of_the_log_says_all_of_its_record() {
        let record = Record {
            time_us: 1_700_000_000_000_000,
            org: OrgId::root(),
            principal: "ann".into(),
            operation: "Query".into(),
            allowed: false,
            details: json!({"call": "info"}),
        };
        let expected = json!({
            "ServerTime": "2023-11-14T22:13:20Z",
            "operation": "Query",
            "principal": "ann",
            "details": {"call": "info"},
            "org": "root",
            "allowed": false,
            "number": 7,
        });
        assert_eq!(record.row(7), expected);
        assert_eq!(Record { time_us: u64::MAX, ..record }.server_time(), "");
    }
}
