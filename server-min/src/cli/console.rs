//! What commands on the store work with.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use troodon_core::rsa::aws::AwsKey;

use crate::account::{self, Accounts};
use crate::acl::{Acl, Principal};
use crate::actor::Actor;
use crate::artifact::Repository;
use crate::artifacts;
use crate::config::Config;
use crate::launcher::Launcher;
use crate::model::door::Door;
use crate::orgs::{Org, Orgs};
use crate::seal::Seal;
use crate::store::Store;

use super::Invocation;

/// The same stores as a running server's, as the server's own account or as the user of `--runas`.
pub(super) struct Console {
    pub(super) config: Config,
    pub(super) orgs: Arc<Orgs>,
    /// The organisation of `--org`, and what it has.
    pub(super) org: Arc<Org>,
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
        let (mut repository, mut faults) = Repository::of(&config)?;
        let location = &config.datastore.location;
        let store = Store::open(Path::new(location)).with_context(|| location.clone())?;
        store.seal(Seal::of(config.frontend.private_key.expose())?)?;
        faults.extend(artifacts::add_kept(&mut repository, &store)?);
        for fault in faults {
            eprintln!("{fault}");
        }
        let acl = Acl::new(&config, store.clone())?;
        let principal = match &invocation.runas {
            None => Principal::Server { name: config.client.server_name().into() },
            Some(name) => Principal::User { name: name.clone() },
        };
        let orgs = Arc::new(Orgs::of(&config, Arc::new(repository), store, acl.clone()));
        account::install(&config, &orgs)?;
        let org = orgs.of_caller(&principal, &invocation.org)?;
        let (store, launcher) = (org.store.clone(), Arc::clone(&org.launcher));
        let console = Self { config, orgs, org, store, launcher, acl, principal };
        // What was recorded before stays as it is, whatever this command does.
        console.store.sign_audit(&console.key()?)?;
        console.root().sign_audit(&console.key()?)?;
        Ok(console)
    }

    /// Passes a door behind which nothing is changed. What is looked at, or refused, is on record before it is shown.
    pub(super) fn enter(&self, door: Door, details: Value) -> Result<()> {
        let record = self.actor().enter(door, details)?;
        Ok(self.store.audit(record)?)
    }

    /// The caller, as it acts on the store.
    pub(super) fn actor(&self) -> Actor {
        Actor::new(self.store.clone(), self.acl.clone(), self.principal.clone())
    }

    /// The root's store, in which users and rights are.
    pub(super) fn root(&self) -> &Store {
        &self.orgs.root().store
    }

    /// The server's key, with which it signs heads of the audit log.
    pub(super) fn key(&self) -> Result<AwsKey> {
        let pem = self.config.frontend.private_key.expose();
        AwsKey::from_pkcs1_pem(pem.as_bytes())
            .map_err(|fault| anyhow!("Frontend.private_key: {fault}"))
    }

    /// The accounts, as the caller may manage them.
    pub(super) fn accounts(&self) -> Accounts {
        Accounts::new(self.acl.clone(), self.principal.clone(), self.org.id().clone())
    }
}
