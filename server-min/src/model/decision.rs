//! May they, or may they not: the decision itself, over plain values.

use troodon_vql::{Denied, Permission};

use super::role::Rights;

/// What lockdown denies unless `security.lockdown_denied_permissions` says otherwise: whatever changes the deployment
/// or reaches beyond stored results.
pub const LOCKDOWN: Rights = Rights::of(&[
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
]);

/// What is known about who asks, in the organisation that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The server's own account.
    Server,
    /// Somebody with a policy.
    Holds(Rights),
    /// No policy, or locked.
    Nobody,
}

impl Standing {
    /// Everything that this standing allows outside of lockdown.
    #[must_use]
    pub const fn rights(self) -> Rights {
        match self {
            Self::Server => Rights::of(&Permission::ALL),
            Self::Holds(rights) => rights,
            Self::Nobody => Rights::NONE,
        }
    }
}

/// Allows all of `needed`, or says why not. Lockdown comes first, so that it binds the server's own account as well.
///
/// # Errors
/// `denied_to_all` has one of them, or the standing lacks one. Whoever is nobody may not even do what needs nothing.
pub fn decide(
    denied_to_all: Rights,
    standing: Standing,
    needed: &[Permission],
) -> Result<(), Denied> {
    if needed.iter().any(|one| denied_to_all.has(*one)) {
        return Err(Denied::by_lockdown(needed));
    }
    match standing {
        Standing::Server => Ok(()),
        Standing::Holds(rights) if Rights::of(needed).without(rights).is_empty() => Ok(()),
        Standing::Holds(_) => Err(Denied::by_policy(needed)),
        Standing::Nobody => Err(Denied::no_policy(needed)),
    }
}
