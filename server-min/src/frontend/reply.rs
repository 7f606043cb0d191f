//! The answers that agents understand (docs/protocol.md sections 2.8, 3.3 and 3.5).

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Tells a proxy not to collect a reply before passing it on.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What became of a message, apart from its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is on disk.
    Kept,
    /// It can never be kept; the agent drops it.
    Unusable,
    /// It cannot be believed.
    Forbidden,
    /// The sender is not enrolled. Also the answer to an enrolment that succeeded.
    Enrol,
    /// Another connection is this agent.
    Conflict,
    /// It did not come in time.
    Slow,
    /// Not now; the agent sends it again.
    Busy,
}

impl Verdict {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Kept => StatusCode::OK,
            Self::Unusable => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Enrol => StatusCode::NOT_ACCEPTABLE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A line for whoever reads it with curl. It tells a stranger nothing.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Kept => "",
            Self::Unusable => "Cannot be used\n",
            Self::Forbidden => "\n",
            Self::Enrol => "Please Enrol\n",
            Self::Conflict => "Another connection with this client id is open\n",
            Self::Slow => "Too slow\n",
            Self::Busy => "Try again\n",
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        let body = match self.text() {
            "" => Body::empty(),
            text => Body::from(text),
        };
        let mut response = text(self.status(), body);
        if self == Self::Kept {
            response.headers_mut().insert(UNBUFFERED, HeaderValue::from_static("no"));
        }
        response
    }
}

/// A plain text response.
pub(super) fn text(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, TEXT);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A response whose head goes out at once and whose body comes piece by piece.
pub(super) fn streamed() -> (mpsc::Sender<Bytes>, Response<Body>) {
    let (sender, pieces) = mpsc::channel(1);
    let mut response = text(StatusCode::OK, Body::new(Pieces { pieces }));
    response.headers_mut().insert(UNBUFFERED, HeaderValue::from_static("no"));
    (sender, response)
}

struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
