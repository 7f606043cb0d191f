//! Long polls: an agent waits here until there is something for it (docs/protocol.md section 3.4).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};
use troodon_core::envelope::PAD;
use troodon_proto::VeloMessage;

use super::Shared;
use super::control::refuse;
use super::door::Caller;
use super::poll::{Registration, Woken};
use super::realm::Desk;
use super::reply::Verdict;
use crate::ingest::Origin;
use crate::limits;
use crate::model::id::ClientId;
use crate::store::{StoreError, now_us};

/// Collections beyond `Client.concurrency` that are with an agent at a time (docs/protocol.md section 6.1).
const IN_FLIGHT_BEYOND: usize = 2;

impl Shared {
    /// Lets an agent in that wants to wait: its messages are kept, and its poll is registered.
    pub(super) async fn admit(
        self: &Arc<Self>,
        address: SocketAddr,
        body: Bytes,
    ) -> Result<(Arc<Desk>, Registration), Verdict> {
        let (desk, packet) = match self.open(body).await {
            Ok(Caller::Known(desk, packet)) => (desk, packet),
            Ok(Caller::Unknown(..) | Caller::Nobody) => return Err(Verdict::Enrol),
            Err(closed) => return Err(refuse(address, &closed)),
        };
        let client = *packet.source();
        let registration = desk.register(client).await?;
        match desk.keep(Origin::now(address), false, packet).await {
            Ok(()) => Ok((desk, registration)),
            Err(StoreError::NoClient(_)) => {
                desk.forget(&client);
                Err(Verdict::Enrol)
            }
            Err(error) => {
                tracing::error!(%client, %error, "cannot let a client wait");
                Err(Verdict::Busy)
            }
        }
    }
}

impl Desk {
    /// The poll of a client. An earlier one that may be dead is put to the test first.
    async fn register(&self, client: ClientId) -> Result<Registration, Verdict> {
        let deadline = Instant::now() + Duration::from_secs(limits::DOUBT_SECONDS);
        loop {
            let other = match self.polls.register(client) {
                Ok(registration) => return Ok(registration),
                Err(other) => other,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if timeout(left, other.doubt()).await.is_err() {
                tracing::warn!(%client, "two connections of one client");
                return Err(Verdict::Conflict);
            }
        }
    }

    /// Holds a poll until there is something for the agent, the time is up or the agent has gone.
    pub(super) async fn hold(self: Arc<Self>, poll: Registration, pieces: Sender<Bytes>) {
        let end = Instant::now() + self.poll_length();
        let pad = Bytes::from_static(&PAD);
        loop {
            match self.reply(poll.client()).await {
                Ok(Some((reply, messages))) => {
                    if pieces.send(reply).await.is_err() {
                        self.take_back(poll.client(), messages).await;
                    }
                    return;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(client = %poll.client(), %error, "cannot answer a poll");
                    return;
                }
            }
            // Nothing is due: wait for a reason to look again.
            loop {
                let pause = Duration::from_secs(limits::PAD_SECONDS);
                let woken = tokio::select! {
                    woken = poll.woken() => woken,
                    () = pieces.closed() => return,
                    () = self.shared.stopped() => return,
                    () = tokio::time::sleep_until(end.min(Instant::now() + pause)) => Woken::Doubt,
                };
                if woken == Woken::Task {
                    break;
                }
                if pieces.send(pad.clone()).await.is_err() || Instant::now() >= end {
                    return;
                }
            }
        }
    }

    /// The sealed reply to a poll, when something is due, and what has to be put back if the agent does not get it.
    pub(super) async fn reply(
        self: &Arc<Self>,
        client: ClientId,
    ) -> Result<Option<(Bytes, Vec<VeloMessage>)>, super::outbox::SealError> {
        let settings = &self.shared.settings;
        let in_flight = settings.concurrency.saturating_add(IN_FLIGHT_BEYOND);
        let recruits = settings.recruits;
        let mut messages = self.store.take_tasks(&client, in_flight, recruits, now_us()).await?;
        messages.extend(self.event_table(client).await?);
        if messages.is_empty() {
            return Ok(None);
        }
        let lasting =
            |message: &&VeloMessage| message.flow_request.is_some() || message.cancel.is_some();
        let sent = messages.iter().filter(lasting).cloned().collect();
        if let Some(names) = &self.shared.names {
            messages.iter_mut().for_each(|message| hide_names(message, names));
        }
        Ok(Some((self.seal(client, messages).await?, sent)))
    }

    /// The event table when the client has an older one; also starts an interrogation that is missing.
    async fn event_table(
        self: &Arc<Self>,
        client: ClientId,
    ) -> Result<Option<VeloMessage>, StoreError> {
        let record =
            self.store.read_async(move |db| crate::store::client::find(db, &client)).await?;
        let record = record.ok_or_else(|| StoreError::NoClient(client.to_string()))?;
        if record.interrogation.is_none() && self.presence.may_interrogate(&client, now_us()) {
            self.hook(move |hooks| hooks.enrolled(&client)).await?;
        }
        let Some(table) = self.hook(move |hooks| hooks.event_table(&record)).await? else {
            return Ok(None);
        };
        if !self.presence.may_send_table(&client, table.version, now_us()) {
            return Ok(None);
        }
        self.store.grant_events(client, &table).await?;
        Ok(Some(VeloMessage {
            session_id: crate::model::id::FlowId::MONITORING.to_owned(),
            update_event_table: Some(table),
            ..VeloMessage::default()
        }))
    }

    /// Puts back what an agent did not get because it had gone.
    pub(super) async fn take_back(&self, client: ClientId, messages: Vec<VeloMessage>) {
        if let Err(error) = self.store.take_back(client, messages).await {
            tracing::error!(%client, %error, "cannot put tasks back into the queue");
        }
    }

    /// How long to hold a poll: jitter keeps agents from coming back all at once.
    fn poll_length(&self) -> Duration {
        let mut byte = [0];
        // Without random bytes there is no jitter, and sealing will say why.
        let _ = getrandom::fill(&mut byte);
        self.shared.settings.max_poll
            + Duration::from_secs(u64::from(byte[0]) % limits::POLL_JITTER_SECONDS)
    }
}

/// Hides the names of results from whoever listens on the host.
fn hide_names(message: &mut VeloMessage, names: &troodon_core::obfuscation::Obfuscator) {
    let flow = message
        .flow_request
        .iter_mut()
        .flat_map(|request| request.vql_client_actions.iter_mut().chain(request.trace.iter_mut()));
    let events = message.update_event_table.iter_mut().flat_map(|table| table.event.iter_mut());
    for query in flow.chain(events).flat_map(|action| action.query.iter_mut()) {
        if !query.name.is_empty() {
            query.name = names.hide(&query.name);
        }
    }
}
