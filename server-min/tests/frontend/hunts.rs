//! Hunts take clients: those that wait, those that come later, each once.

use std::collections::BTreeSet;
use std::sync::Arc;

use troodon_proto::VeloMessage;
use troodon_proto::velo_status::Status;
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::Actor;
use troodon_server::artifact::Repository;
use troodon_server::config::Config;
use troodon_server::hunts::{self, Edit, NewHunt};
use troodon_server::launcher::{Collect, Launcher, Spec};
use troodon_server::model::hunt::{Condition, HuntState};
use troodon_server::model::id::HuntId;
use troodon_server::store::now_us;

use super::agent::{Agent, rows, stats};
use super::bench::{Server, Wishes};

const NAME: &str = "Linux.Sys.Users";

/// Who leads hunts on a server.
struct Lead {
    actor: Actor,
    launcher: Launcher,
}

impl Lead {
    fn of(server: &Server) -> Self {
        let (config, store) = (Config::default(), server.store.clone());
        let acl = Acl::new(&config, store.clone()).unwrap();
        let principal = Principal::Server { name: "VelociraptorServer".into() };
        let actor = Actor::new(store.clone(), acl.clone(), principal);
        let repository = Arc::new(Repository::built_in().unwrap());
        Self { actor, launcher: Launcher::new(&config, repository, store, acl) }
    }

    fn create(&self, wanted: NewHunt) -> HuntId {
        let collect = Collect { specs: vec![Spec::of(NAME)], ..Collect::default() };
        let wanted = NewHunt { collect, running: true, ..wanted };
        tokio::task::block_in_place(|| hunts::create(&self.actor, &self.launcher, &wanted)).unwrap()
    }

    fn turn(&self, hunt: &HuntId, state: HuntState) {
        let edit = Edit { state: Some(state), ..Edit::default() };
        let done = || hunts::edit(&self.actor, &self.launcher, hunt, edit);
        tokio::task::block_in_place(done).unwrap();
    }
}

/// The collections among messages.
fn flows(messages: &[VeloMessage]) -> Vec<&str> {
    let flows = messages.iter().filter(|message| message.flow_request.is_some());
    flows.map(|message| message.session_id.as_str()).collect()
}

/// What an agent gets that asks now; a poll that waits is given up.
async fn due(agent: &mut Agent, server: &Server) -> Vec<VeloMessage> {
    let recruits = true;
    let taken = server.store.take_tasks(&agent.id, 100, recruits, now_us()).await.unwrap();
    assert_eq!(agent.control(server, Vec::new()).await, 200);
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_takes_who_waits_and_who_comes_later_each_once() {
    let server = Server::start(Wishes::default()).await;
    let lead = Lead::of(&server);
    let mut early = Agent::enrolled(&server).await;
    let waiting = early.poll(&server).await;
    let hunt = lead.create(NewHunt::default());
    let body = http_body_util::BodyExt::collect(waiting.into_body()).await.unwrap().to_bytes();
    let own = hunt.flow();
    assert_eq!(flows(&early.open(body)), [own.as_str()]);

    let mut late = Agent::enrolled(&server).await;
    assert_eq!(flows(&late.tasks(&server).await), [own.as_str()]);
    let answer = vec![
        rows(own.as_str(), NAME, 0, &["{\"User\":\"root\"}"]),
        stats(own.as_str(), Status::Ok, true),
    ];
    assert_eq!(late.control(&server, answer).await, 200);

    lead.turn(&hunt, HuntState::Paused);
    lead.turn(&hunt, HuntState::Running);
    for agent in [&mut early, &mut late] {
        assert!(due(agent, &server).await.is_empty(), "nobody is asked twice");
    }
    let counted = server.store.hunt_stats(&hunt).unwrap();
    assert_eq!((counted.scheduled, counted.finished, counted.with_errors), (2, 1, 0));
    let taken: BTreeSet<_> = server
        .store
        .participants(&hunt, None, 10)
        .unwrap()
        .into_iter()
        .map(|one| one.client)
        .collect();
    assert_eq!(taken, BTreeSet::from([early.id, late.id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_comes_later_wakes_the_client() {
    let server = Server::start(Wishes::default()).await;
    let lead = Lead::of(&server);
    let mut agent = Agent::enrolled(&server).await;
    let condition = Condition { labels: vec!["lab".into()], ..Condition::default() };
    let hunt = lead.create(NewHunt { condition, ..NewHunt::default() });
    assert!(due(&mut agent, &server).await.is_empty());
    let waiting = agent.poll(&server).await;
    let (store, id) = (server.store.clone(), agent.id);
    let label = move || store.label(&id, vec!["LAB".into()], Vec::new()).unwrap();
    assert!(tokio::task::spawn_blocking(label).await.unwrap());
    let body = http_body_util::BodyExt::collect(waiting.into_body()).await.unwrap().to_bytes();
    assert_eq!(flows(&agent.open(body)), [hunt.flow().as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_ends_at_its_limit_and_with_its_time() {
    let server = Server::start(Wishes::default()).await;
    let lead = Lead::of(&server);
    let full = lead.create(NewHunt { client_limit: 1, ..NewHunt::default() });
    let over = lead.create(NewHunt { expires_us: now_us() - 1, ..NewHunt::default() });
    let (mut first, mut second) = (Agent::enrolled(&server).await, Agent::enrolled(&server).await);
    assert_eq!(flows(&due(&mut first, &server).await), [full.flow().as_str()]);
    assert!(due(&mut second, &server).await.is_empty());
    for hunt in [&full, &over] {
        let scheduled = server.store.hunt_stats(hunt).unwrap().scheduled;
        let hunt = server.store.hunt(hunt).unwrap();
        assert_eq!(hunt.state(scheduled, now_us()), HuntState::Stopped);
    }
    let later = Edit { expires_us: Some(now_us() + 60_000_000), ..Edit::default() };
    let edit = || hunts::edit(&lead.actor, &lead.launcher, &over, later);
    tokio::task::block_in_place(edit).unwrap();
    assert_eq!(flows(&due(&mut second, &server).await), [over.flow().as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_lockdown_no_hunt_takes_clients() {
    let server = Server::start(Wishes { recruits: false, ..Wishes::default() }).await;
    let hunt = Lead::of(&server).create(NewHunt::default());
    let mut agent = Agent::enrolled(&server).await;
    let own = server.collect(agent.id, "F.1", NAME).await;
    assert_eq!(flows(&agent.tasks(&server).await), [own.as_str()]);
    assert_eq!(server.store.hunt_stats(&hunt).unwrap().scheduled, 0);
}
