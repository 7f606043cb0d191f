//! A server on a free port of the loopback interface, with a deployment of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::oneshot;
use troodon_core::obfuscation::Obfuscator;
use troodon_core::rsa::aws::AwsKey;
use troodon_proto::{FlowRequest, VqlCollectorArgs, VqlEventTable, VqlRequest};
use troodon_server::acme::Answers;
use troodon_server::frontend::{Callers, Frontend, Hooks, Settings, Shown};
use troodon_server::model::client::Client;
use troodon_server::model::flow::NewFlow;
use troodon_server::model::id::{ClientId, FlowId};
use troodon_server::pki::{Authority, Issued};
use troodon_server::store::Store;

pub const NONCE: &str = "AAECAwQFBgc=";
pub const NAME: &str = "VelociraptorServer";

/// Certificates, made once: a key takes long.
pub struct Deployment {
    pub ca: String,
    pub server: Issued,
}

pub fn deployment() -> &'static Deployment {
    static DEPLOYMENT: OnceLock<Deployment> = OnceLock::new();
    DEPLOYMENT.get_or_init(|| {
        let (authority, issued) = Authority::generate().unwrap();
        let server = authority.issue(NAME, 365).unwrap();
        Deployment { ca: issued.certificate, server }
    })
}

/// What a test changes about the settings.
pub struct Wishes {
    pub plain_http: bool,
    pub base_path: &'static str,
    pub max_poll: Duration,
    pub max_upload_size: usize,
    pub names: Option<&'static str>,
    pub nonce: &'static str,
    pub callers: Option<Callers>,
    pub recruits: bool,
    pub enrolments_per_second: u32,
    pub shown: Option<Arc<Shown>>,
    pub answers: Option<Arc<Answers>>,
}

impl Default for Wishes {
    fn default() -> Self {
        let max_poll = Duration::from_secs(60);
        Self {
            plain_http: true,
            base_path: "",
            max_poll,
            max_upload_size: 5 << 20,
            names: None,
            nonce: NONCE,
            callers: None,
            recruits: true,
            enrolments_per_second: 1000,
            shown: None,
            answers: None,
        }
    }
}

/// Notes what the frontend asks of the rest of the server.
#[derive(Default)]
pub struct Notes {
    pub enrolled: Mutex<Vec<ClientId>>,
    pub completed: Mutex<Vec<FlowId>>,
    pub table: Mutex<Option<VqlEventTable>>,
}

impl Hooks for Notes {
    fn enrolled(&self, client: &ClientId) {
        self.enrolled.lock().unwrap().push(*client);
    }

    fn event_table(&self, client: &Client) -> Option<VqlEventTable> {
        let table = self.table.lock().unwrap().clone()?;
        (table.version > client.event_table_version).then_some(table)
    }

    fn completed(&self, _: &ClientId, flow: &FlowId) {
        self.completed.lock().unwrap().push(flow.clone());
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub notes: Arc<Notes>,
    pub folder: PathBuf,
    /// Dropping it stops the server.
    _stop: oneshot::Sender<()>,
    _temporary: Option<tempfile::TempDir>,
}

impl Server {
    pub async fn start(wishes: Wishes) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        let server = Self::start_in(&folder, deployment(), wishes).await;
        Self { _temporary: Some(temporary), ..server }
    }

    pub async fn start_in(folder: &Path, deployment: &Deployment, wishes: Wishes) -> Self {
        let store = Store::open(folder).unwrap();
        let notes = Arc::<Notes>::default();
        let bound = Frontend::bind(settings(deployment, wishes), store.clone(), notes.clone())
            .await
            .unwrap();
        let address = bound.address();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(async move {
            bound.serve(async move { drop(stopped.await) }).await.unwrap();
        });
        let folder = folder.to_owned();
        Self { address, store, notes, folder, _stop: stop, _temporary: None }
    }

    /// A collection of one query for a client.
    pub async fn collect(&self, client: ClientId, flow: &str, name: &str) -> FlowId {
        let flow = new_flow(flow, name);
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.create_flow(&client, flow))
            .await
            .unwrap()
            .unwrap()
    }

    pub fn rows(&self, client: ClientId, flow: &FlowId, name: &str) -> Vec<String> {
        let rows = self.store.rows(client, flow, &name.parse().unwrap(), 0).unwrap();
        rows.map(|row| String::from_utf8(row.unwrap().to_vec()).unwrap()).collect()
    }
}

pub fn new_flow(id: &str, name: &str) -> NewFlow {
    let query = VqlRequest { vql: "SELECT 1 FROM scope()".into(), name: name.into() };
    let action = VqlCollectorArgs { query: vec![query], ..VqlCollectorArgs::default() };
    NewFlow {
        id: id.parse().unwrap(),
        creator: "admin".into(),
        artifacts: vec![name.parse().unwrap()],
        spec: serde_json::Value::Null,
        request: FlowRequest { vql_client_actions: vec![action], ..FlowRequest::default() },
        urgent: false,
    }
}

pub fn settings(deployment: &Deployment, wishes: Wishes) -> Settings {
    let key_pem = deployment.server.private_key.expose();
    Settings {
        bind: "127.0.0.1:0".parse().unwrap(),
        base_path: wishes.base_path.to_owned(),
        certificate: deployment.server.certificate.clone(),
        key: AwsKey::from_pkcs1_pem(key_pem.as_bytes()).unwrap(),
        key_pem: key_pem.to_owned().into(),
        name: NAME.to_owned(),
        tls: wishes.shown,
        answers: wishes.answers,
        callers: wishes.callers,
        plain_http: wishes.plain_http,
        proxy_header: None,
        nonce: wishes.nonce.to_owned(),
        names: wishes.names.map(Obfuscator::new),
        max_poll: wishes.max_poll,
        concurrency: 2,
        recruits: wishes.recruits,
        max_upload_size: wishes.max_upload_size,
        expected_clients: 100,
        enrolments_per_second: wishes.enrolments_per_second,
        posts_at_a_time: 4,
    }
}
