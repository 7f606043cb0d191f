//! Long polls: woken, padded, one for each client, ended in time.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use troodon_core::envelope::PAD;

use super::agent::Agent;
use super::bench::{Server, Wishes, new_flow};

async fn piece(body: &mut Incoming) -> Option<Vec<u8>> {
    let frame = body.frame().await?.unwrap();
    Some(frame.into_data().unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_agent_is_woken_by_a_collection() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    let response = agent.poll(&server).await;
    assert_eq!(response.status(), 200);
    let queued = Instant::now();
    server.collect(agent.id, "F.1", "A").await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(queued.elapsed() < Duration::from_secs(5), "{:?}", queued.elapsed());
    let tasks = agent.open(body);
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].session_id, "F.1");
    assert_eq!(tasks[0].flow_request.as_ref().unwrap().vql_client_actions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_median_from_a_request_to_the_agent_is_below_100_ms() {
    const REQUESTS: usize = 41;
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    let mut times = Vec::new();
    for number in 0..REQUESTS {
        let response = agent.poll(&server).await;
        let asked = Instant::now();
        let flow = format!("F.{number}");
        server.collect(agent.id, &flow, "A").await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        times.push(asked.elapsed());
        assert_eq!(agent.open(body)[0].session_id, flow);
        let (store, id) = (server.store.clone(), agent.id);
        let end = move || store.cancel_flow(id, &flow.parse().unwrap(), "somebody").unwrap();
        assert!(tokio::task::spawn_blocking(end).await.unwrap());
        // The cancellation goes out alone, so that the next poll waits.
        agent.tasks(&server).await;
    }
    times.sort_unstable();
    let median = times[REQUESTS / 2];
    println!("from request to agent: median {median:?}, longest {:?}", times[REQUESTS - 1]);
    assert!(median < Duration::from_millis(100), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_agent_is_woken_by_another_process() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    let response = agent.poll(&server).await;
    // A second store on the same folder has nothing in common with the first but the files.
    let (folder, id) = (server.folder.clone(), agent.id);
    let command = move || {
        let store = troodon_server::store::Store::open(&folder).unwrap();
        store.create_flow(&id, new_flow("F.1", "A")).unwrap()
    };
    tokio::task::spawn_blocking(command).await.unwrap();
    let body = response.into_body().collect();
    let body = timeout(Duration::from_secs(5), body).await.unwrap().unwrap().to_bytes();
    assert_eq!(agent.open(body)[0].session_id, "F.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_a_waiting_agent() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    let flow = server.collect(agent.id, "F.1", "A").await;
    assert_eq!(agent.tasks(&server).await.len(), 1);
    let response = agent.poll(&server).await;
    let (store, id) = (server.store.clone(), agent.id);
    tokio::task::spawn_blocking(move || store.cancel_flow(id, &flow, "admin").unwrap());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(agent.open(body)[0].cancel.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_is_padded_while_nothing_is_due() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let begun = Instant::now();
    let mut body = agent.poll(&server).await.into_body();
    assert!(begun.elapsed() < Duration::from_secs(5), "the head must not wait for the body");
    assert_eq!(piece(&mut body).await.unwrap(), PAD);
    assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_poll_of_a_living_agent_is_a_conflict() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let first = agent.poll(&server).await;
    assert_eq!(agent.poll(&server).await.status(), 409);
    // The first one was doubted, answered for itself and goes on.
    assert_eq!(piece(&mut first.into_body()).await.unwrap(), PAD);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_link_broke_polls_again_at_once() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    for _ in 0..5 {
        let response = agent.poll(&server).await;
        assert_eq!(response.status(), 200);
        drop(response);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_did_not_wait_for_comes_with_its_next_poll() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::enrolled(&server).await;
    for number in 0..5 {
        server.collect(agent.id, &format!("F.{number}"), "A").await;
    }
    let first = agent.tasks(&server).await;
    assert_eq!(first.len(), 4, "four collections are in flight at most");
    let end = super::agent::stats("F.2", troodon_proto::velo_status::Status::Ok, true);
    assert_eq!(agent.control(&server, vec![end]).await, 200);
    assert_eq!(agent.tasks(&server).await[0].session_id, "F.4");
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_end_when_the_server_stops() {
    let mut server = Some(Server::start(Wishes::default()).await);
    let agent = Agent::enrolled(server.as_ref().unwrap()).await;
    let response = agent.poll(server.as_ref().unwrap()).await;
    drop(server.take());
    let body = response.into_body().collect();
    assert_eq!(timeout(Duration::from_secs(5), body).await.unwrap().unwrap().to_bytes().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_is_no_poll_is_not_read_to_its_end() {
    let server = Server::start(Wishes::default()).await;
    // A body that only was announced: the answer to it cannot wait for more.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /reader HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2097152\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(Duration::from_secs(20), stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
}
