//! A deployment with a user for each role, with and without lockdown.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use troodon_server::account::{Accounts, Grant};
use troodon_server::acl::{Acl, Principal};
use troodon_server::artifact::Repository;
use troodon_server::cli;
use troodon_server::config::{self, Config};
use troodon_server::model::audit::Record;
use troodon_server::model::id::OrgId;
use troodon_server::model::policy::Policy;
use troodon_server::model::role::Role;
use troodon_server::orgs::{NewOrg, Orgs};
use troodon_server::query::{self, Backend};
use troodon_server::store::Store;
use troodon_vql::{Interrupt, Level, LogSink, Permission};

pub const CLIENT: &str = "C.0123456789abcdef";
pub const FLOW: &str = "F.TEST";
pub const HUNT: &str = "H.TEST";
/// Everybody with a role may see it.
pub const NOTEBOOK: &str = "N.TEST";
const SERVER: &str = "VelociraptorServer";

/// Who tries a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Server,
    Nobody,
    /// A user with this role, in the root organisation only.
    Role(Role),
}

impl Who {
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Server, Self::Nobody].into_iter().chain(Role::ALL.map(Self::Role))
    }

    pub fn user(self) -> Option<&'static str> {
        match self {
            Self::Server => None,
            Self::Nobody => Some("nobody"),
            Self::Role(role) => Some(role.name()),
        }
    }

    pub fn name(self) -> &'static str {
        self.user().unwrap_or(SERVER)
    }

    /// As the tables call the role.
    pub fn letter(self) -> Option<char> {
        let Self::Role(role) = self else { return None };
        Some(match role {
            Role::OrgAdmin => 'O',
            Role::Administrator => 'A',
            Role::Reader => 'R',
            Role::Analyst => 'N',
            Role::Investigator => 'I',
            Role::ArtifactWriter => 'W',
            Role::Api => 'P',
        })
    }

    fn principal(self) -> Principal {
        match self.user() {
            None => Principal::Server { name: SERVER.into() },
            Some(name) => Principal::User { name: name.parse().unwrap() },
        }
    }
}

pub struct Bench {
    store: Store,
    /// Of another organisation, in which nobody has rights.
    elsewhere: Store,
    configs: [(PathBuf, Config); 2],
    _folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let made = config::generate(config::defaults()).unwrap();
        let configs = [false, true].map(|lockdown| {
            let patch = serde_json::json!({
                "Datastore": {"location": data, "filestore_directory": data},
                "lockdown": lockdown,
            });
            let config = config::apply_merge(&made, &patch.to_string(), "test").unwrap();
            let path = folder.path().join(format!("lockdown-{lockdown}.yaml"));
            std::fs::write(&path, config.to_yaml().unwrap()).unwrap();
            let config = Config::load(&path).unwrap();
            (path, config)
        });
        let store = Store::open(&data).unwrap();
        let mut bench = Self { elsewhere: store.clone(), store, configs, _folder: folder };
        bench.enrol();
        let orgs = bench.orgs(false);
        let wanted = NewOrg { name: "Elsewhere".into(), id: Some(org(true)), nonce: None };
        orgs.create(&Who::Server.principal(), wanted).unwrap();
        bench.elsewhere = orgs.find(&org(true)).unwrap().unwrap().store.clone();
        for role in Role::ALL {
            bench.accounts().add(&name(role.name()), None, &Policy::of([role])).unwrap();
        }
        bench
    }

    fn enrol(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.store.enrol(CLIENT.parse().unwrap(), vec![1, 2, 3])).unwrap();
    }

    pub fn accounts(&self) -> Accounts {
        let acl = Acl::new(&self.configs[0].1, self.store.clone()).unwrap();
        Accounts::new(acl, Who::Server.principal(), OrgId::root())
    }

    /// Runs a command; what it prints goes to the standard output.
    pub fn command(
        &self,
        user: Option<&str>,
        lockdown: bool,
        command: &str,
        arguments: &[&str],
    ) -> anyhow::Result<()> {
        self.command_in("root", user, lockdown, command, arguments)
    }

    /// The same in an organisation.
    pub fn command_in(
        &self,
        org: &str,
        user: Option<&str>,
        lockdown: bool,
        command: &str,
        arguments: &[&str],
    ) -> anyhow::Result<()> {
        let path = self.configs[usize::from(lockdown)].0.to_str().unwrap();
        let mut line = vec!["troodon", "--config", path, "--org", org];
        line.extend(user.iter().flat_map(|user| ["--runas", user]));
        line.extend(command.split(' '));
        line.extend(arguments);
        cli::run(line)
    }

    /// Runs a query in a fresh session; answers its log.
    pub fn query(&self, who: Who, lockdown: bool, elsewhere: bool, vql: &str) -> Vec<String> {
        let config = &self.configs[usize::from(lockdown)].1;
        let orgs = self.orgs(lockdown);
        let org = orgs.find(&org(elsewhere)).unwrap().unwrap();
        let backend = Arc::new(Backend::new(&orgs, &org, orgs.acl(), who.principal()));
        let registry = Arc::new(query::registry(config).unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = Box::new(Log(Arc::clone(&lines)));
        query::run(vql, &[], backend, registry, log, Interrupt::new(), |_| Ok(())).unwrap();
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Files that no query may reach: the configuration with its keys, and the store.
    pub fn secrets(&self) -> Vec<String> {
        let (path, config) = &self.configs[0];
        let store = PathBuf::from(&config.datastore.location).join("troodon.sqlite");
        let memory = PathBuf::from("/proc/self/environ");
        [path.clone(), store, memory].map(|path| path.to_str().unwrap().to_owned()).to_vec()
    }

    /// All organisations, as a server in lockdown or out of it has them.
    pub fn orgs(&self, lockdown: bool) -> Arc<Orgs> {
        let config = &self.configs[usize::from(lockdown)].1;
        let acl = Acl::new(config, self.store.clone()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        Arc::new(Orgs::of(config, repository, self.store.clone(), acl))
    }

    fn log_of(&self, elsewhere: bool) -> &Store {
        if elsewhere { &self.elsewhere } else { &self.store }
    }

    pub fn last_record(&self, elsewhere: bool) -> u64 {
        let records = self.log_of(elsewhere).audit_records(0, usize::MAX).unwrap();
        records.last().map_or(0, |(number, _)| *number)
    }

    pub fn records_after(&self, elsewhere: bool, number: u64) -> Vec<Record> {
        let records = self.log_of(elsewhere).audit_records(number, usize::MAX).unwrap();
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// Makes the client, the collection, the hunt and the user on whom doors are tried what they were; the user without
    /// rights, or not there.
    pub fn prepare(&self, gone: bool) {
        self.enrol();
        let sql = "DELETE FROM policy WHERE key = 'victim'; DELETE FROM user WHERE key = 'victim'; \
                   INSERT OR IGNORE INTO hunt (id, creator, description, artifacts, spec, request, urgent, \
                       condition, client_limit, created_us, expires_us, state) \
                   VALUES ('H.TEST', 'x', '', '[\"Linux.Sys.Users\"]', 'null', x'', 0, '{}', 0, 1, 1, 1); \
                   INSERT OR IGNORE INTO flow \
                       (client, id, creator, artifacts, spec, request, urgent, created_us) \
                   VALUES ('C.0123456789abcdef', 'F.TEST', 'x', '[]', \
                       '{\"artifacts\":[{\"artifact\":\"Generic.Client.Info\",\"parameters\":{}}]}', x'', 0, 1), \
                       ('server', 'F.TEST', 'x', '[]', \
                       '{\"artifacts\":[{\"artifact\":\"Generic.Client.Info\",\"parameters\":{}}]}', x'', 0, 1); \
                   INSERT OR IGNORE INTO org (id, name, nonce, created_us) \
                   VALUES ('OGONE', 'x', 'gone', 1); \
                   INSERT OR IGNORE INTO notebook \
                       (id, name, description, creator, collaborators, preamble, created_us, changed_us) \
                   VALUES ('N.TEST', 'x', '', 'administrator', '[]', '', 1, 1); \
                   UPDATE notebook SET collaborators = '[\"reader\", \"analyst\", \"investigator\", \"api\", \
                       \"artifact_writer\", \"org_admin\"]' WHERE id = 'N.TEST'; \
                   INSERT OR IGNORE INTO cell (number, notebook, position, kind, input) \
                       SELECT 1, number, 1, 'vql', 'SELECT 1 FROM scope()' FROM notebook WHERE id = 'N.TEST'; \
                   UPDATE flow SET complete = 0, failure = NULL WHERE id = 'F.TEST';";
        self.store.write(move |db| Ok(db.execute_batch(sql)?)).unwrap();
        if !gone {
            let accounts = self.accounts();
            accounts.add(&name("victim"), None, &Policy::default()).unwrap();
            accounts.grant(&name("victim"), Policy::default(), Grant::Replace).unwrap();
        }
    }
}

fn name(text: &str) -> troodon_server::model::id::UserName {
    text.parse().unwrap()
}

/// The root, or another organisation.
pub fn org(elsewhere: bool) -> OrgId {
    if elsewhere { "OABCD".parse().unwrap() } else { OrgId::root() }
}

/// Names of permissions, as tables have them.
pub fn listed(permissions: &[Permission]) -> String {
    permissions.iter().map(|one| one.name()).collect::<Vec<_>>().join(" ")
}

struct Log(Arc<Mutex<Vec<String>>>);

impl LogSink for Log {
    fn log(&mut self, _: Level, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}
