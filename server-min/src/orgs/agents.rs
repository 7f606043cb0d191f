//! What the frontend asks of an organisation while its agents are there.

use std::sync::PoisonError;

use troodon_proto::VqlEventTable;

use super::{Org, Orgs};
use crate::frontend::{Hooks, Realm, Realms};
use crate::launcher::LaunchError;
use crate::model::client::Client;
use crate::model::id::ClientId;
use crate::store::StoreError;

impl Realms for Orgs {
    fn find(&self, nonce: &str) -> Result<Option<Realm>, StoreError> {
        let org = self.of_nonce(nonce)?;
        Ok(org.map(|org| Realm { nonce: nonce.to_owned(), store: org.store.clone(), hooks: org }))
    }
}

impl Org {
    fn interrogate(&self, client: &ClientId) -> Result<(), LaunchError> {
        let _turn = self.interrogating.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.store.client(client)?;
        if known.is_some_and(|client| client.interrogation.is_none()) {
            let flow = self.launcher.interrogate(client)?;
            self.store.set_interrogation(client, &flow)?;
        }
        Ok(())
    }
}

impl Hooks for Org {
    fn enrolled(&self, client: &ClientId) {
        if let Err(error) = self.interrogate(client) {
            tracing::error!(%client, %error, "a client cannot be asked about its host");
        }
    }

    fn event_table(&self, client: &Client) -> Option<VqlEventTable> {
        match self.monitoring.table(client) {
            Ok(table) => table,
            Err(error) => {
                tracing::error!(client = %client.id, %error, "there is no event table");
                None
            }
        }
    }
}
