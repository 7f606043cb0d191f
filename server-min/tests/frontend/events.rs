//! Event tables and the rows of event queries.

use troodon_proto::{VqlCollectorArgs, VqlEventTable, VqlRequest};

use troodon_server::model::quota::Quotas;
use troodon_server::store::setting::Setting;

use super::agent::{Agent, foreman, post, request, rows};
use super::bench::{Server, Wishes};

const NAME: &str = "Generic.Client.Stats";
const SESSION: &str = "F.Monitoring";

fn table(version: u64) -> VqlEventTable {
    let query = VqlRequest { vql: "SELECT 1 FROM clock()".into(), name: NAME.into() };
    let event = VqlCollectorArgs { query: vec![query], ..VqlCollectorArgs::default() };
    VqlEventTable { event: vec![event], version }
}

fn stored(server: &Server, agent: &Agent) -> Vec<String> {
    let rows = server.store.events(&agent.id, &NAME.parse().unwrap(), 0..u64::MAX);
    rows.map(|row| String::from_utf8(row.unwrap().row.to_vec()).unwrap()).collect()
}

async fn watching(server: &Server) -> Agent {
    *server.notes.table.lock().unwrap() = Some(table(7));
    let mut agent = Agent::enrolled(server).await;
    let tasks = agent.tasks(server).await;
    assert_eq!(tasks[0].update_event_table.as_ref().unwrap().version, 7);
    agent
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_the_table_until_it_reports_it() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = watching(&server).await;
    // It says that it has it: the poll waits for other things.
    let response = request(server.address, "/reader", agent.seal(vec![foreman(7)])).await;
    server.collect(agent.id, "F.1", "A").await;
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(agent.open(body)[0].session_id, "F.1");
    assert_eq!(server.store.client(&agent.id).unwrap().unwrap().event_table_version, 7);
    // It has lost it (an agent without memory, for example): it gets it again with the version that it should have.
    *server.notes.table.lock().unwrap() = Some(table(8));
    assert_eq!(agent.tasks(&server).await[0].update_event_table.as_ref().unwrap().version, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_table_reaches_an_agent_that_waits() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = watching(&server).await;
    let response = request(server.address, "/reader", agent.seal(vec![foreman(7)])).await;
    *server.notes.table.lock().unwrap() = Some(table(8));
    let store = server.store.clone();
    let edit = move || store.set_setting(Setting::EventTable, b"edited".to_vec()).unwrap();
    tokio::task::spawn_blocking(edit).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert_eq!(agent.open(body)[0].update_event_table.as_ref().unwrap().version, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_rows_are_kept_once() {
    let server = Server::start(Wishes::default()).await;
    let agent = watching(&server).await;
    let messages = vec![rows(SESSION, NAME, 0, &["{\"a\":1}", "{\"a\":2}"])];
    let body = agent.seal(messages.clone());
    assert_eq!(post(server.address, "/control", body.clone()).await.0, 200);
    assert_eq!(post(server.address, "/control", body).await.0, 200);
    assert_eq!(agent.control(&server, messages).await, 200);
    assert_eq!(stored(&server, &agent), ["{\"a\":1}", "{\"a\":2}"]);
    assert_eq!(server.store.event_names(&agent.id).unwrap(), [NAME.parse().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_of_different_times_are_both_kept() {
    let server = Server::start(Wishes::default()).await;
    let agent = watching(&server).await;
    for timestamp in [1, 2] {
        let mut message = rows(SESSION, NAME, 0, &["{\"a\":1}"]);
        message.vql_response.as_mut().unwrap().timestamp = timestamp;
        assert_eq!(agent.control(&server, vec![message]).await, 200);
    }
    assert_eq!(stored(&server, &agent).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn event_rows_are_taken_from_those_who_were_asked_to_watch() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let watching = watching(&server).await;
    let unasked = vec![
        rows(SESSION, NAME, 0, &["{\"a\":1}"]),
        rows(SESSION, "Server.Audit.Logs", 0, &["{\"a\":1}"]),
        rows(SESSION, "Server.Internal.Enrollment", 0, &["{\"a\":1}"]),
    ];
    assert_eq!(agent.control(&server, unasked.clone()).await, 200);
    assert_eq!(server.store.event_names(&agent.id).unwrap(), []);
    assert_eq!(watching.control(&server, unasked).await, 200);
    assert_eq!(server.store.event_names(&watching.id).unwrap(), [NAME.parse().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_rows_of_a_day_have_the_quota_of_the_configuration() {
    let server = Server::start(Wishes::default()).await;
    server.store.limit(Quotas { event_rows_a_day: 3, ..Quotas::default() });
    let agent = watching(&server).await;
    for sent in [&["{\"a\":1}", "{\"a\":2}"][..], &["{\"a\":3}", "{\"a\":4}"], &["{\"a\":5}"]] {
        assert_eq!(agent.control(&server, vec![rows(SESSION, NAME, 0, sent)]).await, 200);
    }
    assert_eq!(stored(&server, &agent), ["{\"a\":1}", "{\"a\":2}", "{\"a\":5}"]);
    assert_eq!(server.store.client(&agent.id).unwrap().unwrap().refused, 1);
    let other = watching(&server).await;
    assert_eq!(other.control(&server, vec![rows(SESSION, NAME, 0, &["{\"b\":1}"])]).await, 200);
    assert_eq!(stored(&server, &other).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_may_speak_of_itself_with_its_poll() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let info = rows(SESSION, "Server.Internal.ClientInfo", 0, &["{\"hostname\":\"h\"}"]);
    let body = agent.seal(vec![foreman(0), info]);
    assert_eq!(request(server.address, "/reader", body).await.status(), 200);
    assert_eq!(server.store.client(&agent.id).unwrap().unwrap().host.hostname, "h");
}
