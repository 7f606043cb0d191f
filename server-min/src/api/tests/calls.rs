//! Every call as every role, in and out of lockdown, in the right organisation and in others.
//!
//! The table is written by hand from what each call should need. A call that is in the schema and not in the table is an
//! error.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use super::super::generated::hunt::State;
use super::super::generated::{
    ApiFlowRequest, ArtifactCollectorArgs, CreateDownloadRequest, FlowAssignment, GetClientRequest,
    GetHuntRequest, GetHuntResultsRequest, GetTableRequest, Hunt, HuntMutation,
    LabelClientsRequest, ListHuntsRequest, NotebookCellRequest, NotebookMetadata,
    SearchClientsRequest, SetClientMetadataRequest,
};
use super::super::here::Here;
use super::super::{client, flow, hunt, notebook, table};
use super::{Bench, CLIENT, name, org};
use crate::model::role::Role;

type Call = fn(&Here) -> Result<(), Status>;

/// Who holds what a call asks for: Administrator, Reader, aNalyst, Investigator, aPi; `L` when lockdown denies it.
const CALLS: &[(&str, &str, Call)] = &[
    ("ListClients", "ARNIP", |here| client::list(here, SearchClientsRequest::default()).map(drop)),
    ("GetClient", "ARNIP", |here| client::get(here, &about_client()).map(drop)),
    ("LabelClients", "ANIL", |here| {
        let wanted = LabelClientsRequest {
            client_ids: vec![CLIENT.into()],
            labels: vec!["x".into()],
            operation: "set".into(),
        };
        client::label(here, &wanted).map(drop)
    }),
    ("GetClientMetadata", "ARNIP", |here| client::notes(here, &about_client()).map(drop)),
    ("GetClientMetadata server", "AL", |here| {
        client::notes(here, &GetClientRequest { client_id: "server".into() }).map(drop)
    }),
    ("SetClientMetadata", "ANIL", |here| client::note(here, notes(CLIENT)).map(drop)),
    ("SetClientMetadata server", "AL", |here| client::note(here, notes("server")).map(drop)),
    ("CollectArtifact", "AIL", |here| flow::collect(here, collection(CLIENT)).map(drop)),
    ("CollectArtifact server", "AL", |here| flow::collect(here, collection("server")).map(drop)),
    ("CancelFlow", "AIL", |here| flow::cancel(here, &about_flow(CLIENT)).map(drop)),
    ("CancelFlow server", "AL", |here| flow::cancel(here, &about_flow("server")).map(drop)),
    ("GetFlowDetails", "ARNIP", |here| flow::details(here, &about_flow(CLIENT)).map(drop)),
    ("GetClientFlows", "ARNIP", |here| table::flows(here, &rows("")).map(drop)),
    ("GetTable", "ARNIP", |here| table::read(here, &rows("")).map(drop)),
    ("GetTable log", "ARNIP", |here| table::read(here, &rows("log")).map(drop)),
    ("GetTable uploads", "ARNIP", |here| table::read(here, &rows("uploads")).map(drop)),
    ("GetTable events", "ARNIP", |here| {
        let wanted = GetTableRequest { flow_id: String::new(), ..rows("CLIENT_EVENT") };
        table::read(here, &wanted).map(drop)
    }),
    ("GetTable hunt", "ARNIP", |here| {
        let wanted = GetTableRequest { hunt_id: "H.GONE".into(), ..rows("hunt_status") };
        table::read(here, &wanted).map(drop)
    }),
    ("GetTable cell", "ARNIP", |here| {
        let wanted = GetTableRequest {
            notebook_id: "N.GONE".into(),
            cell_id: "1".into(),
            ..GetTableRequest::default()
        };
        table::read(here, &wanted).map(drop)
    }),
    ("CreateDownloadFile", "ANI", |here| {
        let wanted = CreateDownloadRequest {
            client_id: CLIENT.into(),
            flow_id: "F.GONE".into(),
            ..CreateDownloadRequest::default()
        };
        flow::download(here, wanted).map(drop)
    }),
    ("CreateDownloadFile hunt", "ANI", |here| {
        let hunt_id = "H.GONE".into();
        let wanted = CreateDownloadRequest { hunt_id, ..CreateDownloadRequest::default() };
        flow::download(here, wanted).map(drop)
    }),
    ("CreateHunt", "AIL", |here| hunt::create(here, &a_hunt(State::Paused)).map(drop)),
    ("CreateHunt running", "AIL", |here| hunt::create(here, &a_hunt(State::Running)).map(drop)),
    ("ListHunts", "ARNIP", |here| hunt::list(here, &ListHuntsRequest::default()).map(drop)),
    ("GetHuntTable", "ARNIP", |here| hunt::table(here, &GetTableRequest::default()).map(drop)),
    ("GetHunt", "ARNIP", |here| {
        hunt::get(here, &GetHuntRequest { hunt_id: "H.GONE".into() }).map(drop)
    }),
    ("ModifyHunt", "AIL", |here| hunt::modify(here, &change(State::Stopped)).map(drop)),
    ("ModifyHunt running", "AIL", |here| hunt::modify(here, &change(State::Running)).map(drop)),
    ("ModifyHunt deleted", "AL", |here| hunt::modify(here, &change(State::Deleted)).map(drop)),
    ("ModifyHunt assignment", "AIL", |here| {
        let assignment = FlowAssignment { client_id: CLIENT.into(), flow_id: String::new() };
        let wanted = HuntMutation { assignment: Some(assignment), ..change(State::Unset) };
        hunt::modify(here, &wanted).map(drop)
    }),
    ("GetHuntFlows", "ARNIP", |here| {
        let wanted = GetTableRequest { hunt_id: "H.GONE".into(), ..GetTableRequest::default() };
        hunt::flows(here, &wanted).map(drop)
    }),
    ("GetHuntResults", "ARNIP", |here| {
        let hunt_id = "H.GONE".into();
        let wanted = GetHuntResultsRequest { hunt_id, ..GetHuntResultsRequest::default() };
        hunt::results(here, &wanted).map(drop)
    }),
    ("GetNotebooks", "ARNIP", |here| {
        notebook::get(here, &NotebookCellRequest::default()).map(drop)
    }),
    ("NewNotebook", "ANI", |here| {
        let wanted = NotebookMetadata { name: "x".into(), ..NotebookMetadata::default() };
        notebook::create(here, wanted).map(drop)
    }),
    // Those who may not read notebooks do not hear that this one is not theirs.
    ("UpdateNotebook", "ANI", |here| notebook::update(here, &a_notebook()).map(drop)),
    ("DeleteNotebook", "ANI", |here| notebook::delete(here, &a_notebook()).map(drop)),
    ("NewNotebookCell", "ANI", |here| notebook::add(here, &a_cell(), turn()).map(drop)),
    ("GetNotebookCell", "ARNIP", |here| notebook::cell(here, &a_cell()).map(drop)),
    ("UpdateNotebookCell", "ANI", |here| notebook::edit(here, &a_cell(), turn()).map(drop)),
    ("CancelNotebookCell", "ANI", |here| notebook::cancel(here, &a_cell()).map(drop)),
];

/// Those that other tests try.
const ELSEWHERE: [&str; 4] = ["Query", "VFSGetBuffer", "PushEvents", "Check"];

fn about_client() -> GetClientRequest {
    GetClientRequest { client_id: CLIENT.into() }
}

fn notes(site: &str) -> SetClientMetadataRequest {
    SetClientMetadataRequest { client_id: site.into(), ..SetClientMetadataRequest::default() }
}

fn collection(site: &str) -> ArtifactCollectorArgs {
    ArtifactCollectorArgs {
        client_id: site.into(),
        artifacts: vec!["Generic.Client.Info".into()],
        ..ArtifactCollectorArgs::default()
    }
}

fn about_flow(site: &str) -> ApiFlowRequest {
    ApiFlowRequest { client_id: site.into(), flow_id: "F.GONE".into() }
}

fn rows(kind: &str) -> GetTableRequest {
    GetTableRequest {
        client_id: CLIENT.into(),
        flow_id: "F.GONE".into(),
        artifact: "Generic.Client.Info".into(),
        r#type: kind.into(),
        ..GetTableRequest::default()
    }
}

fn a_hunt(state: State) -> Hunt {
    Hunt { state: state.into(), start_request: Some(collection("")), ..Hunt::default() }
}

fn change(state: State) -> HuntMutation {
    HuntMutation { hunt_id: "H.GONE".into(), state: state.into(), ..HuntMutation::default() }
}

fn a_notebook() -> NotebookMetadata {
    NotebookMetadata { notebook_id: "N.GONE".into(), ..NotebookMetadata::default() }
}

fn a_cell() -> NotebookCellRequest {
    NotebookCellRequest {
        notebook_id: "N.GONE".into(),
        cell_id: "1".into(),
        ..NotebookCellRequest::default()
    }
}

fn turn() -> OwnedSemaphorePermit {
    Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
}

const fn letter(role: Role) -> char {
    match role {
        Role::Administrator => 'A',
        Role::Reader => 'R',
        Role::Analyst => 'N',
        Role::Investigator => 'I',
        Role::ArtifactWriter => 'W',
        Role::Api => 'P',
        Role::OrgAdmin => 'O',
    }
}

#[test]
fn every_call_is_in_the_table() {
    let schema = include_str!("../../../schema/api.proto");
    let declared: BTreeSet<&str> = schema
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc ")?.split_once('('))
        .map(|(name, _)| name)
        .collect();
    let table = CALLS.iter().filter_map(|(name, ..)| name.split(' ').next());
    let table: BTreeSet<&str> = table.chain(ELSEWHERE).collect();
    assert_eq!(declared, table);
}

#[test]
fn every_call_answers_whom_the_table_says_and_refuses_others_on_record() {
    let mut tried = 0;
    for lockdown in [false, true] {
        let bench = Bench::new(lockdown);
        ["OA", "OB"].iter().for_each(|at| bench.enrol(at));
        for &(call, holders, ask) in CALLS {
            for role in Role::ALL {
                for place in ["OA", "OB", "root", "", "ONONE"] {
                    let holds = holders.contains(letter(role)) && place == "OA";
                    let may = holds && !(lockdown && holders.contains('L'));
                    let before = bench.refusals(&org("OA"));
                    let heard = bench.here(&name(role), place).and_then(|here| ask(&here));
                    let refused =
                        heard.as_ref().is_err_and(|status| status.code() == Code::PermissionDenied);
                    assert_eq!(!refused, may, "{call} {role} {place} {lockdown}: {heard:?}");
                    if refused && place == "OA" && role != Role::OrgAdmin {
                        let told = bench.refusals(&org("OA")) - before;
                        assert_eq!(told, 1, "{call} {role} {lockdown}");
                    }
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} calls");
}
