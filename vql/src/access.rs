//! Permissions, and who decides about them.
//!
//! A permission is data on a plugin, function or accessor; the dispatcher checks it before the body
//! runs. The engine asks an [`Access`] and never looks into query variables for it, so a query
//! cannot talk itself into rights (server specification sections 1.1 and 2).

use alloc::string::String;
use core::fmt;

/// What a caller may be allowed to do. Names and order as in Velociraptor's ACL records.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Permission {
    /// May issue queries at all.
    AnyQuery,
    /// May push rows into named queues.
    Publish,
    /// Read flows, hunts, notebooks and clients.
    ReadResults,
    /// Change labels and metadata of clients.
    LabelClient,
    /// Schedule and cancel collections on clients.
    CollectClient,
    /// Collect artifacts marked as basic.
    CollectBasic,
    /// Start a hunt.
    StartHunt,
    /// Run artifacts on the server.
    CollectServer,
    /// Edit client artifacts.
    ArtifactWriter,
    /// Edit server artifacts.
    ServerArtifactWriter,
    /// Run external commands.
    Execve,
    /// Edit notebooks.
    NotebookEditor,
    /// Manage the server.
    ServerAdmin,
    /// Manage organisations.
    OrgAdmin,
    /// Run queries as somebody else.
    Impersonation,
    /// Read any file.
    FilesystemRead,
    /// Create files.
    FilesystemWrite,
    /// Open network connections.
    Network,
    /// Look at the host's state, such as its processes.
    MachineState,
    /// Create export archives.
    PrepareResults,
    /// Delete flows, hunts and events.
    DeleteResults,
    /// Raw access to the store.
    DatastoreAccess,
}

impl Permission {
    /// All permissions in their order.
    pub const ALL: [Self; 22] = [
        Self::AnyQuery,
        Self::Publish,
        Self::ReadResults,
        Self::LabelClient,
        Self::CollectClient,
        Self::CollectBasic,
        Self::StartHunt,
        Self::CollectServer,
        Self::ArtifactWriter,
        Self::ServerArtifactWriter,
        Self::Execve,
        Self::NotebookEditor,
        Self::ServerAdmin,
        Self::OrgAdmin,
        Self::Impersonation,
        Self::FilesystemRead,
        Self::FilesystemWrite,
        Self::Network,
        Self::MachineState,
        Self::PrepareResults,
        Self::DeleteResults,
        Self::DatastoreAccess,
    ];

    /// The name used in artifacts, ACL commands and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AnyQuery => "ANY_QUERY",
            Self::Publish => "PUBLISH",
            Self::ReadResults => "READ_RESULTS",
            Self::LabelClient => "LABEL_CLIENT",
            Self::CollectClient => "COLLECT_CLIENT",
            Self::CollectBasic => "COLLECT_BASIC",
            Self::StartHunt => "START_HUNT",
            Self::CollectServer => "COLLECT_SERVER",
            Self::ArtifactWriter => "ARTIFACT_WRITER",
            Self::ServerArtifactWriter => "SERVER_ARTIFACT_WRITER",
            Self::Execve => "EXECVE",
            Self::NotebookEditor => "NOTEBOOK_EDITOR",
            Self::ServerAdmin => "SERVER_ADMIN",
            Self::OrgAdmin => "ORG_ADMIN",
            Self::Impersonation => "IMPERSONATION",
            Self::FilesystemRead => "FILESYSTEM_READ",
            Self::FilesystemWrite => "FILESYSTEM_WRITE",
            Self::Network => "NETWORK",
            Self::MachineState => "MACHINE_STATE",
            Self::PrepareResults => "PREPARE_RESULTS",
            Self::DeleteResults => "DELETE_RESULTS",
            Self::DatastoreAccess => "DATASTORE_ACCESS",
        }
    }

    /// The permission of a name in any letter case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decides what the caller of a query may do.
pub trait Access: Send + Sync {
    /// Allows all of `permissions` to what is called `asker`, or says why not. Without a name nothing is refused: somebody
    /// wants to know.
    ///
    /// # Errors
    ///
    /// The refusal to log; the plugin then yields no row, the function NULL, and the query goes on.
    fn check(&self, asker: &str, permissions: &[Permission]) -> Result<(), Denied>;
}

/// A refusal. `Display` is the text after `PermissionDenied: `.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    reason: Option<&'static str>,
    permissions: String,
}

impl Denied {
    /// The caller's policy lacks one of the permissions.
    #[must_use]
    pub fn by_policy(permissions: &[Permission]) -> Self {
        Self { reason: Some("Permission denied"), permissions: listed(permissions) }
    }

    /// There is no policy for the caller.
    #[must_use]
    pub fn no_policy(permissions: &[Permission]) -> Self {
        Self { reason: None, permissions: listed(permissions) }
    }

    /// The server is in lockdown.
    #[must_use]
    pub fn by_lockdown(permissions: &[Permission]) -> Self {
        Self { reason: Some("Server locked down"), permissions: listed(permissions) }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "{reason}: [{}]", self.permissions),
            None => write!(f, "[{}]", self.permissions),
        }
    }
}

impl core::error::Error for Denied {}

fn listed(permissions: &[Permission]) -> String {
    let names: alloc::vec::Vec<_> = permissions.iter().map(|one| one.name()).collect();
    names.join(" ")
}

/// Allows everything: for the agent, whose queries come from the server it is pinned to.
///
/// On a server this would hand every caller the rights of the service account.
#[derive(Clone, Copy, Debug)]
pub struct DangerAllowAll;

impl Access for DangerAllowAll {
    fn check(&self, _: &str, _: &[Permission]) -> Result<(), Denied> {
        Ok(())
    }
}
