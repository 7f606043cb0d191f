//! The first users: those of `GUI.initial_users`.

use serde_json::json;

use crate::acl::Principal;
use crate::config::{Config, InitialOrg};
use crate::model::audit::Record;
use crate::model::id::{NameFault, OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::Role;
use crate::orgs::{NewOrg, Orgs};
use crate::password::Hashed;
use crate::store::setting::{self, Setting};
use crate::store::user::{self, User};
use crate::store::{StoreError, audit, now_us};

/// Why `GUI.initial_users` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// One of them is wrong.
    #[error("GUI.initial_users: {name:?}: {why}")]
    User {
        /// As it stands there.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// An organisation is wrong.
    #[error("GUI.initial_orgs: {name:?}: {why}")]
    Org {
        /// As it stands there.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the organisations of `GUI.initial_orgs`, and the users of `GUI.initial_users` administrators of them and of the
/// root, once in the life of a store.
///
/// # Errors
/// A name or a hash there is none, or an organisation cannot be made; nobody is made then.
pub fn install(config: &Config, orgs: &Orgs) -> Result<(), InstallError> {
    let store = &orgs.root().store;
    if store.setting(Setting::InitialUsers)?.is_some() {
        return Ok(());
    }
    // Where nobody signs in by password, a configuration brings hashes that mean nothing: of the empty one, for example.
    let by_password = config.sign_on().is_ok_and(|ways| ways.passwords);
    let mut users = Vec::new();
    for initial in &config.gui.initial_users {
        let fault = |why: String| InstallError::User { name: initial.name.clone(), why };
        let password = match (initial.password_salt.expose(), initial.password_hash.expose()) {
            ("", "") => None,
            _ if !by_password => None,
            (salt, hash) => {
                Some(Hashed::imported(salt, hash).map_err(|error| fault(error.to_string()))?)
            }
        };
        let name: UserName =
            initial.name.parse().map_err(|error: NameFault| fault(error.to_string()))?;
        users.push(User {
            name,
            password,
            locked: false,
            failures: 0,
            failed_us: 0,
            created_us: now_us(),
        });
    }
    let server = config.client.server_name().to_owned();
    let mut homes = vec![OrgId::root()];
    homes.extend(initial_orgs(config, orgs)?);
    store.write(move |db| {
        let policy = Policy::of([Role::Administrator]);
        for user in users {
            if user::find(db, &user.name)?.is_some() {
                continue;
            }
            user::put(db, &user)?;
            for org in &homes {
                user::put_policy(db, &user.name, org, &policy)?;
            }
            let record = Record {
                time_us: now_us(),
                org: OrgId::root(),
                principal: server.clone(),
                operation: "user_create".to_owned(),
                allowed: true,
                details: json!({
                    "acl": policy.to_json(),
                    "org_ids": homes.iter().map(OrgId::as_str).collect::<Vec<_>>(),
                    "source": "GUI.initial_users",
                    "username": user.name.as_str(),
                }),
            };
            audit::append(db, &record)?;
        }
        setting::put(db, Setting::InitialUsers, b"done")
    })?;
    Ok(())
}

/// Makes the organisations that are not there yet; answers the ids of all.
fn initial_orgs(config: &Config, orgs: &Orgs) -> Result<Vec<OrgId>, InstallError> {
    let server = Principal::Server { name: config.client.server_name().to_owned() };
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut ids = Vec::new();
    for InitialOrg { org_id, name, nonce } in &config.gui.initial_orgs {
        let fault = |why: String| InstallError::Org { name: name.clone(), why };
        let id: Option<OrgId> = given(org_id)
            .map(|id| id.parse())
            .transpose()
            .map_err(|error: NameFault| fault(error.to_string()))?;
        // A first start that was cut off is not in the way of the second.
        if let Some(id) = &id
            && orgs.find(id)?.is_some()
        {
            ids.push(id.clone());
            continue;
        }
        let name = given(name).unwrap_or_else(|| org_id.clone());
        let made = orgs.create(&server, NewOrg { name, id, nonce: given(nonce) });
        ids.push(made.map_err(|error| fault(error.to_string()))?.id);
    }
    Ok(ids)
}
