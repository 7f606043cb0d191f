//! What the calls do, for somebody who may.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tonic::Code;

use super::super::generated::hunt::State;
use super::super::generated::{
    ArtifactCollectorArgs, FlowAssignment, GetClientRequest, GetHuntRequest, GetHuntResultsRequest,
    GetTableRequest, GetTableResponse, Hunt, HuntCondition, HuntLabelCondition, HuntMutation,
    LabelClientsRequest, ListHuntsRequest, NotebookCell, NotebookCellRequest, NotebookMetadata,
    SearchClientsRequest,
};
use super::super::here::Here;
use super::super::{client, hunt, notebook, table};
use super::{Bench, CLIENT, name};
use crate::model::role::Role;

fn bench() -> (Bench, Here) {
    let bench = Bench::new(false);
    bench.enrol("OA");
    let here = bench.here(&name(Role::Administrator), "OA").unwrap();
    (bench, here)
}

/// The rows of an answer, as objects.
fn objects(answer: &GetTableResponse) -> Vec<Value> {
    let row = |json: &str| {
        let values: Vec<Value> = serde_json::from_str(json).unwrap();
        answer.columns.iter().cloned().zip(values).collect()
    };
    answer.rows.iter().map(|one| Value::Object(row(&one.json))).collect()
}

fn label(here: &Here, label: &str, operation: &str) -> Result<(), tonic::Status> {
    let wanted = LabelClientsRequest {
        client_ids: vec![CLIENT.into()],
        labels: vec![label.into()],
        operation: operation.into(),
    };
    client::label(here, &wanted).map(drop)
}

#[test]
fn clients_are_found_by_their_labels_page_by_page_and_counted() {
    let (_bench, here) = bench();
    let find = |query: &str, offset, name_only| {
        let query = query.to_owned();
        let wanted =
            SearchClientsRequest { query, offset, name_only, ..SearchClientsRequest::default() };
        client::list(&here, wanted).unwrap()
    };
    assert_eq!(find("label:lab", 0, false).total, 0);
    label(&here, "Lab", "set").unwrap();
    let found = find("label:lab", 0, false);
    assert_eq!((found.total, found.items[0].client_id.as_str()), (1, CLIENT));
    assert_eq!(found.items[0].labels, ["Lab"]);
    let behind = find("label:lab", 1, false);
    assert_eq!((behind.total, behind.items.len()), (1, 0));
    assert_eq!(find("label:l*", 0, true).names, ["label:lab"]);
    assert_eq!(find("", 0, false).total, 1);
    label(&here, "lab", "remove").unwrap();
    assert_eq!(find("label:lab", 0, false).total, 0);
    assert_eq!(label(&here, "x", "check").unwrap_err().code(), Code::InvalidArgument);
    let gone = GetClientRequest { client_id: "C.ffffffffffffffff".into() };
    assert_eq!(client::get(&here, &gone).unwrap_err().code(), Code::NotFound);
}

fn a_hunt(labels: &[&str]) -> Hunt {
    let label = labels.iter().map(|label| (*label).to_owned()).collect();
    Hunt {
        hunt_description: "t".into(),
        creator: "VelociraptorServer".into(),
        condition: Some(HuntCondition {
            labels: Some(HuntLabelCondition { label }),
            ..HuntCondition::default()
        }),
        client_limit: 7,
        start_request: Some(ArtifactCollectorArgs {
            artifacts: vec!["Generic.Client.Info".into()],
            max_rows: 5,
            ..ArtifactCollectorArgs::default()
        }),
        ..Hunt::default()
    }
}

#[test]
fn a_hunt_is_made_shown_changed_joined_and_removed() {
    let (_bench, here) = bench();
    let made = hunt::create(&here, &a_hunt(&["lab"])).unwrap().flow_id;
    let get = || hunt::get(&here, &GetHuntRequest { hunt_id: made.clone() });
    let shown = get().unwrap();
    // Who made it is whoever asked, whatever the request says.
    assert_eq!((shown.creator.as_str(), shown.state()), ("administrator", State::Paused));
    assert_eq!((shown.client_limit, shown.hunt_description.as_str()), (7, "t"));
    assert_eq!(shown.condition, a_hunt(&["lab"]).condition);
    let asked = shown.start_request.unwrap();
    assert_eq!((asked.artifacts.len(), asked.max_rows), (1, 5));
    assert!(shown.expires > shown.create_time);

    let change = |change: HuntMutation| {
        hunt::modify(&here, &HuntMutation { hunt_id: made.clone(), ..change })
    };
    let to = |state: State| HuntMutation { state: state.into(), ..HuntMutation::default() };
    for state in [State::Running, State::Paused, State::Stopped] {
        change(to(state)).unwrap();
        assert_eq!(get().unwrap().state(), state);
    }
    change(HuntMutation { description: "other".into(), ..HuntMutation::default() }).unwrap();
    let shown = get().unwrap();
    assert_eq!((shown.hunt_description.as_str(), shown.state()), ("other", State::Stopped));
    let nothing = change(HuntMutation::default()).unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);

    let assignment = FlowAssignment { client_id: CLIENT.into(), flow_id: String::new() };
    change(HuntMutation { assignment: Some(assignment), ..HuntMutation::default() }).unwrap();
    let about = GetTableRequest { hunt_id: made.clone(), ..GetTableRequest::default() };
    let joined = hunt::flows(&here, &about).unwrap();
    assert_eq!(joined.total_rows, 1);
    assert_eq!(objects(&joined)[0]["ClientId"], CLIENT);
    assert_eq!(objects(&joined)[0]["State"], "RUNNING");
    let results = GetHuntResultsRequest { hunt_id: made.clone(), ..Default::default() };
    assert!(hunt::results(&here, &results).unwrap().rows.is_empty());

    let list = |summary, user: &str| {
        let user_filter = user.to_owned();
        let wanted = ListHuntsRequest { summary, user_filter, ..ListHuntsRequest::default() };
        hunt::list(&here, &wanted).unwrap().items
    };
    assert!(list(false, "")[0].start_request.is_some());
    assert!(list(true, "administrator")[0].start_request.is_none());
    assert!(list(false, "reader").is_empty());
    let table = hunt::table(&here, &GetTableRequest::default()).unwrap();
    assert_eq!(objects(&table)[0]["HuntId"], made.as_str());
    assert_eq!(objects(&table)[0]["Scheduled"], 1);

    change(to(State::Deleted)).unwrap();
    assert_eq!(get().unwrap_err().code(), Code::NotFound);
    assert!(list(true, "").is_empty());
}

#[test]
fn what_a_hunt_cannot_be_is_refused() {
    let (_bench, here) = bench();
    let unknown = ArtifactCollectorArgs { artifacts: vec!["No.Such".into()], ..Default::default() };
    for wrong in [
        Hunt { tags: vec!["x".into()], ..a_hunt(&[]) },
        Hunt { org_ids: vec!["OB".into()], ..a_hunt(&[]) },
        Hunt { state: State::Deleted.into(), ..a_hunt(&[]) },
        Hunt { start_request: None, ..a_hunt(&[]) },
        Hunt { start_request: Some(unknown), ..a_hunt(&[]) },
    ] {
        let refused = hunt::create(&here, &wrong).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
}

fn ask(notebook: &str, cell: &str, input: &str) -> NotebookCellRequest {
    NotebookCellRequest {
        notebook_id: notebook.into(),
        cell_id: cell.into(),
        input: input.into(),
        sync: true,
        ..NotebookCellRequest::default()
    }
}

fn add(here: &Here, wanted: &NotebookCellRequest) -> NotebookMetadata {
    notebook::add(here, wanted, Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()).unwrap()
}

fn edit(here: &Here, wanted: &NotebookCellRequest) -> NotebookCell {
    notebook::edit(here, wanted, Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()).unwrap()
}

#[test]
fn a_notebook_is_made_written_run_arranged_and_removed() {
    let (bench, here) = bench();
    let new = NotebookMetadata {
        name: "Case".into(),
        collaborators: vec!["analyst".into()],
        ..NotebookMetadata::default()
    };
    let made = notebook::create(&here, new).unwrap();
    let id = made.notebook_id.as_str();
    assert_eq!((made.creator.as_str(), made.collaborators.len()), ("administrator", 1));

    let first = add(&here, &ask(id, "", "SELECT 1 AS A FROM scope()")).latest_cell_id;
    let text = NotebookCellRequest { r#type: "markdown".into(), ..ask(id, "", "# T <script>") };
    let second = add(&here, &text).latest_cell_id;
    let third = add(&here, &ask(id, &first, "SELECT nosuch() FROM scope()")).latest_cell_id;
    let rows = |cell: &str| {
        let wanted = GetTableRequest {
            notebook_id: id.into(),
            cell_id: cell.into(),
            ..GetTableRequest::default()
        };
        table::read(&here, &wanted).unwrap()
    };
    assert_eq!((objects(&rows(&first)), rows(&first).total_rows), (vec![json!({"A": 1})], 1));
    let shown = notebook::get(&here, &ask(id, "", "")).unwrap();
    let cells: Vec<_> = shown.items[0].cell_metadata.iter().map(|one| &one.cell_id).collect();
    assert_eq!(cells, [&first, &third, &second]);
    let html = &notebook::cell(&here, &ask(id, &second, "")).unwrap().output;
    assert!(html.contains("<h1>") && !html.contains("<script>"), "{html}");
    let wrong = notebook::cell(&here, &ask(id, &third, "")).unwrap();
    assert!(wrong.messages.iter().any(|line| line.contains("nosuch")), "{wrong:?}");

    let better = edit(&here, &ask(id, &third, "SELECT 2 AS B FROM scope()"));
    assert!(better.error.is_empty() && !better.calculating);
    assert_eq!(objects(&rows(&third)), [json!({"B": 2})]);

    let cell = |number: &String| NotebookCell { cell_id: number.clone(), ..Default::default() };
    let change = NotebookMetadata {
        notebook_id: id.into(),
        name: "Case 2".into(),
        cell_metadata: vec![cell(&third), cell(&first)],
        ..NotebookMetadata::default()
    };
    let changed = notebook::update(&here, &change).unwrap();
    let order: Vec<_> = changed.cell_metadata.iter().map(|one| one.cell_id.clone()).collect();
    assert_eq!((changed.name.as_str(), order), ("Case 2", vec![third, first.clone()]));
    assert!(changed.collaborators.is_empty());
    let gone = notebook::cell(&here, &ask(id, &second, "")).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);

    // Those with whom it is not shared see no more than that it is not there.
    let other = bench.here(&name(Role::Investigator), "OA").unwrap();
    for heard in [
        notebook::get(&other, &ask(id, "", "")).map(drop),
        notebook::cell(&other, &ask(id, &first, "")).map(drop),
        notebook::update(&other, &change).map(drop),
        notebook::delete(&other, &change).map(drop),
    ] {
        assert_eq!(heard.unwrap_err().code(), Code::NotFound);
    }
    assert!(notebook::get(&other, &ask("", "", "")).unwrap().items.is_empty());
    let public = NotebookMetadata { public: true, ..NotebookMetadata::default() };
    assert_eq!(notebook::create(&here, public).unwrap_err().code(), Code::InvalidArgument);

    notebook::delete(&here, &change).unwrap();
    assert_eq!(notebook::get(&here, &ask(id, "", "")).unwrap_err().code(), Code::NotFound);
}
