//! What commands on the store work with.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::acl::{Acl, Principal};
use crate::artifact::Repository;
use crate::config::Config;
use crate::launcher::Launcher;
use crate::store::Store;

use super::Invocation;

/// The same store as a running server's, as the server's own account.
pub(super) struct Console {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) launcher: Arc<Launcher>,
    pub(super) acl: Acl,
    pub(super) principal: Principal,
}

impl Console {
    /// Opens what `--config` names. Artifacts that are wrong are named on the standard error and left out.
    pub(super) fn open(invocation: &Invocation) -> Result<Self> {
        let config = invocation.load()?;
        config.check_server()?;
        let (repository, faults) = Repository::of(&config)?;
        for fault in faults {
            eprintln!("{fault}");
        }
        let acl = Acl::new(&config)?;
        let location = &config.datastore.location;
        let store = Store::open(Path::new(location)).with_context(|| location.clone())?;
        let principal = Principal::Server { name: config.client.server_name().into() };
        let launcher = Launcher::new(&config, Arc::new(repository), store.clone(), acl.clone());
        Ok(Self { config, store, launcher: Arc::new(launcher), acl, principal })
    }
}
