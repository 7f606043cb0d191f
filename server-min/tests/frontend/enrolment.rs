//! How strangers are met: who is let in, and what everybody else hears.

use futures_util::future::join_all;
use troodon_core::rsa::aws::AwsKey;

use super::agent::{Agent, foreman, post, rows};
use super::bench::{Server, Wishes, deployment};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_asked_to_enrol_and_let_in_after_its_request() {
    let server = Server::start(Wishes::default()).await;
    let mut agent = Agent::new();
    let (status, text) = post(server.address, "/reader", agent.seal(vec![foreman(0)])).await;
    assert_eq!((status, &text[..]), (406, &b"Please Enrol\n"[..]));
    assert_eq!(agent.control(&server, vec![agent.request()]).await, 406);
    assert_eq!(*server.notes.enrolled.lock().unwrap(), [agent.id]);
    server.collect(agent.id, "F.1", "A").await;
    assert_eq!(agent.tasks(&server).await[0].session_id, "F.1");
    let record = server.store.client(&agent.id).unwrap().unwrap();
    assert!(record.address.starts_with("127.0.0.1:") && record.seen_us > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_was_met_is_not_held_up_again() {
    let server = Server::start(Wishes { enrolments_per_second: 1, ..Wishes::default() }).await;
    let agent = Agent::new();
    let knock = || post(server.address, "/reader", agent.seal(vec![foreman(0)]));
    assert_eq!(knock().await.0, 406);
    // More than may wait at this pace: some would be turned away.
    let statuses = join_all((0..40).map(|_| knock())).await;
    assert!(statuses.iter().all(|(status, _)| *status == 406));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_of_a_key_can_enrol_it() {
    let server = Server::start(Wishes::default()).await;
    let (victim, thief) = (Agent::new(), Agent::new());
    assert_eq!(thief.control(&server, vec![victim.request()]).await, 406);
    assert_eq!(server.store.client_count().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_beside_the_request_of_a_stranger_are_dropped() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::new();
    let info = rows("F.Monitoring", "Server.Internal.ClientInfo", 0, &["{\"hostname\":\"h\"}"]);
    assert_eq!(agent.control(&server, vec![info, agent.request()]).await, 406);
    let record = server.store.client(&agent.id).unwrap().unwrap();
    assert_eq!(record.host.hostname, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_speak_for_another_client() {
    let server = Server::start(Wishes::default()).await;
    let victim = Agent::enrolled(&server).await;
    server.collect(victim.id, "F.1", "A").await;
    let thief = Agent::enrolled(&server).await;
    let mut message = rows("F.1", "A", 0, &["{\"a\":1}"]);
    message.source = victim.id.to_string();
    message.auth_state = 1;
    assert_eq!(thief.control(&server, vec![message]).await, 200);
    let flow = "F.1".parse().unwrap();
    assert_eq!(server.rows(victim.id, &flow, "A"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_of_another_deployment_or_with_a_changed_byte_is_forbidden() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let other_nonce = agent.seal_for("AAAAAAAAAAA=", vec![foreman(0)]);
    let mut changed = agent.seal(vec![foreman(0)]);
    let middle = changed.len() / 8;
    changed[middle] ^= 1;
    for path in ["/control", "/reader"] {
        for body in [&other_nonce, &changed, &b"garbage".to_vec()] {
            let (status, text) = post(server.address, path, body.clone()).await;
            assert_eq!((status, &text[..]), (403, &b"\n"[..]), "{path}");
        }
        assert_eq!(post(server.address, path, Vec::new()).await.0, 406);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_client_has_to_enrol_again() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    assert_eq!(agent.control(&server, vec![foreman(0)]).await, 200);
    let (store, id) = (server.store.clone(), agent.id);
    assert!(tokio::task::spawn_blocking(move || store.delete_client(&id)).await.unwrap().unwrap());
    assert_eq!(agent.control(&server, vec![foreman(0)]).await, 406);
    assert_eq!(agent.control(&server, vec![agent.request()]).await, 406);
    assert_eq!(agent.control(&server, vec![foreman(0)]).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_agent_makes_a_new_session_with_its_old_key() {
    let server = Server::start(Wishes::default()).await;
    let agent = Agent::enrolled(&server).await;
    let pem = agent.key.to_pkcs1_pem().unwrap();
    for _ in 0..3 {
        let key = AwsKey::from_pkcs1_pem(pem.as_bytes()).unwrap();
        let again = Agent::with_key(key, deployment());
        assert_eq!(again.control(&server, vec![foreman(0)]).await, 200);
    }
}
