//! VQL on the server: what queries can ask of the store, and running them under a caller's rights.
//!
//! Every plugin and function says in its table which permissions it needs; the engine asks for them before the body
//! runs, so there is no body that could forget to.

mod artifact;
mod call;
mod client;
mod collect;
mod download;
mod elsewhere;
mod event;
mod file;
mod flow;
mod hunt;
mod hunt_change;
mod json;
mod machine;
mod mail;
mod messages;
mod metadata;
mod monitoring;
mod notebook;
mod org;
mod run;
mod session;
mod user;

use std::sync::Arc;

use troodon_vql::threads::HostThreads;
use troodon_vql::{Accessor, AllowList, Context, Fault, Permission, Registry, standard};

use crate::acl::{Acl, Principal, Token};
use crate::actor::Actor;
use crate::config::{Config, ConfigError};
use crate::launcher::Launcher;
use crate::limits::QUERY_THREADS_MAX;
use crate::monitoring::Monitoring;
use crate::orgs::{Org, Orgs};
use crate::store::Store;

pub use messages::Messages;
pub use run::{QueryFault, Running, Turn, run};
pub use session::Asked;

/// What plugins of the server work with. It reaches them as an extension of the session.
pub struct Backend {
    /// All organisations.
    pub orgs: Arc<Orgs>,
    /// Where everything of the organisation is kept.
    pub store: Store,
    /// The one door for collections, and the artifacts.
    pub launcher: Arc<Launcher>,
    /// What clients watch.
    pub monitoring: Arc<Monitoring>,
    /// Whose rights the query has.
    pub token: Token,
}

impl Backend {
    /// What a query of this principal works with in an organisation.
    pub fn new(orgs: &Arc<Orgs>, org: &Org, acl: &Acl, principal: Principal) -> Self {
        Self {
            orgs: Arc::clone(orgs),
            store: org.store.clone(),
            launcher: Arc::clone(&org.launcher),
            monitoring: Arc::clone(&org.monitoring),
            token: acl.token(principal, org.store.clone()),
        }
    }

    /// The caller, as it acts on the store.
    fn actor(&self) -> Actor {
        let Self { store, token, .. } = self;
        Actor::new(store.clone(), token.acl().clone(), token.principal().clone())
    }
}

/// Everything that a query on this server can use. What `security` does not allow is not registered.
///
/// # Errors
/// `security.allowed_accessors` names one that does not exist.
pub fn registry(config: &Config) -> Result<Registry, ConfigError> {
    let mut registry = Registry::core();
    registry.lend_threads(Arc::new(HostThreads::new(QUERY_THREADS_MAX)));
    standard::add(&mut registry);
    troodon_parsers::add(&mut registry);
    troodon_parsers::add_forwarding(&mut registry);
    for plugins in [
        artifact::PLUGINS,
        call::PLUGINS,
        client::PLUGINS,
        download::PLUGINS,
        event::PLUGINS,
        flow::PLUGINS,
        hunt::PLUGINS,
        notebook::PLUGINS,
        org::PLUGINS,
        user::PLUGINS,
    ] {
        registry.add_plugins(plugins);
    }
    for functions in [
        artifact::FUNCTIONS,
        client::FUNCTIONS,
        collect::FUNCTIONS,
        download::FUNCTIONS,
        event::FUNCTIONS,
        hunt_change::FUNCTIONS,
        mail::FUNCTIONS,
        metadata::FUNCTIONS,
        monitoring::FUNCTIONS,
        notebook::FUNCTIONS,
        org::FUNCTIONS,
        user::FUNCTIONS,
    ] {
        registry.add_functions(functions);
    }
    registry.add_plugins(machine::PLUGINS);
    let files: Arc<dyn Accessor> = Arc::new(file::FileAccessor::new(config));
    for name in ["file", "auto"] {
        registry.add_accessor(name, &[Permission::FilesystemRead], Arc::clone(&files));
    }
    let security = &config.security;
    let list = |allowed: &[String], denied: &[String]| AllowList {
        allowed: allowed.to_vec(),
        denied: denied.to_vec(),
    };
    registry.restrict_plugins(&list(&security.allowed_plugins, &security.denied_plugins));
    registry.restrict_functions(&list(&security.allowed_functions, &security.denied_functions));
    registry
        .restrict_accessors(&list(&security.allowed_accessors, &security.denied_accessors))
        .map_err(|error| ConfigError::invalid("security.allowed_accessors", error.to_string()))?;
    Ok(registry)
}

/// The backend of the session in which a plugin runs.
fn backend(cx: &Context) -> Result<Arc<Backend>, Fault> {
    cx.extension().ok_or_else(|| Fault::error("this works on the server only"))
}

/// What went wrong, for the query log.
fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::error(error.to_string())
}
