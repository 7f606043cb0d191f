//! Agents of several organisations at one frontend: the nonce says whose they are.

use std::sync::Arc;

use tokio::sync::oneshot;
use troodon_core::rsa::aws::AwsKey;
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::Repository;
use troodon_server::config::Config;
use troodon_server::frontend::Frontend;
use troodon_server::model::id::OrgId;
use troodon_server::orgs::{NewOrg, Org, Orgs};
use troodon_server::store::Store;

use super::agent::{Agent, foreman, post, rows};
use super::bench::{NONCE, Wishes, deployment, new_flow, settings};

const OTHER: &str = "BAECAwQFBgc=";

/// A frontend for the root and an organisation.
struct Realms {
    orgs: Arc<Orgs>,
    other: Arc<Org>,
    address: std::net::SocketAddr,
    _stop: oneshot::Sender<()>,
    _folder: tempfile::TempDir,
}

impl Realms {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.client.nonce = NONCE.to_owned();
        config.datastore.location = folder.path().to_str().unwrap().to_owned();
        let store = Store::open(folder.path()).unwrap();
        let acl = Acl::new(&config, store.clone()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        let orgs = Arc::new(Orgs::of(&config, repository, store.clone(), acl));
        let id: OrgId = "OTHER".parse().unwrap();
        let wanted =
            NewOrg { name: "Other".into(), id: Some(id.clone()), nonce: Some(OTHER.into()) };
        orgs.create(&server(), wanted).unwrap();
        let other = orgs.find(&id).unwrap().unwrap();
        let settings = settings(deployment(), Wishes::default());
        let bound = Frontend::bind_all(settings, store, orgs.clone()).await.unwrap();
        let address = bound.address();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            bound.serve(async move { drop(stopped.await) }).await.unwrap();
        });
        Self { orgs, other, address, _stop: stop, _folder: folder }
    }

    async fn post(&self, agent: &Agent, nonce: &str, message: troodon_proto::VeloMessage) -> u16 {
        post(self.address, "/control", agent.seal_for(nonce, vec![message])).await.0
    }

    fn clients(&self) -> (u64, u64) {
        let count = |org: &Org| org.store.client_count().unwrap();
        (count(self.orgs.root()), count(&self.other))
    }
}

fn server() -> Principal {
    Principal::Server { name: "VelociraptorServer".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nonce_says_in_which_organisation_an_agent_enrols_and_where_its_rows_go() {
    let realms = Realms::start().await;
    let agent = Agent::new();
    assert_eq!(realms.post(&agent, OTHER, agent.request()).await, 406);
    assert_eq!(realms.clients(), (0, 1));
    assert_eq!(realms.post(&agent, OTHER, foreman(0)).await, 200);
    let (store, id) = (realms.other.store.clone(), agent.id);
    let create = move || store.create_flow(&id, new_flow("F.1", "A"));
    let flow = tokio::task::spawn_blocking(create).await.unwrap().unwrap();
    let poll = agent.seal_for(OTHER, vec![foreman(0)]);
    assert_eq!(post(realms.address, "/reader", poll).await.0, 200);
    let row = rows("F.1", "A", 0, &["{\"a\":1}"]);
    assert_eq!(realms.post(&agent, OTHER, row).await, 200);
    let kept = |org: &Org| {
        let rows = org.store.rows(id, &flow, &"A".parse().unwrap(), 0);
        rows.map_or(0, Iterator::count)
    };
    assert_eq!((kept(realms.orgs.root()), kept(&realms.other)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolled_in_one_organisation_is_a_stranger_in_the_others() {
    let realms = Realms::start().await;
    let agent = Agent::new();
    assert_eq!(realms.post(&agent, OTHER, agent.request()).await, 406);
    assert_eq!(realms.post(&agent, OTHER, foreman(0)).await, 200);
    // The same key and session, and a nonce that is good elsewhere.
    assert_eq!(realms.post(&agent, NONCE, foreman(0)).await, 406);
    assert_eq!(realms.clients(), (0, 1));
    assert_eq!(realms.post(&agent, NONCE, agent.request()).await, 406);
    assert_eq!(realms.clients(), (1, 1));
    assert_eq!(realms.post(&agent, NONCE, foreman(0)).await, 200);
    assert_eq!(realms.post(&agent, OTHER, foreman(0)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_of_an_organisation_that_is_gone_are_forbidden() {
    let realms = Realms::start().await;
    let agent = Agent::new();
    assert_eq!(realms.post(&agent, OTHER, agent.request()).await, 406);
    assert_eq!(realms.post(&agent, OTHER, foreman(0)).await, 200);
    realms.orgs.delete(&server(), realms.other.id()).unwrap();
    // The frontend hears of it from the store.
    while realms.post(&agent, OTHER, foreman(0)).await != 403 {
        tokio::task::yield_now().await;
    }
    let key = AwsKey::from_pkcs1_pem(agent.key.to_pkcs1_pem().unwrap().as_bytes()).unwrap();
    let again = Agent::with_key(key, deployment());
    assert_eq!(realms.post(&again, OTHER, again.request()).await, 403);
    assert_eq!(realms.orgs.root().store.client_count().unwrap(), 0);
}
