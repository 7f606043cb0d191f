//! Reads bodies of requests within limits of length, time and memory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

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
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Read, BodyFault> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(BodyFault::TooLong);
        }
        // Room for what is announced comes first: requests that hold some and wait for more would wait for each other.
        let exact = body.size_hint().exact().is_some();
        let reserved = if exact { announced } else { limits::UNANNOUNCED_BODY_BYTES.min(limit) };
        let kib = u32::try_from(reserved.div_ceil(1024)).unwrap_or(u32::MAX);
        let patience = Duration::from_secs(limits::BODY_SECONDS);
        let deadline = Instant::now() + patience;
        let room = Arc::clone(&self.room).acquire_many_owned(kib);
        let room = match timeout_at(deadline, room).await {
            Ok(Ok(room)) => room,
            Ok(Err(_)) | Err(_) => return Err(BodyFault::NoRoom),
        };
        let mut bytes = BytesMut::with_capacity(announced.min(limits::BODY_START_BYTES));
        let mut body = pin!(body);
        let frames = async {
            while let Some(frame) =
                std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await
            {
                let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else { continue };
                if data.len() > reserved.saturating_sub(bytes.len()) {
                    return Err(BodyFault::TooLong);
                }
                bytes.extend_from_slice(&data);
            }
            Ok(())
        };
        timeout_at(Instant::now() + patience, frames).await.map_err(|_| BodyFault::Broken)??;
        Ok(Read { bytes: bytes.freeze(), _room: room })
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
}
