//! What a hunt brought, across its clients.

use serde_json::{Map, Value};

use crate::limits;
use crate::model::hunt::Participant;
use crate::model::id::{ArtifactName, ClientId, FlowId, HuntId};
use crate::store::result::RowReader;
use crate::store::{Store, StoreError};

/// One row of a hunt.
#[derive(Debug, Clone)]
pub struct HuntRow {
    /// Whose it is.
    pub client: ClientId,
    /// Of which collection.
    pub flow: FlowId,
    /// The name of the host, with its domain if it says so.
    pub fqdn: String,
    /// One JSON object in UTF-8.
    pub row: bytes::Bytes,
}

impl HuntRow {
    /// The columns that the agent sent, and whose they are. What the server knows counts, whatever the agent calls its
    /// columns.
    ///
    /// # Errors
    /// It is damaged.
    pub fn object(&self) -> Result<Map<String, Value>, StoreError> {
        let mut row: Map<String, Value> = serde_json::from_slice(&self.row)?;
        let own = [
            ("FlowId", self.flow.as_str()),
            ("ClientId", self.client.as_str()),
            ("Fqdn", &self.fqdn),
        ];
        for (name, text) in own {
            row.shift_remove(name);
            row.insert(name.to_owned(), text.into());
        }
        Ok(row)
    }
}

/// Rows of all clients of a hunt, one after the other. Holds one chunk of rows at a time and no lock.
pub struct HuntRows {
    store: Store,
    hunt: HuntId,
    name: Option<ArtifactName>,
    after: Option<ClientId>,
    current: Option<(ClientId, FlowId, String, RowReader)>,
    page: std::vec::IntoIter<Participant>,
    /// Rows to leave out.
    skip: u64,
    failed: bool,
}

impl HuntRows {
    /// Rows under this name, or under the first that any of the collections has.
    pub fn new(store: Store, hunt: HuntId, name: Option<ArtifactName>) -> Self {
        let page = Vec::new().into_iter();
        Self { store, hunt, name, after: None, current: None, page, skip: 0, failed: false }
    }

    /// Begins behind this many rows. Rows of clients that are passed over are not read.
    #[must_use]
    pub fn behind(self, rows: u64) -> Self {
        Self { skip: rows, ..self }
    }

    fn advance(&mut self) -> Result<Option<HuntRow>, StoreError> {
        loop {
            if let Some((client, flow, fqdn, rows)) = &mut self.current
                && let Some(row) = rows.next()
            {
                let (client, flow, fqdn) = (*client, flow.clone(), fqdn.clone());
                return Ok(Some(HuntRow { client, flow, fqdn, row: row? }));
            }
            let Some(next) = self.participant()? else { return Ok(None) };
            if self.name.is_none() || self.skip > 0 {
                let found = match self.store.results(next.client, &next.flow) {
                    Ok(found) => found,
                    Err(StoreError::NoFlow { .. }) => continue,
                    Err(other) => return Err(other),
                };
                if self.name.is_none() {
                    self.name = found.first().map(|set| set.name.clone());
                }
                let own = found.iter().find(|set| Some(&set.name) == self.name.as_ref());
                let rows = own.map_or(0, |set| set.rows);
                if rows <= self.skip {
                    self.skip -= rows;
                    continue;
                }
            }
            let Some(name) = &self.name else { continue };
            let start = std::mem::take(&mut self.skip);
            self.current = match self.store.rows(next.client, &next.flow, name, start) {
                Ok(rows) => {
                    let host = self.store.client(&next.client)?.map(|client| client.host);
                    let host = host.unwrap_or_default();
                    let fqdn = if host.fqdn.is_empty() { host.hostname } else { host.fqdn };
                    Some((next.client, next.flow, fqdn, rows))
                }
                // Somebody deleted it.
                Err(StoreError::NoFlow { .. }) => None,
                Err(other) => return Err(other),
            };
        }
    }

    fn participant(&mut self) -> Result<Option<Participant>, StoreError> {
        if self.page.len() == 0 {
            let (after, limit) = (self.after.as_ref(), limits::QUERY_PARTICIPANTS);
            self.page = self.store.participants(&self.hunt, after, limit)?.into_iter();
        }
        let next = self.page.next();
        self.after = next.as_ref().map(|one| one.client).or(self.after);
        Ok(next)
    }
}

impl Iterator for HuntRows {
    type Item = Result<HuntRow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
