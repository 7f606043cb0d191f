//! Pages over a store of their own, with an agent's data in it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use troodon_proto::{
    FileBuffer, FlowRequest, PathSpec, VqlCollectorArgs, VqlEventTable, VqlRequest,
};
use troodon_server::account::{Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::actor::Actor;
use troodon_server::artifact::Repository;
use troodon_server::artifacts;
use troodon_server::certificates::Certificates;
use troodon_server::config::Config;
use troodon_server::gui::{Gui, Settings, SignOn};
use troodon_server::hunts::{self, NewHunt};
use troodon_server::ingest::{self, Fact, Origin, Sorted};
use troodon_server::launcher::{Collect, Launcher, Spec};
use troodon_server::model::client::Host;
use troodon_server::model::flow::NewFlow;
use troodon_server::model::id::{ClientId, FlowId, HuntId, OrgId, UserName};
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::orgs::{NewOrg, Orgs};
use troodon_server::password::Hashed;
use troodon_server::query;
use troodon_server::services::Services;
use troodon_server::store::Store;
use troodon_server::store::chunk::Chunk;

use super::browser::Browser;

pub const PASSWORD: &str = "correct horse battery";
pub const CLIENT: &str = "C.0123456789abcdef";
pub const ROWS: &str = "Custom.Rows";

pub struct Bench {
    pub address: SocketAddr,
    pub store: Store,
    pub orgs: Arc<Orgs>,
    /// Dropping it stops the pages.
    _stop: watch::Sender<bool>,
    folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::of(Config::default(), change).await
    }

    /// In lockdown, which two administrators may leave for so long.
    pub async fn in_lockdown_with_exit(minutes: u64) -> Self {
        let mut config = Config::default();
        config.security.lockdown_exit_minutes = minutes;
        Self::of(config, |settings| settings.lockdown = true).await
    }

    async fn of(mut config: Config, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut settings = Settings {
            bind: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            base_path: String::new(),
            allowed: Vec::new(),
            forwarded: None,
            sign_on: SignOn::default(),
            session: Duration::from_secs(3_600),
            lockdown: false,
            certificates: Certificates::default(),
            keeper: None,
            facts: Vec::new(),
        };
        change(&mut settings);
        config.lockdown = settings.lockdown;
        config.datastore.location = folder.path().to_str().unwrap().to_owned();
        let acl = Acl::new(&config, store.clone()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        let orgs = Arc::new(Orgs::of(&config, repository, store.clone(), acl.clone()));
        let services = Services {
            orgs: Arc::clone(&orgs),
            acl,
            registry: Arc::new(query::registry(&config).unwrap()),
        };
        let pages = Gui::bind(settings, services).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let address = pages.address();
        tokio::spawn(pages.serve(stopped));
        Self { address, store, orgs, _stop: stop, folder }
    }

    pub fn browser(&self) -> Browser {
        Browser::new(self.address)
    }

    /// Somebody with this role, signed in.
    pub async fn visitor(&self, name: &str, role: Role) -> Browser {
        self.change_accounts(
            move |accounts, name| {
                let password = Hashed::of(PASSWORD).unwrap();
                accounts.add(name, Some(password), &Policy::of([role])).unwrap();
            },
            name,
        )
        .await;
        let mut browser = self.browser();
        assert_eq!(browser.sign_in(name, PASSWORD).await.place(), "/");
        browser
    }

    /// Changes an account as the server's own.
    pub async fn change_accounts(
        &self,
        change: impl FnOnce(&Accounts, &UserName) + Send + 'static,
        name: &str,
    ) {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let server = Principal::Server { name: "Server".to_owned() };
        let accounts = Accounts::new(acl, server, OrgId::root());
        let name = name.parse().unwrap();
        tokio::task::spawn_blocking(move || change(&accounts, &name)).await.unwrap();
    }

    /// A client that says this about itself.
    pub async fn add_client(&self, host: Host) -> ClientId {
        let client = ClientId::parse(CLIENT).unwrap();
        self.store.enrol(client, vec![1]).await.unwrap();
        self.apply(client, vec![Fact::Host { host: Box::new(host), labels: Vec::new() }]).await;
        client
    }

    async fn apply(&self, client: ClientId, facts: Vec<Fact>) {
        let origin = Origin::now("192.0.2.1:5".parse().unwrap());
        let sorted = Sorted { facts, refused: Vec::new() };
        let outcome = ingest::apply(&self.store, client, origin, sorted).await.unwrap();
        assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    }

    /// A collection that brought these lines.
    pub async fn add_rows(&self, client: ClientId, lines: Vec<String>) -> FlowId {
        let action = VqlCollectorArgs {
            query: vec![VqlRequest { name: ROWS.into(), vql: "SELECT 1 FROM scope()".into() }],
            ..VqlCollectorArgs::default()
        };
        let flow = NewFlow {
            id: "F.1".parse().unwrap(),
            creator: "ann".into(),
            artifacts: vec![ROWS.parse().unwrap()],
            spec: serde_json::json!({}),
            request: FlowRequest { vql_client_actions: vec![action], ..FlowRequest::default() },
            urgent: false,
        };
        let store = self.store.clone();
        let id = tokio::task::spawn_blocking(move || store.create_flow(&client, flow)).await;
        let flow = id.unwrap().unwrap();
        let now = troodon_server::store::now_us();
        self.store.take_tasks(&client, 5, false, now).await.unwrap();
        let chunk = Chunk::from_plain(Bytes::from(lines.concat())).unwrap();
        let (id, name) = (flow.clone(), ROWS.parse().unwrap());
        self.apply(client, vec![Fact::Rows { flow: id, name, start_row: 0, chunk }]).await;
        flow
    }

    /// A file that the collection brought.
    pub async fn add_file(&self, client: ClientId, flow: &FlowId, name: &str, data: &'static [u8]) {
        let place = PathSpec {
            path: format!("/{name}"),
            components: vec![name.to_owned()],
            ..PathSpec::default()
        };
        let size = data.len() as u64;
        let part = FileBuffer {
            pathspec: Some(place),
            data: Bytes::from_static(data),
            size,
            eof: true,
            ..FileBuffer::default()
        };
        let flow = flow.clone();
        self.apply(client, vec![Fact::File { flow, upload: 0, part: Box::new(part) }]).await;
        let folder = self.folder.path().join("uploads").join("1");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0"), data).unwrap();
    }

    /// The operations on record, each with whether it was allowed.
    pub fn audited(&self) -> Vec<(String, bool)> {
        let records = self.store.audit_records(0, 1_000).unwrap();
        records.into_iter().map(|(_, record)| (record.operation, record.allowed)).collect()
    }

    fn actor(&self, name: &str) -> Actor {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let principal = Principal::User { name: name.parse().unwrap() };
        Actor::new(self.store.clone(), acl, principal)
    }

    fn launcher(&self) -> Launcher {
        let config = Config::default();
        let acl = Acl::new(&config, self.store.clone()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        Launcher::new(&config, repository, self.store.clone(), acl)
    }

    /// A hunt that somebody has made.
    pub async fn add_hunt(&self, creator: &str, description: &str, running: bool) -> HuntId {
        let (actor, launcher) = (self.actor(creator), self.launcher());
        let specs = vec![Spec::of("Generic.Client.Info")];
        let description = description.to_owned();
        let collect = Collect { specs, ..Collect::default() };
        let wanted = NewHunt { collect, description, running, ..NewHunt::default() };
        let make = move || hunts::create(&actor, &launcher, &wanted).unwrap();
        tokio::task::spawn_blocking(make).await.unwrap()
    }

    /// Lets a collection count for a hunt.
    pub async fn put_into_hunt(&self, who: &str, hunt: &HuntId, client: ClientId, flow: FlowId) {
        let (actor, launcher, hunt) = (self.actor(who), self.launcher(), hunt.clone());
        let add = move || hunts::add(&actor, &launcher, &hunt, &client, Some(flow)).unwrap();
        assert!(tokio::task::spawn_blocking(add).await.unwrap());
    }

    /// An event that a client was allowed to send.
    pub async fn add_event(&self, client: ClientId, line: &str) {
        let name = "Generic.Client.Stats";
        let query = vec![VqlRequest { name: name.into(), vql: String::new() }];
        let event = vec![VqlCollectorArgs { query, ..VqlCollectorArgs::default() }];
        let table = VqlEventTable { event, version: 1 };
        self.store.grant_events(client, &table).await.unwrap();
        let chunk = Chunk::from_plain(Bytes::from(line.to_owned())).unwrap();
        let name = name.parse().unwrap();
        self.apply(client, vec![Fact::Event { name, log: false, digest: None, chunk }]).await;
    }

    /// Rights without a user.
    pub async fn add_policy(&self, name: &str, policy: &str) {
        let policy = Policy::parse(policy).unwrap();
        self.change_accounts(
            move |accounts, name| {
                accounts.grant(name, policy, Grant::Replace).unwrap();
            },
            name,
        )
        .await;
    }

    /// Another organisation.
    pub async fn add_org(&self, id: &str) -> OrgId {
        let server = Principal::Server { name: "Server".to_owned() };
        let wanted = NewOrg {
            name: format!("Organ {id}"),
            id: Some(id.parse().unwrap()),
            ..NewOrg::default()
        };
        let orgs = Arc::clone(&self.orgs);
        let make = move || orgs.create(&server, wanted).unwrap().id;
        tokio::task::spawn_blocking(make).await.unwrap()
    }

    /// What somebody holds in an organisation, whatever lockdown says.
    pub async fn put_policy(&self, name: &str, org: &OrgId, policy: Policy) {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let server = Principal::Server { name: "Server".to_owned() };
        let accounts = Accounts::new(acl, server, org.clone());
        let name = name.parse().unwrap();
        let grant = move || accounts.grant(&name, policy, Grant::Replace).unwrap();
        tokio::task::spawn_blocking(grant).await.unwrap();
    }

    /// Takes away that somebody holds anything anywhere, even nothing.
    pub async fn drop_policy(&self, name: &str) {
        let (store, name) = (self.store.clone(), name.to_owned());
        let drop = move || {
            store.write(move |db| Ok(db.execute("DELETE FROM policy WHERE key = ?1", [name])?))
        };
        tokio::task::spawn_blocking(drop).await.unwrap().unwrap();
    }

    /// Where the store is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Takes away that somebody holds anything in one organisation, even nothing.
    pub async fn drop_policy_in(&self, name: &str, org: &OrgId) {
        let (store, name, org) = (self.store.clone(), name.to_owned(), org.to_string());
        let drop = move || {
            let sql = "DELETE FROM policy WHERE key = ?1 AND org = ?2";
            store.write(move |db| Ok(db.execute(sql, [name, org])?))
        };
        tokio::task::spawn_blocking(drop).await.unwrap().unwrap();
    }

    /// Keeps a definition of the root's.
    pub async fn keep_artifact(&self, text: &'static str) {
        let acl = Acl::new(&Config::default(), self.store.clone()).unwrap();
        let server = Principal::Server { name: "Server".to_owned() };
        let actor = Actor::new(self.store.clone(), acl, server);
        let launcher = Arc::clone(&self.orgs.root().launcher);
        let keep = move || artifacts::set(&actor, &launcher, text).unwrap();
        tokio::task::spawn_blocking(keep).await.unwrap();
    }
}
