//! Who may do what: the one function that decides.
//!
//! Lockdown is inside it and comes first, so that it binds the server's own account as well.

use std::sync::Arc;

use troodon_vql::{Access, Denied, Permission};

use crate::config::{Config, ConfigError};

/// What lockdown denies unless `security.lockdown_denied_permissions` says otherwise: whatever changes the deployment
/// or reaches beyond stored results.
const LOCKDOWN: [Permission; 15] = [
    Permission::ArtifactWriter,
    Permission::ServerArtifactWriter,
    Permission::LabelClient,
    Permission::CollectClient,
    Permission::CollectServer,
    Permission::CollectBasic,
    Permission::StartHunt,
    Permission::Execve,
    Permission::ServerAdmin,
    Permission::OrgAdmin,
    Permission::Impersonation,
    Permission::Network,
    Permission::FilesystemRead,
    Permission::FilesystemWrite,
    Permission::MachineState,
];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The server's own account: the command line with `--config`, and the server's services.
    Server {
        /// The name in its certificate.
        name: String,
    },
    /// Somebody with a policy.
    User {
        /// The name under which the policy is stored.
        name: String,
    },
}

impl Principal {
    /// The name that logs and records show.
    pub fn name(&self) -> &str {
        match self {
            Self::Server { name } | Self::User { name } => name,
        }
    }
}

/// The rules of one server.
#[derive(Debug, Clone)]
pub struct Acl {
    denied_to_all: Arc<[Permission]>,
}

impl Acl {
    /// The rules that a configuration sets.
    ///
    /// # Errors
    /// `security.lockdown_denied_permissions` names a permission that does not exist: better no start than a lockdown
    /// with a hole.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let named = &config.security.lockdown_denied_permissions;
        let mut denied = Vec::with_capacity(named.len());
        for name in named {
            denied.push(Permission::named(name).ok_or_else(|| {
                let problem = format!("there is no permission `{name}`");
                ConfigError::invalid("security.lockdown_denied_permissions", problem)
            })?);
        }
        let denied_to_all = match (config.lockdown, denied.is_empty()) {
            (false, _) => Vec::new(),
            (true, true) => LOCKDOWN.to_vec(),
            (true, false) => denied,
        };
        Ok(Self { denied_to_all: denied_to_all.into() })
    }

    /// Allows all of `permissions`, or says why not.
    ///
    /// # Errors
    /// Lockdown denies one of them, or the principal's policy lacks one.
    pub fn check(&self, principal: &Principal, permissions: &[Permission]) -> Result<(), Denied> {
        if permissions.iter().any(|one| self.denied_to_all.contains(one)) {
            return Err(Denied::by_lockdown(permissions));
        }
        match principal {
            Principal::Server { .. } => Ok(()),
            // Only the server's own account has a policy.
            Principal::User { .. } => Err(Denied::no_policy(permissions)),
        }
    }

    /// What the engine asks while it runs a query of this principal.
    pub fn token(&self, principal: Principal) -> Token {
        Token { acl: self.clone(), principal }
    }
}

/// A principal's rights, as the query engine asks for them.
#[derive(Debug, Clone)]
pub struct Token {
    acl: Acl,
    principal: Principal,
}

impl Token {
    /// Whose rights they are.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Access for Token {
    fn check(&self, permissions: &[Permission]) -> Result<(), Denied> {
        self.acl.check(&self.principal, permissions)
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, LOCKDOWN, Principal};
    use crate::config::Config;
    use troodon_vql::Permission;

    fn server() -> Principal {
        Principal::Server { name: "VelociraptorServer".into() }
    }

    #[test]
    fn lockdown_denies_the_servers_own_account() {
        let config = Config { lockdown: true, ..Config::default() };
        let acl = Acl::new(&config).unwrap();
        for permission in Permission::ALL {
            let allowed = acl.check(&server(), &[permission]).is_ok();
            assert_eq!(allowed, !LOCKDOWN.contains(&permission), "{permission}");
        }
        let both = [Permission::ReadResults, Permission::Execve];
        let denied = acl.check(&server(), &both).unwrap_err();
        assert_eq!(denied.to_string(), "Server locked down: [READ_RESULTS EXECVE]");
    }

    #[test]
    fn lockdown_may_have_a_list_of_its_own_without_mistakes() {
        let mut config = Config { lockdown: true, ..Config::default() };
        config.security.lockdown_denied_permissions = vec!["start_hunt".into()];
        let acl = Acl::new(&config).unwrap();
        assert!(acl.check(&server(), &[Permission::Execve]).is_ok());
        assert!(acl.check(&server(), &[Permission::StartHunt]).is_err());
        config.security.lockdown_denied_permissions.push("EXEC".into());
        assert!(Acl::new(&config).unwrap_err().to_string().contains("no permission `EXEC`"));
    }

    #[test]
    fn users_without_a_policy_may_do_nothing() {
        let acl = Acl::new(&Config::default()).unwrap();
        let user = Principal::User { name: "joe".into() };
        assert!(acl.check(&user, &[Permission::ReadResults]).is_err());
        assert!(acl.check(&server(), &Permission::ALL).is_ok());
    }
}
