//! Clients that programs look for, label, and note something about.

use serde_json::json;
use tonic::Status;

use super::generated::search_clients_request::{Filters, SortingSense};
use super::generated::{
    AgentInformation, ApiClient, ApiResponse, ClientMetadata, ClientMetadataItem, GetClientRequest,
    LabelClientsRequest, Nothing, SearchClientsRequest, SearchClientsResponse,
    SetClientMetadataRequest, Uname,
};
use super::here::{Here, id, site};
use crate::clients;
use crate::limits;
use crate::model::client::Client;
use crate::model::door::Door;
use crate::model::id::ClientId;
use crate::model::search::Search;
use crate::model::site::Site;
use crate::store::metadata::Changes;
use crate::store::{StoreError, now_us};

/// Finds clients.
pub(super) fn list(
    here: &Here,
    wanted: SearchClientsRequest,
) -> Result<SearchClientsResponse, Status> {
    here.enter(Door::ShowClients, json!({"query": wanted.query}))?;
    if wanted.sort() != SortingSense::Unsorted {
        return Err(Status::invalid_argument("sort: clients come in the order of the index"));
    }
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let limit = match number(wanted.limit) {
        0 => limits::API_ROWS,
        limit => limit.min(limits::API_ROWS),
    };
    let search = Search::parse(&wanted.query);
    let store = &here.org.store;
    let read = || {
        if wanted.name_only {
            let names = store.search_names(&search, limit)?;
            return Ok(SearchClientsResponse { names, ..SearchClientsResponse::default() });
        }
        let since_us = match wanted.filter() {
            Filters::Unfiltered => 0,
            Filters::Online => now_us().saturating_sub(limits::ONLINE_US),
        };
        let found = store.search_clients_at(&search, since_us, number(wanted.offset), limit)?;
        Ok(SearchClientsResponse {
            items: found.iter().map(shown).collect(),
            total: store.search_count(&search, since_us)?,
            ..SearchClientsResponse::default()
        })
    };
    let found = read().map_err(|error: StoreError| here.refusal(Door::ShowClients, error))?;
    Ok(SearchClientsResponse { search_term: Some(wanted), ..found })
}

/// One client.
pub(super) fn get(here: &Here, wanted: &GetClientRequest) -> Result<ApiClient, Status> {
    here.enter(Door::ShowClients, json!({"client_id": wanted.client_id}))?;
    let id: ClientId = id("client_id", &wanted.client_id)?;
    let found = here.org.store.client(&id);
    let found = found.and_then(|found| found.ok_or_else(|| StoreError::NoClient(id.to_string())));
    found.map(|client| shown(&client)).map_err(|error| here.refusal(Door::ShowClients, error))
}

/// Gives labels to clients, or takes them away. Those before the first that cannot be labelled are.
pub(super) fn label(here: &Here, wanted: &LabelClientsRequest) -> Result<ApiResponse, Status> {
    if wanted.client_ids.len() > limits::PAGE {
        let text = format!("client_ids: {} at most", limits::PAGE);
        return Err(Status::invalid_argument(text));
    }
    let labels = wanted.labels.clone();
    let (add, remove) = match wanted.operation.as_str() {
        "set" => (labels, Vec::new()),
        "remove" => (Vec::new(), labels),
        _ => return Err(Status::invalid_argument("operation is set or remove")),
    };
    for client in &wanted.client_ids {
        let client = id("client_id", client)?;
        clients::label(&here.actor, &client, add.clone(), remove.clone())
            .map_err(|error| here.refusal(Door::LabelClients, error))?;
    }
    Ok(ApiResponse::default())
}

/// What is noted about a client or the server.
pub(super) fn notes(here: &Here, wanted: &GetClientRequest) -> Result<ClientMetadata, Status> {
    let site = site(&wanted.client_id)?;
    let (door, store) = (door_to_notes(site, Door::ShowClients), &here.org.store);
    here.enter(door, json!({"client_id": wanted.client_id}))?;
    let notes = match site {
        Site::Server => store.server_metadata(),
        Site::Client(id) => store.client_metadata(&id),
    };
    let notes = notes.map_err(|error| here.refusal(door, error))?;
    let items = notes.into_iter().map(|(key, value)| ClientMetadataItem { key, value });
    Ok(ClientMetadata { items: items.collect(), client_id: wanted.client_id.clone() })
}

/// Notes something about a client or the server.
pub(super) fn note(here: &Here, wanted: SetClientMetadataRequest) -> Result<Nothing, Status> {
    let site = site(&wanted.client_id)?;
    let gone = wanted.remove.into_iter().map(|name| (name, None));
    let set = wanted.add.into_iter().map(|item| (item.key, Some(item.value)));
    let changes: Changes = gone.chain(set).collect();
    let noted = match site {
        Site::Server => clients::note_server(&here.actor, changes),
        Site::Client(id) => clients::note(&here.actor, &id, changes),
    };
    noted.map_err(|error| here.refusal(door_to_notes(site, Door::NoteClients), error))?;
    Ok(Nothing {})
}

/// Notes about the server may be secrets.
const fn door_to_notes(site: Site, of_client: Door) -> Door {
    match site {
        Site::Server => Door::NoteServer,
        Site::Client(_) => of_client,
    }
}

fn shown(client: &Client) -> ApiClient {
    let host = &client.host;
    ApiClient {
        client_id: client.id.to_string(),
        agent_information: Some(AgentInformation {
            version: host.client_version.clone(),
            name: host.client_name.clone(),
            build_time: host.build_time.clone(),
            build_url: host.build_url.clone(),
        }),
        os_info: Some(Uname {
            system: host.system.clone(),
            hostname: host.hostname.clone(),
            release: host.release.clone(),
            machine: host.architecture.clone(),
            fqdn: host.fqdn.clone(),
            mac_addresses: host.mac_addresses.clone(),
        }),
        first_seen_at: client.enrolled_us / 1_000_000,
        last_seen_at: client.seen_us,
        last_ip: client.address.clone(),
        labels: client.labels.clone(),
        last_interrogate_flow_id: client
            .interrogation
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        last_event_table_version: client.event_table_version,
        last_label_timestamp: client.labels_changed_ns,
    }
}
