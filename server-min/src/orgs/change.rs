//! Organisations that begin and end.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Orgs;
use crate::acl::Principal;
use crate::actor::ActError;
use crate::limits;
use crate::model::door::Door;
use crate::model::id::OrgId;
use crate::model::policy::Policy;
use crate::model::role::{Rights, Role};
use crate::store::org::{self, OrgRecord};
use crate::store::{Store, StoreError, audit, now_us, user};

use troodon_vql::Permission;

/// What somebody wants of an organisation that begins.
#[derive(Debug, Clone, Default)]
pub struct NewOrg {
    /// For people.
    pub name: String,
    /// Its id; a random one unless given.
    pub id: Option<OrgId>,
    /// What its agents say; random unless given.
    pub nonce: Option<String>,
}

/// Bytes of a nonce, as Velociraptor makes them. It is no secret among the agents of an organisation.
const NONCE_BYTES: usize = 8;

impl Orgs {
    /// Makes an organisation. A user who makes one holds in it what they hold in the root.
    ///
    /// # Errors
    /// The caller may not, the name, id or nonce cannot be used, or there is such an organisation.
    pub fn create(&self, caller: &Principal, wanted: NewOrg) -> Result<OrgRecord, ActError> {
        let mut record = self.enter(caller, Door::CreateOrg, json!({"name": wanted.name}))?;
        let fresh = self.fresh(wanted)?;
        record.details["org_id"] = fresh.id.as_str().into();
        // An organisation that is listed always has a store, so the store comes first.
        drop(Store::open_of(&self.folder_of(&fresh.id), fresh.id.clone())?);
        let (listed, caller) = (fresh.clone(), caller.clone());
        let is_listed = self.root.store.write(move |db| {
            let is_taken =
                org::find(db, &listed.id)?.is_some() || org::of_nonce(db, &listed.nonce)?.is_some();
            if is_taken {
                return Ok(false);
            }
            org::insert(db, &listed)?;
            if let Principal::User { name } = &caller {
                let held = user::policy(db, name, &OrgId::root())?.unwrap_or_default();
                user::put_policy(db, name, &listed.id, &without_orgs(held))?;
            }
            audit::append(db, &record)?;
            Ok(true)
        })?;
        if is_listed {
            return Ok(fresh);
        }
        Err(ActError::Wrong(format!("there is an organisation {} or its nonce already", fresh.id)))
    }

    /// Ends an organisation: its clients, results and everybody's rights in it are removed. What remains is its audit
    /// log, in a file beside the folder that it had; `audit verify --archive` checks it.
    ///
    /// # Errors
    /// The caller may not, there is no such organisation, or it is the root.
    pub fn delete(&self, caller: &Principal, id: &OrgId) -> Result<(), ActError> {
        let mut record = self.enter(caller, Door::DeleteOrg, json!({"org_id": id.as_str()}))?;
        if id.is_root() {
            return Err(ActError::Wrong("the root organisation cannot be deleted".to_owned()));
        }
        let gone = self.find(id)?;
        let gone = gone.ok_or_else(|| ActError::Wrong(format!("there is no organisation {id}")))?;
        let archive = self.folder.join(format!("{id}-{}.audit", now_us()));
        if let Some((number, hash)) = keep_audit(&gone.store, &archive)? {
            record.details["audit_log"] = archive.display().to_string().into();
            record.details["audit_head"] = format!("{number}:{}", hex::encode(hash)).into();
        }
        drop(gone);
        let unlisted = id.clone();
        self.root.store.write(move |db| {
            org::remove(db, &unlisted)?;
            audit::append(db, &record)
        })?;
        self.open().remove(id);
        // A crash before this leaves a folder of an id that is listed no more.
        Ok(fs::remove_dir_all(self.folder_of(id)).map_err(StoreError::from)?)
    }

    fn fresh(&self, wanted: NewOrg) -> Result<OrgRecord, ActError> {
        let NewOrg { name, id, nonce } = wanted;
        let name = name.trim().to_owned();
        if name.is_empty() || name.len() > limits::ORG_NAME_BYTES || name.contains(char::is_control)
        {
            return Err(ActError::Wrong(
                "an organisation needs a short name on one line".to_owned(),
            ));
        }
        let id = match id {
            Some(id) => id,
            None => OrgId::generate(random()?),
        };
        let nonce = match nonce {
            Some(nonce) => nonce,
            None => STANDARD.encode(random::<NONCE_BYTES>()?),
        };
        let is_usable = !nonce.is_empty() && nonce.len() <= limits::ORG_NAME_BYTES;
        if !is_usable || nonce == self.root.record.nonce || id.is_root() {
            return Err(ActError::Wrong("this id or nonce is that of the root".to_owned()));
        }
        Ok(OrgRecord { id, name, nonce, created_us: now_us() })
    }
}

/// What somebody holds in the root, as they may hold it in another organisation.
fn without_orgs(mut policy: Policy) -> Policy {
    policy.roles.remove(&Role::OrgAdmin);
    policy.extra = policy.extra.without(Rights::of(&[Permission::OrgAdmin]));
    policy
}

/// Writes the whole audit log of a store to a file; answers its end.
fn keep_audit(
    store: &Store,
    path: &std::path::Path,
) -> Result<Option<(u64, crate::model::audit::Link)>, StoreError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut writer = BufWriter::new(file);
    let end = store.archive_audit(u64::MAX, &mut writer)?;
    writer.flush()?;
    writer.get_ref().sync_all()?;
    if end.is_none() {
        fs::remove_file(path)?;
    }
    Ok(end)
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
    Ok(bytes)
}
