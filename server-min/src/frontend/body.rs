//! Reads bodies of requests within limits of length, time and memory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits;

/// Memory for bodies of all requests together, in KiB.
pub(super) struct Budget {
    room: Arc<Semaphore>,
}

/// A body, and its share of the budget.
pub(super) struct Read {
    /// What came.
    pub(super) bytes: Bytes,
    /// Given back when this is dropped.
    _room: OwnedSemaphorePermit,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// Longer than allowed.
    TooLong,
    /// Not here in time, or the connection broke.
    Broken,
    /// Other bodies take all the memory.
    NoRoom,
}

impl Budget {
    pub(super) fn new(kib: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(kib)) }
    }

    /// Reads a body of at most `limit` bytes.
    ///
    /// Room is taken for what is here, not for what is announced: an announcement costs nothing.
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Read, BodyFault> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(BodyFault::TooLong);
        }
        let mut bytes = BytesMut::with_capacity(announced.min(limits::BODY_STEP_BYTES));
        let mut room = self.room(0).await?;
        let mut body = pin!(body);
        let end = Instant::now() + Duration::from_secs(limits::BODY_SECONDS);
        let (mut goal, mut goal_by) = (0, end);
        loop {
            if bytes.len() >= goal {
                goal = bytes.len().saturating_add(limits::BODY_STEP_BYTES);
                goal_by = end.min(Instant::now() + Duration::from_secs(limits::BODY_STEP_SECONDS));
            }
            let next = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
            let Some(frame) = timeout_at(goal_by, next).await.map_err(|_| BodyFault::Broken)?
            else {
                return Ok(Read { bytes: bytes.freeze(), _room: room });
            };
            let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
            let length = bytes.len().saturating_add(data.len());
            if length > limit {
                return Err(BodyFault::TooLong);
            }
            room.merge(self.room(length.div_ceil(1024).saturating_sub(room.num_permits())).await?);
            bytes.extend_from_slice(&data);
        }
    }

    /// So many KiB, when others leave them in time.
    async fn room(&self, kib: usize) -> Result<OwnedSemaphorePermit, BodyFault> {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib);
        match timeout(Duration::from_secs(limits::BODY_ROOM_SECONDS), room).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(BodyFault::NoRoom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_and_a_longer_one_is_not() {
        let budget = Budget::new(64);
        let read = budget.read(Body::from(vec![7; 1000]), 1000).await.ok().unwrap();
        assert_eq!(read.bytes, vec![7; 1000]);
        let fault = budget.read(Body::from(vec![7; 1001]), 1000).await.err();
        assert_eq!(fault, Some(BodyFault::TooLong));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_fit_beside_others_is_turned_away() {
        let budget = Budget::new(4);
        let held = budget.read(Body::from(vec![7; 3000]), 4096).await.ok().unwrap();
        let fault = budget.read(Body::from(vec![7; 3000]), 4096).await.err();
        assert_eq!(fault, Some(BodyFault::NoRoom));
        drop(held);
        assert!(budget.read(Body::from(vec![7; 3000]), 4096).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        struct Trickle(tokio::time::Interval);
        impl HttpBody for Trickle {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                mut self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
                let tick = self.0.poll_tick(context);
                tick.map(|_| Some(Ok(http_body::Frame::data(Bytes::from_static(b"x")))))
            }
        }
        let body = Body::new(Trickle(tokio::time::interval(Duration::from_secs(1))));
        let begun = Instant::now();
        let fault = Budget::new(1024).read(body, 1 << 20).await.err();
        assert_eq!(fault, Some(BodyFault::Broken));
        assert_eq!(begun.elapsed().as_secs(), limits::BODY_STEP_SECONDS);
    }
}
