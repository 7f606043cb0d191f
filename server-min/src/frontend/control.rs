//! What agents send: opened, kept, and then answered. A 200 means that it is on disk.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use troodon_core::envelope::{Packet, Unknown, Verified};

use super::Shared;
use super::door::{Caller, Closed};
use super::realm::Desk;
use super::reply::Verdict;
use crate::ingest::{self, Origin, Outcome};
use crate::model::id::ClientId;
use crate::store::StoreError;

impl Shared {
    /// Works on the body of a control POST (docs/protocol.md section 3.3).
    pub(super) async fn control(
        self: &Arc<Self>,
        address: SocketAddr,
        urgent: bool,
        body: Bytes,
    ) -> Verdict {
        match self.open(body).await {
            Ok(Caller::Known(desk, packet)) => {
                let client = *packet.source();
                match desk.keep(Origin::now(address), urgent, packet).await {
                    Ok(()) => Verdict::Kept,
                    Err(StoreError::NoClient(_)) => {
                        desk.forget(&client);
                        Verdict::Enrol
                    }
                    Err(error) => {
                        tracing::error!(%client, %error, "cannot keep what a client sent");
                        Verdict::Busy
                    }
                }
            }
            Ok(Caller::Unknown(desk, unknown)) => desk.enrol(address, unknown).await,
            Ok(Caller::Nobody) => Verdict::Enrol,
            Err(closed) => refuse(address, &closed),
        }
    }
}

impl Desk {
    /// Keeps what is in a packet; when this answers, it is on disk. What is known already is not written again.
    pub(super) async fn keep(
        self: &Arc<Self>,
        origin: Origin,
        urgent: bool,
        packet: Verified<Packet, ClientId>,
    ) -> Result<(), StoreError> {
        let client = *packet.source();
        let Shared { posts, urgent_posts, names, .. } = &*self.shared;
        let turns = if urgent { urgent_posts } else { posts };
        // A turn is for what takes processor time and memory; waiting for the disk is done together with others.
        let turn = turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let sorted = ingest::sort(&self.store, packet, names.clone()).await?;
        drop(turn);
        if !self.presence.is_news(client, origin, &sorted) {
            return self.store.expect_client(client).await;
        }
        let version = sorted.event_table();
        let outcome = ingest::apply(&self.store, client, origin, sorted).await?;
        self.presence.noted(client, origin, version);
        self.follow_up(client, outcome).await;
        Ok(())
    }

    /// What is due when collections have ended: others may start, and hooks want to know.
    async fn follow_up(self: &Arc<Self>, client: ClientId, outcome: Outcome) {
        if outcome.completed.is_empty() && outcome.requeued.is_empty() {
            return;
        }
        self.polls.wake(&client);
        let completed = outcome.completed;
        let told = self.hook(move |hooks| {
            for flow in &completed {
                hooks.completed(&client, flow);
            }
        });
        if told.await.is_err() {
            tracing::error!(%client, "the end of a collection could not be followed up");
        }
    }

    /// Takes an unknown sender in when it asks for that with a request that holds.
    async fn enrol(self: &Arc<Self>, address: SocketAddr, unknown: Unknown) -> Verdict {
        let claimed = unknown.claimed().to_owned();
        let enrolment = match unknown.enrolment() {
            Ok(enrolment) => enrolment,
            Err(fault) => {
                tracing::info!(%address, claimed, %fault, "a stranger was not enrolled");
                return Verdict::Enrol;
            }
        };
        let client = enrolment.client_id();
        let key = enrolment.public_key().pkcs1_der().to_vec();
        match self.store.enrol(client, key).await {
            Ok(fresh) => {
                tracing::info!(%address, %client, fresh, "enrolled");
                if fresh && self.hook(move |hooks| hooks.enrolled(&client)).await.is_err() {
                    tracing::error!(%client, "the interrogation could not be started");
                }
                Verdict::Enrol
            }
            Err(error) => {
                tracing::error!(%client, %error, "cannot enrol");
                Verdict::Busy
            }
        }
    }
}

/// The answer to a body that was not opened.
pub(super) fn refuse(address: SocketAddr, closed: &Closed) -> Verdict {
    match closed {
        Closed::Peer(fault) => {
            tracing::info!(%address, %fault, "refused an envelope");
            Verdict::Forbidden
        }
        other => {
            tracing::warn!(%address, reason = %other, "cannot open an envelope");
            Verdict::Busy
        }
    }
}
