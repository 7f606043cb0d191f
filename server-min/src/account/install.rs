//! The first users: those of `GUI.initial_users`.

use serde_json::json;

use crate::config::Config;
use crate::model::audit::Record;
use crate::model::id::{NameFault, OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::Role;
use crate::password::Hashed;
use crate::store::setting::{self, Setting};
use crate::store::user::{self, User};
use crate::store::{Store, StoreError, audit, now_us};

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
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the users of `GUI.initial_users` administrators, once in the life of a store.
///
/// # Errors
/// A name or a hash there is none; nobody is made then.
pub fn install(config: &Config, store: &Store) -> Result<(), InstallError> {
    if store.setting(Setting::InitialUsers)?.is_some() {
        return Ok(());
    }
    let mut users = Vec::new();
    for initial in &config.gui.initial_users {
        let fault = |why: String| InstallError::User { name: initial.name.clone(), why };
        let password = match (initial.password_salt.expose(), initial.password_hash.expose()) {
            ("", "") => None,
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
    store.write(move |db| {
        let policy = Policy::of([Role::Administrator]);
        for user in users {
            if user::find(db, &user.name)?.is_some() {
                continue;
            }
            user::put(db, &user)?;
            user::put_policy(db, &user.name, &OrgId::root(), &policy)?;
            let record = Record {
                time_us: now_us(),
                org: OrgId::root(),
                principal: server.clone(),
                operation: "user_create".to_owned(),
                allowed: true,
                details: json!({
                    "acl": policy.to_json(),
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
