//! An audit record as a message of syslog (RFC 5424).

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::audit::Record;

/// Facility 13, log audit (RFC 5424 section 6.2.1).
const FACILITY: u8 = 13;
const WARNING: u8 = 4;
const INFORMATIONAL: u8 = 6;

/// Writes messages of this host.
pub(super) struct Writer {
    host: String,
    process: u32,
}

impl Writer {
    pub(super) fn new() -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let is_printable = |byte: u8| byte.is_ascii_graphic();
        let known = !host.is_empty() && host.len() <= 255 && host.bytes().all(is_printable);
        Self { host: if known { host } else { "-".to_owned() }, process: std::process::id() }
    }

    /// The whole message. JSON escapes control characters, so that no name can begin a line of its own.
    pub(super) fn message(&self, number: u64, record: &Record) -> String {
        let severity = if record.allowed { INFORMATIONAL } else { WARNING };
        let priority = FACILITY.saturating_mul(8).saturating_add(severity);
        let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(record.time_us) * 1000);
        let time = time.ok().and_then(|time| time.format(&Rfc3339).ok());
        let time = time.unwrap_or_else(|| "-".to_owned());
        let Self { host, process } = self;
        let body = json!({
            "number": number,
            "time": time,
            "operation": record.operation,
            "principal": record.principal,
            "org": record.org.as_str(),
            "allowed": record.allowed,
            "details": record.details,
        });
        format!("<{priority}>1 {time} {host} troodon {process} audit - {body}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::OrgId;

    #[test]
    fn a_message_has_a_header_and_is_one_line_whatever_it_tells() {
        let record = Record {
            time_us: 1_700_000_000_123_456,
            org: OrgId::root(),
            principal: "ann\n<0>1 - - - - - forged".into(),
            operation: "Login".into(),
            allowed: false,
            details: json!({"remote": "\u{1b}[2J"}),
        };
        let writer = Writer { host: "h".into(), process: 7 };
        let text = writer.message(9, &record);
        assert!(
            text.starts_with(
                "<108>1 2023-11-14T22:13:20.123456Z h troodon 7 audit - {\"number\":9,"
            ),
            "{text}"
        );
        assert!(!text.contains(char::is_control), "{text:?}");
        let text = writer.message(9, &Record { allowed: true, ..record });
        assert!(text.starts_with("<110>1 "), "{text}");
    }
}
