//! From rows to answers: so many rows in one, or as many as there are when somebody has waited long enough.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::codegen::tokio_stream::Stream;
use troodon_proto::{VqlCollectorArgs, VqlRequest, VqlResponse};

use super::query::{Heard, Said};
use crate::limits;
use crate::store::now_us;

/// How somebody wants the answers.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    rows: usize,
    wait: Duration,
    query: VqlRequest,
}

impl Shape {
    pub(super) fn of(wanted: &VqlCollectorArgs) -> Self {
        let rows = usize::try_from(wanted.max_row).unwrap_or(usize::MAX);
        let seconds = if wanted.max_wait == 0 { limits::API_WAIT_SECONDS } else { wanted.max_wait };
        Self {
            rows: if rows == 0 { limits::API_ROWS } else { rows.min(limits::API_ROWS) },
            wait: Duration::from_secs(seconds.min(limits::API_WAIT_SECONDS)),
            query: wanted.query.first().cloned().unwrap_or_default(),
        }
    }
}

/// The answers to one query.
pub(super) struct Batches {
    heard: Heard,
    shape: Shape,
    /// Rows that wait, with the columns of the first.
    columns: Vec<String>,
    rows: Vec<Vec<u8>>,
    bytes: usize,
    part: u64,
    sent_rows: u64,
    /// What has to go out before anything else.
    next: Option<VqlResponse>,
    due: Pin<Box<Sleep>>,
    end: Option<(Duration, Pin<Box<Sleep>>)>,
    over: bool,
}

impl Batches {
    pub(super) fn new(heard: Heard, shape: Shape, limit: Option<Duration>) -> Self {
        let due = Box::pin(sleep_until(Instant::now() + shape.wait));
        let end = limit.map(|limit| (limit, Box::pin(sleep_until(Instant::now() + limit))));
        Self {
            heard,
            shape,
            columns: Vec::new(),
            rows: Vec::new(),
            bytes: 0,
            part: 0,
            sent_rows: 0,
            next: None,
            due,
            end,
            over: false,
        }
    }

    /// The rows that wait, as one answer.
    fn flush(&mut self) -> Option<VqlResponse> {
        if self.rows.is_empty() {
            return None;
        }
        let total = u64::try_from(self.rows.len()).unwrap_or(u64::MAX);
        let rows = std::mem::take(&mut self.rows);
        let mut response =
            Vec::with_capacity(self.bytes.saturating_add(rows.len()).saturating_add(2));
        response.push(b'[');
        response.extend(rows.join(&b','));
        response.push(b']');
        let answer = VqlResponse {
            response: Bytes::from(response),
            columns: std::mem::take(&mut self.columns),
            query: Some(self.shape.query.clone()),
            timestamp: now_us(),
            part: self.part,
            total_rows: total,
            query_start_row: self.sent_rows,
            ..VqlResponse::default()
        };
        self.bytes = 0;
        self.part = self.part.saturating_add(1);
        self.sent_rows = self.sent_rows.saturating_add(total);
        Some(answer)
    }

    fn take(&mut self, columns: Vec<String>, row: Vec<u8>) -> Option<VqlResponse> {
        // Rows of another statement are an answer of their own: an answer has one list of columns.
        let before = if self.columns == columns { None } else { self.flush() };
        if self.rows.is_empty() {
            self.columns = columns;
            let due = Instant::now() + self.shape.wait;
            self.due.as_mut().reset(due);
        }
        self.bytes = self.bytes.saturating_add(row.len());
        self.rows.push(row);
        let is_full = self.rows.len() >= self.shape.rows || self.bytes >= limits::API_ANSWER_BYTES;
        if before.is_none() && is_full { self.flush() } else { before }
    }

    /// A line of the log, behind the rows that came before it.
    fn log(&mut self, timestamp: u64, log: String) -> VqlResponse {
        let line = VqlResponse { timestamp, log, ..VqlResponse::default() };
        match self.flush() {
            None => line,
            Some(rows) => {
                self.next = Some(line);
                rows
            }
        }
    }
}

impl Stream for Batches {
    type Item = Result<VqlResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(Some(Ok(next)));
        }
        while !self.over {
            if let Some((limit, end)) = &mut self.end
                && end.as_mut().poll(context).is_ready()
            {
                let line = format!("ERROR:Timeout Error: Collection timed out after {limit:?}");
                self.end = None;
                self.heard.stop();
                return Poll::Ready(Some(Ok(self.log(now_us(), line))));
            }
            let answer = match self.heard.receiver.poll_recv(context) {
                Poll::Ready(Some(Said::Row(columns, row))) => self.take(columns, row),
                Poll::Ready(Some(Said::Log(time, line))) => Some(self.log(time, line)),
                Poll::Ready(None) => {
                    self.over = true;
                    self.flush()
                }
                Poll::Pending if self.rows.is_empty() => return Poll::Pending,
                Poll::Pending => match self.due.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.flush(),
                },
            };
            if let Some(answer) = answer {
                return Poll::Ready(Some(Ok(answer)));
            }
        }
        Poll::Ready(None)
    }
}
