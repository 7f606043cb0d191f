//! The core's events in words, for the log.
//!
//! `info` is what an operator would put into a timeline, `warn` what is unusual and still works, `error` what lost something.
//! No row, file name or query is ever said.

use troodon_core::agent::{Event, Refusal, ServerIs};

/// Writes an event to the log.
pub fn say(event: &Event) {
    match event {
        Event::BadReply(why) => tracing::warn!(%why, "a reply was not believed"),
        Event::Conflict => {
            tracing::warn!("another client uses this key, or a connection of ours lingers")
        }
        Event::CorruptRecords(records) => tracing::error!(records, "the queue's files are damaged"),
        Event::Delivered(messages) => tracing::debug!(messages, "delivered"),
        Event::Enrolled => tracing::info!("enrolled"),
        Event::Enrolling => tracing::info!("asking to be enrolled"),
        Event::LinkDown(link, why) => tracing::debug!(?link, ?why, "connection lost"),
        Event::LinkUp(link) => tracing::debug!(?link, "connected"),
        Event::Pinned(ServerIs::Changed) => tracing::warn!("the server has another certificate"),
        Event::Pinned(ServerIs::First | ServerIs::Known) => tracing::info!("server.pem accepted"),
        Event::ReadRejected => {
            tracing::warn!("the server cannot read us; fetching server.pem again")
        }
        Event::Refused(refusal) => refused(refusal),
        Event::Rejected(messages) => tracing::error!(messages, "the server refused messages"),
        Event::Retry(at) => {
            tracing::info!(at_ms = at.as_micros() / 1000, "waiting before the next try")
        }
        Event::Seal(why) => tracing::error!(%why, "a request could not be sealed"),
        Event::State(why) => tracing::error!(%why, "state of the last run is not used"),
        Event::Storage(why) => tracing::error!(%why, "the queue's folder"),
        Event::Status(status) => tracing::warn!(status, "the server answered"),
        Event::WrongHttp(why) => tracing::warn!(%why, "the answer is no HTTP"),
        other => tracing::info!(?other, "event"),
    }
}

fn refused(refusal: &Refusal) {
    match refusal {
        Refusal::Pin(why) => tracing::warn!(%why, "server.pem refused"),
        Refusal::Portal => tracing::warn!("not our server: a page instead of server.pem"),
        Refusal::Redirect(status) => tracing::warn!(status, "redirect refused"),
        Refusal::Tls => tracing::warn!("TLS certificate refused"),
        other => tracing::warn!(?other, "server refused"),
    }
}
