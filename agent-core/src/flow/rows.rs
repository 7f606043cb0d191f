//! Rows of one statement on their way to the server: JSON lines, shipped in parts (docs/protocol.md section 6.3).

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;
use troodon_proto::{VqlRequest, VqlResponse};

use crate::time::{Instant, Span, UnixTime};

/// When a part is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartLimits {
    /// Rows of a part.
    pub(crate) rows: u64,
    /// Bytes of a part; one row may pass it.
    pub(crate) bytes: usize,
    /// How long a row waits for others.
    pub(crate) wait: Span,
}

/// What was sent for each name; statements of one batch that share a name share their count.
///
/// The server tells a repeated part by the row that it starts with (docs/protocol.md section 6.6), so the counts
/// never go back while the batch lives.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    names: Vec<(String, Position)>,
}

impl Sent {
    fn position(&mut self, name: &str) -> Option<&mut Position> {
        if !self.names.iter().any(|(known, _)| known == name) {
            self.names.push((name.into(), Position::default()));
        }
        self.names.iter_mut().find(|(known, _)| known == name).map(|(_, position)| position)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Position {
    rows: u64,
    bytes: u64,
    parts: u64,
}

/// Rows of one statement that wait to be shipped.
#[derive(Debug)]
pub(crate) struct Rows {
    request: VqlRequest,
    query_id: u64,
    limits: PartLimits,
    columns: Vec<String>,
    lines: Vec<u8>,
    count: u64,
    due_at: Instant,
}

impl Rows {
    /// `request` is echoed in each part; `query_id` is the statement's place in its batch, from 0.
    pub(crate) fn new(request: VqlRequest, query_id: u64, limits: PartLimits) -> Self {
        Self {
            request,
            query_id,
            limits,
            columns: Vec::new(),
            lines: Vec::new(),
            count: 0,
            due_at: Instant::NEVER,
        }
    }

    /// Whether the statement has a name under which the server keeps rows.
    pub(crate) const fn has_name(&self) -> bool {
        !self.request.name.is_empty()
    }

    /// The buffer to which the caller appends one JSON object and a line feed, and then calls [`Rows::added`].
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Counts the row that was appended. `columns` is asked for the first row of a part only.
    pub(crate) fn added(&mut self, now: Instant, columns: impl FnOnce() -> Vec<String>) {
        if self.count == 0 {
            self.columns = columns();
            self.due_at = now.saturating_add(self.limits.wait);
        }
        self.count = self.count.saturating_add(1);
    }

    /// Whether the part should be shipped at `now`.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.count > 0
            && (self.count >= self.limits.rows
                || self.lines.len() > self.limits.bytes
                || now >= self.due_at)
    }

    /// When the part has to be shipped at the latest.
    pub(crate) const fn due_at(&self) -> Instant {
        self.due_at
    }

    /// The part, or `None` when there is no row. The lines move into the message without a copy.
    pub(crate) fn take(&mut self, wall: UnixTime, sent: &mut Sent) -> Option<VqlResponse> {
        if self.count == 0 {
            return None;
        }
        let position = sent.position(&self.request.name)?;
        let lines = Bytes::from(mem::take(&mut self.lines));
        let response = VqlResponse {
            columns: mem::take(&mut self.columns),
            query: Some(self.request.clone()),
            timestamp: wall.as_micros(),
            query_id: self.query_id,
            part: position.parts,
            total_rows: self.count,
            query_start_row: position.rows,
            byte_offset: position.bytes,
            jsonl_response: lines,
            ..VqlResponse::default()
        };
        let len = u64::try_from(response.jsonl_response.len()).unwrap_or(u64::MAX);
        position.rows = position.rows.saturating_add(self.count);
        position.bytes = position.bytes.saturating_add(len);
        position.parts = position.parts.saturating_add(1);
        self.count = 0;
        self.due_at = Instant::NEVER;
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const LIMITS: PartLimits = PartLimits { rows: 3, bytes: 20, wait: Span::from_secs(5) };

    #[test]
    fn a_part_is_due_when_it_has_enough_rows() {
        let mut rows = rows();
        add(&mut rows, "{}\n", 0);
        add(&mut rows, "{}\n", 0);
        assert!(!rows.is_due(at(0)));
        add(&mut rows, "{}\n", 0);
        assert!(rows.is_due(at(0)));
    }

    #[test]
    fn a_part_is_due_when_it_has_enough_bytes() {
        let mut rows = rows();
        add(&mut rows, "{\"A\":\"123456789abc\"}\n", 0);
        assert!(rows.is_due(at(0)));
    }

    #[test]
    fn a_row_waits_no_longer_than_allowed() {
        let mut rows = rows();
        add(&mut rows, "{}\n", 1);
        assert!(!rows.is_due(at(5)));
        assert!(rows.is_due(at(6)));
        assert_eq!(rows.due_at(), at(6));
    }

    #[test]
    fn nothing_is_never_due() {
        let mut rows = rows();
        assert!(!rows.is_due(Instant::NEVER));
        assert_eq!(rows.take(UnixTime::EPOCH, &mut Sent::default()), None);
    }

    #[test]
    fn parts_of_one_name_follow_each_other_without_a_gap() {
        let mut sent = Sent::default();
        let (mut first, mut second) = (rows(), rows());
        add(&mut first, "{\"A\":1}\n", 0);
        add(&mut first, "{\"A\":2}\n", 0);
        let a = first.take(UnixTime::from_micros(7), &mut sent).expect("two rows");
        add(&mut second, "{\"A\":3}\n", 0);
        let b = second.take(UnixTime::EPOCH, &mut sent).expect("one row");
        assert_eq!((a.part, a.query_start_row, a.byte_offset, a.total_rows), (0, 0, 0, 2));
        assert_eq!((b.part, b.query_start_row, b.byte_offset, b.total_rows), (1, 2, 16, 1));
        assert_eq!(&a.jsonl_response[..], b"{\"A\":1}\n{\"A\":2}\n");
        assert_eq!((a.columns, a.timestamp), (vec![String::from("A")], 7));
    }

    fn rows() -> Rows {
        Rows::new(VqlRequest { vql: "q".into(), name: "n".into() }, 0, LIMITS)
    }

    fn add(rows: &mut Rows, line: &str, seconds: u64) {
        rows.buffer().extend_from_slice(line.as_bytes());
        rows.added(at(seconds), || vec!["A".into()]);
    }

    const fn at(seconds: u64) -> Instant {
        Instant::ORIGIN.saturating_add(Span::from_secs(seconds))
    }
}
