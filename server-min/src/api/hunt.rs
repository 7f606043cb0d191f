//! Hunts that programs make, lead and look at.

use serde_json::json;
use tonic::Status;

use super::generated::hunt::State;
use super::generated::hunt_os_condition::Os as OsNumber;
use super::generated::{
    FlowAssignment, GetHuntRequest, GetHuntResultsRequest, GetTableRequest, GetTableResponse, Hunt,
    HuntCondition, HuntLabelCondition, HuntMutation, HuntOsCondition, HuntStats, ListHuntsRequest,
    ListHuntsResponse, Nothing, StartFlowResponse,
};
use super::here::{Here, id};
use super::table::{Answer, Objects};
use super::{flow, table};
use crate::hunts::{self, Edit, HuntRows, NewHunt};
use crate::limits;
use crate::model::door::Door;
use crate::model::hunt::{Condition, Hunt as Kept, HuntState, Os};
use crate::model::id::{ArtifactName, HuntId};
use crate::store::{Store, StoreError, now_us};

/// Makes a hunt. Who makes it, and when, is not what the request says.
pub(super) fn create(here: &Here, wanted: &Hunt) -> Result<StartFlowResponse, Status> {
    if !wanted.org_ids.is_empty() || !wanted.tags.is_empty() {
        let text = "org_ids and tags: a hunt is in the organisation of the call, and has no tags";
        return Err(Status::invalid_argument(text));
    }
    let running = match wanted.state() {
        State::Unset | State::Paused => false,
        State::Running => true,
        other => {
            let text = format!("state: a hunt does not begin as {}", other.as_str_name());
            return Err(Status::invalid_argument(text));
        }
    };
    let new = NewHunt {
        description: wanted.hunt_description.clone(),
        collect: wanted.start_request.as_ref().map(flow::wanted).unwrap_or_default(),
        condition: wanted.condition.as_ref().map(condition).unwrap_or_default(),
        client_limit: wanted.client_limit,
        expires_us: wanted.expires,
        running,
    };
    let door = if running { Door::StartHunt } else { Door::CreateHunt };
    let made = hunts::create(&here.actor, &here.org.launcher, &new);
    let made = made.map_err(|error| here.refusal(door, error))?;
    Ok(StartFlowResponse { flow_id: made.to_string() })
}

/// Hunts, latest first.
pub(super) fn list(here: &Here, wanted: &ListHuntsRequest) -> Result<ListHuntsResponse, Status> {
    here.enter(Door::ShowHunts, json!({}))?;
    let is_wanted = |hunt: &Kept| {
        wanted.user_filter.is_empty() || hunt.creator.eq_ignore_ascii_case(&wanted.user_filter)
    };
    let page = page(&here.org.store, is_wanted, wanted.offset, wanted.count);
    let items: Result<Vec<Hunt>, StoreError> = page.and_then(|page| {
        let store = &here.org.store;
        page.into_iter().map(|hunt| shown(store, hunt, wanted.summary)).collect()
    });
    Ok(ListHuntsResponse { items: items.map_err(|error| here.refusal(Door::ShowHunts, error))? })
}

/// Those that are wanted, behind so many of them.
fn page(
    store: &Store,
    is_wanted: impl Fn(&Kept) -> bool,
    offset: u64,
    count: u64,
) -> Result<Vec<Kept>, StoreError> {
    let (mut offset, count) = (usize::try_from(offset).unwrap_or(usize::MAX), table::rows(count));
    let (mut seen, mut found) = (0_usize, Vec::new());
    loop {
        let next = store.hunts(seen, limits::QUERY_FLOWS)?;
        let is_last = next.len() < limits::QUERY_FLOWS;
        seen = seen.saturating_add(next.len());
        for hunt in next.into_iter().filter(&is_wanted) {
            if offset > 0 {
                offset -= 1;
            } else if found.len() < count {
                found.push(hunt);
            } else {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// The same as a table.
pub(super) fn table(here: &Here, wanted: &GetTableRequest) -> Result<GetTableResponse, Status> {
    here.enter(Door::ShowHunts, json!({}))?;
    let (start, store) = (wanted.start_row, &here.org.store);
    let rows = page(store, |_| true, start, wanted.rows).and_then(|page| {
        let row = |hunt: Kept| {
            let stats = store.hunt_stats(&hunt.id)?;
            Ok(json!({
                "State": hunt.state(stats.scheduled, now_us()).name(),
                "HuntId": hunt.id.as_str(),
                "Description": hunt.description,
                "Created": hunt.created_us,
                "Started": hunt.started_us,
                "Expires": hunt.expires_us,
                "Scheduled": stats.scheduled,
                "Creator": hunt.creator,
            }))
        };
        page.into_iter().map(row).collect::<Result<Vec<_>, StoreError>>()
    });
    let rows = rows.map_err(|error| here.refusal(Door::ShowHunts, error))?;
    let mut answer = Answer::new(wanted)?;
    rows.into_iter().for_each(|row| answer.object(row));
    Ok(answer.end(None))
}

/// One hunt.
pub(super) fn get(here: &Here, wanted: &GetHuntRequest) -> Result<Hunt, Status> {
    here.enter(Door::ShowHunts, json!({"hunt_id": wanted.hunt_id}))?;
    let (id, store): (HuntId, _) = (id("hunt_id", &wanted.hunt_id)?, &here.org.store);
    let found = store.hunt(&id).and_then(|hunt| shown(store, hunt, false));
    found.map_err(|error| here.refusal(Door::ShowHunts, error))
}

/// Changes a hunt by what is set in the request.
pub(super) fn modify(here: &Here, wanted: &HuntMutation) -> Result<Nothing, Status> {
    let hunt = id("hunt_id", &wanted.hunt_id)?;
    if !wanted.tags.is_empty() {
        return Err(Status::invalid_argument("tags: hunts have none"));
    }
    if let Some(FlowAssignment { client_id, flow_id }) = &wanted.assignment {
        let flow = match flow_id.as_str() {
            "" => None,
            known => Some(id("flow_id", known)?),
        };
        let (launcher, client) = (&here.org.launcher, id("client_id", client_id)?);
        hunts::add(&here.actor, launcher, &hunt, &client, flow)
            .map_err(|error| here.refusal(Door::StartHunt, error))?;
    }
    let state = match wanted.state() {
        State::Unset => None,
        State::Paused => Some(HuntState::Paused),
        State::Running => Some(HuntState::Running),
        State::Stopped => Some(HuntState::Stopped),
        State::Archived => return Err(Status::invalid_argument("state: no hunt is archived")),
        State::Deleted => {
            hunts::delete(&here.actor, &hunt)
                .map_err(|error| here.refusal(Door::DeleteHunts, error))?;
            return Ok(Nothing {});
        }
    };
    let edit = Edit {
        state,
        description: Some(wanted.description.clone()).filter(|text| !text.is_empty()),
        expires_us: Some(wanted.expires).filter(|time| *time > 0),
    };
    if edit.is_empty() && wanted.assignment.is_none() {
        return Err(Status::invalid_argument("nothing is to change"));
    }
    if !edit.is_empty() {
        let door = edit.door();
        hunts::edit(&here.actor, &here.org.launcher, &hunt, edit)
            .map_err(|error| here.refusal(door, error))?;
    }
    Ok(Nothing {})
}

/// The clients of a hunt, each with its collection.
pub(super) fn flows(here: &Here, wanted: &GetTableRequest) -> Result<GetTableResponse, Status> {
    here.enter(Door::ShowHunts, json!({"hunt_id": wanted.hunt_id}))?;
    let (id, store): (HuntId, _) = (id("hunt_id", &wanted.hunt_id)?, &here.org.store);
    let mut answer = Answer::new(wanted)?;
    let total = participants(store, &id, wanted, &mut answer);
    Ok(answer.end(Some(total.map_err(|error| here.refusal(Door::ShowHunts, error))?)))
}

fn participants(
    store: &Store,
    id: &HuntId,
    wanted: &GetTableRequest,
    answer: &mut Answer,
) -> Result<u64, StoreError> {
    let (mut after, mut skip) = (None, wanted.start_row);
    'pages: loop {
        let page = store.participants(id, after.as_ref(), limits::QUERY_PARTICIPANTS)?;
        let Some(last) = page.last() else { break };
        after = Some(last.client);
        for one in page {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if answer.is_full() {
                break 'pages;
            }
            let flow = match store.flow(one.client, &one.flow) {
                Ok(flow) => Some(flow),
                // Somebody deleted it.
                Err(StoreError::NoFlow { .. }) => None,
                Err(other) => return Err(other),
            };
            let host = store.client(&one.client)?.map(|client| client.host.hostname);
            let totals = flow.as_ref().map(|flow| flow.totals()).unwrap_or_default();
            answer.object(json!({
                "ClientId": one.client.as_str(),
                "Hostname": host.unwrap_or_default(),
                "FlowId": one.flow.as_str(),
                "StartedTime": one.joined_us / 1000,
                "State": flow.map(|flow| flow.state(now_us()).name()),
                "Duration": totals.duration_ns / 1_000_000_000,
                "TotalBytes": totals.uploaded_bytes,
                "TotalRows": totals.rows,
            }));
        }
    }
    Ok(store.hunt_stats(id)?.scheduled)
}

/// The rows of all clients of a hunt.
pub(super) fn results(
    here: &Here,
    wanted: &GetHuntResultsRequest,
) -> Result<GetTableResponse, Status> {
    here.enter(Door::ShowHunts, json!({"hunt_id": wanted.hunt_id, "results": true}))?;
    let hunt: HuntId = id("hunt_id", &wanted.hunt_id)?;
    let name: Option<ArtifactName> = match wanted.artifact.as_str() {
        "" => None,
        name => Some(id("artifact", name)?),
    };
    let store = &here.org.store;
    store.hunt(&hunt).map_err(|error| here.refusal(Door::ShowHunts, error))?;
    let rows = HuntRows::new(store.clone(), hunt, name).behind(wanted.offset);
    let rows: Objects = Box::new(rows.map(|row| row?.object()));
    let page = GetTableRequest { rows: wanted.count, ..GetTableRequest::default() };
    let mut answer = Answer::new(&page)?;
    answer.fill(rows).map_err(|error| here.refusal(Door::ShowHunts, error))?;
    Ok(answer.end(None))
}

fn condition(wanted: &HuntCondition) -> Condition {
    let labels = |one: &Option<HuntLabelCondition>| {
        one.as_ref().map(|labels| labels.label.clone()).unwrap_or_default()
    };
    Condition {
        labels: labels(&wanted.labels),
        excluded_labels: labels(&wanted.excluded_labels),
        os: match wanted.os.map(|os| os.os()).unwrap_or_default() {
            OsNumber::All => None,
            OsNumber::Windows => Some(Os::Windows),
            OsNumber::Linux => Some(Os::Linux),
            OsNumber::Osx => Some(Os::Osx),
        },
    }
}

fn shown(store: &Store, hunt: Kept, is_summary: bool) -> Result<Hunt, StoreError> {
    let stats = store.hunt_stats(&hunt.id)?;
    let state = match hunt.state(stats.scheduled, now_us()) {
        HuntState::Paused => State::Paused,
        HuntState::Running => State::Running,
        HuntState::Stopped => State::Stopped,
    };
    let mut shown = Hunt {
        hunt_id: hunt.id.to_string(),
        create_time: hunt.created_us,
        client_limit: hunt.client_limit,
        state: state.into(),
        expires: hunt.expires_us,
        hunt_description: hunt.description,
        creator: hunt.creator,
        stats: Some(HuntStats {
            stopped: state == State::Stopped,
            total_clients_scheduled: stats.scheduled,
            total_clients_with_results: stats.with_results,
            total_clients_with_errors: stats.with_errors,
            total_clients_without_results: stats.finished.saturating_sub(stats.with_results),
            total_uploaded_bytes: stats.uploaded_bytes,
            total_collected_rows: stats.rows,
            total_finished_clients: stats.finished,
        }),
        start_time: hunt.started_us,
        ..Hunt::default()
    };
    if !is_summary {
        shown.condition = Some(asked(&hunt.condition));
        shown.artifacts = hunt.artifacts.iter().map(ToString::to_string).collect();
        let creator = shown.creator.clone();
        shown.start_request =
            Some(super::ArtifactCollectorArgs { creator, ..flow::asked(&hunt.spec) });
    }
    Ok(shown)
}

fn asked(condition: &Condition) -> HuntCondition {
    let labels =
        |held: &[String]| (!held.is_empty()).then(|| HuntLabelCondition { label: held.to_vec() });
    let os = condition.os.map(|os| match os {
        Os::Windows => OsNumber::Windows,
        Os::Linux => OsNumber::Linux,
        Os::Osx => OsNumber::Osx,
    });
    HuntCondition {
        labels: labels(&condition.labels),
        excluded_labels: labels(&condition.excluded_labels),
        os: os.map(|os| HuntOsCondition { os: os.into() }),
    }
}
