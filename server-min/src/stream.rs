//! Bodies that a thread makes piece by piece: as much in memory as is on its way, and no more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Pieces that wait for a slow reader.
const WAITING: usize = 4;

/// Where a thread puts the pieces of a body.
pub(crate) struct Pieces(Sender<io::Result<Bytes>>);

impl Pieces {
    /// Waits until there is room for a piece.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(crate) fn send(&self, piece: Bytes) -> io::Result<()> {
        self.0.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

struct Received(Receiver<io::Result<Bytes>>);

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A body, and where its pieces are sent. It ends when the sender is dropped.
pub(crate) fn channel() -> (Sender<io::Result<Bytes>>, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (sender, Body::new(Received(receiver)))
}

/// A body whose pieces `make` sends, on a thread that may block. When it fails, the connection ends without the end of
/// the body, so that nobody takes a part for the whole.
pub(crate) fn body(make: impl FnOnce(&Pieces) -> io::Result<()> + Send + 'static) -> Body {
    let (sender, body) = channel();
    tokio::task::spawn_blocking(move || {
        let pieces = Pieces(sender);
        if let Err(error) = make(&pieces) {
            // Nobody may be there to hear it.
            drop(pieces.0.blocking_send(Err(error)));
        }
    });
    body
}
