//! Telling open pages that something has changed (server-sent events). Nothing but that is told: what has changed is on
//! the page, which its reader fetches anew with the rights of that moment.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::watch;

use super::fault::Fault;
use super::visitor::Visitor;
use crate::limits;
use crate::store::{Store, StoreError};
use crate::stream;

/// A comment in the stream, so that both ends notice when the other is gone.
const PAD: &[u8] = b":\n\n";
const CHANGED: &[u8] = b"data: changed\n\n";

/// Looks for commits until it is told to stop; then `tell` is dropped, which ends all streams.
pub(super) async fn watch_commits(
    store: Store,
    tell: watch::Sender<i64>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut due = tokio::time::interval(Duration::from_secs(limits::LIVE_SECONDS));
    let mut reader = store.reader()?;
    loop {
        tokio::select! {
            _ = due.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        let asked = store.clone();
        let look = move || {
            let commits = asked.commits(&reader);
            (reader, commits)
        };
        let (back, commits) =
            tokio::task::spawn_blocking(look).await.map_err(|_| StoreError::Closed)?;
        reader = back;
        let commits = commits?;
        tell.send_if_modified(|last| std::mem::replace(last, commits) != commits);
    }
}

pub(super) async fn stream(visitor: Visitor) -> Result<Response, Fault> {
    // The root's changes are looked for once for all pages, those of another organisation for each.
    let (end, ended) = watch::channel(false);
    let mut changes = visitor.changes();
    if !visitor.org().id().is_root() {
        let (tell, told) = watch::channel(0);
        tokio::spawn(watch_commits(visitor.store().clone(), tell, ended));
        changes = told;
    }
    let (sender, body) = stream::channel();
    tokio::spawn(async move {
        let _end = end;
        let until = tokio::time::sleep(Duration::from_secs(limits::LIVE_STREAM_SECONDS));
        tokio::pin!(until);
        let pad = Duration::from_secs(limits::PAD_SECONDS);
        // The first piece makes the browser know that it is connected.
        let mut piece = PAD;
        while sender.send(Ok(Bytes::from_static(piece))).await.is_ok() {
            piece = tokio::select! {
                changed = changes.changed() => if changed.is_ok() { CHANGED } else { return },
                () = tokio::time::sleep(pad) => PAD,
                () = &mut until => return,
            };
        }
    });
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
