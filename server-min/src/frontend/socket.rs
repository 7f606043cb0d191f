//! The same endpoints over websockets, for agents whose URL begins with `wss` (docs/protocol.md section 3.8).
//!
//! An agent sends one binary message for each body; the answer is JSON with the status and the reply.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::Shared;
use super::realm::Desk;
use super::reply::Verdict;
use crate::limits;

pub(super) fn server_pem(shared: Arc<Shared>, upgrade: WebSocketUpgrade) -> Response<Body> {
    accept(upgrade, |mut socket| async move {
        if next(&mut socket, &shared).await.is_some() {
            let pem = shared.settings.certificate.as_bytes();
            send(&mut socket, StatusCode::OK, pem).await;
            close(socket).await;
        }
    })
}

pub(super) fn control(
    shared: Arc<Shared>,
    address: SocketAddr,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    accept(upgrade, move |mut socket| async move {
        while let Some(body) = next(&mut socket, &shared).await {
            let verdict = shared.control(address, false, body).await;
            let sent = send(&mut socket, verdict.status(), verdict.text().as_bytes()).await;
            if !sent || verdict != Verdict::Kept {
                break;
            }
        }
        close(socket).await;
    })
}

pub(super) fn reader(
    shared: Arc<Shared>,
    address: SocketAddr,
    upgrade: WebSocketUpgrade,
) -> Response<Body> {
    accept(upgrade, move |mut socket| async move {
        let Some(body) = next(&mut socket, &shared).await else { return };
        match shared.admit(address, body).await {
            Ok((desk, registration)) => push(&mut socket, &desk, registration).await,
            Err(verdict) => {
                send(&mut socket, verdict.status(), verdict.text().as_bytes()).await;
            }
        }
        close(socket).await;
    })
}

/// Sends what is due whenever something is, until the agent has gone.
async fn push(socket: &mut WebSocket, desk: &Arc<Desk>, poll: super::poll::Registration) {
    let ping = Duration::from_secs(limits::SOCKET_PING_SECONDS);
    let mut heard = Instant::now();
    let mut pings = tokio::time::interval(ping);
    loop {
        match desk.reply(poll.client()).await {
            Ok(Some((reply, messages))) => {
                if !send(socket, StatusCode::OK, &reply).await {
                    desk.take_back(poll.client(), messages).await;
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(client = %poll.client(), %error, "cannot answer a poll");
                return;
            }
        }
        loop {
            tokio::select! {
                // Whoever doubts this agent gets an answer from the ping.
                _ = poll.woken() => {
                    if socket.send(Message::Ping(Bytes::new())).await.is_err() {
                        return;
                    }
                    break;
                }
                _ = pings.tick() => {
                    let silent = heard.elapsed() > ping + ping / 10;
                    if silent || socket.send(Message::Ping(Bytes::new())).await.is_err() {
                        return;
                    }
                    break;
                }
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => heard = Instant::now(),
                },
                () = desk.shared.stopped() => return,
            }
        }
    }
}

fn accept<F: Future<Output = ()> + Send + 'static>(
    upgrade: WebSocketUpgrade,
    serve: impl FnOnce(WebSocket) -> F + Send + 'static,
) -> Response<Body> {
    upgrade
        .max_message_size(limits::SOCKET_MESSAGE_BYTES)
        .max_frame_size(limits::SOCKET_MESSAGE_BYTES)
        .on_upgrade(serve)
}

/// The next message with a body. Pings the agent while it says nothing; `None` when it has gone.
async fn next(socket: &mut WebSocket, shared: &Shared) -> Option<Bytes> {
    let ping = Duration::from_secs(limits::SOCKET_PING_SECONDS);
    let mut asked = false;
    loop {
        let message = tokio::select! {
            message = timeout(ping, socket.recv()) => message,
            () = shared.stopped() => return None,
        };
        match message {
            Ok(Some(Ok(Message::Binary(body)))) => return Some(body),
            Ok(Some(Ok(Message::Text(text)))) => return Some(text.into()),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => asked = false,
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return None,
            Err(_) if asked => return None,
            Err(_) => {
                socket.send(Message::Ping(Bytes::new())).await.ok()?;
                asked = true;
            }
        }
    }
}

/// Answers false when the agent has gone.
async fn send(socket: &mut WebSocket, status: StatusCode, data: &[u8]) -> bool {
    let answer = match (status, data) {
        (status, []) => serde_json::json!({ "code": status.as_u16() }),
        (StatusCode::OK, data) => {
            serde_json::json!({ "code": 200, "data": STANDARD.encode(data) })
        }
        (status, data) => {
            let text = String::from_utf8_lossy(data);
            serde_json::json!({ "code": status.as_u16(), "err": text.trim() })
        }
    };
    let body = Bytes::from(answer.to_string());
    let patience = Duration::from_secs(limits::BODY_STEP_SECONDS);
    matches!(timeout(patience, socket.send(Message::Binary(body))).await, Ok(Ok(())))
}

async fn close(mut socket: WebSocket) {
    let frame = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    // The agent may have gone already.
    let _ = socket.send(Message::Close(Some(frame))).await;
}
