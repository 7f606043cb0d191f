//! The doors of the command line into the store: each states what it needs, and nothing behind it asks again.

use troodon_vql::Permission;

use super::site::Site;

/// One thing that a person can ask of the server beside queries' own plugins and functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Run a query; each plugin and function in it asks for what it needs itself.
    Query,
    /// Start a collection; the artifact may require more.
    Collect,
    /// End a collection.
    Cancel,
    /// Start a collection on the server itself; the artifact may require more.
    CollectServer,
    /// End a collection on the server itself.
    CancelServer,
    /// Look at what can be collected.
    ShowArtifacts,
    /// Write or remove an artifact for clients.
    WriteArtifact,
    /// Write or remove an artifact for the server.
    WriteServerArtifact,
    /// Look at the rows of a collection.
    Results,
    /// Look at the files of a collection.
    Uploads,
    /// Look at the records of clients.
    ShowClients,
    /// Give labels to clients and take them away.
    LabelClients,
    /// Note something about a client.
    NoteClients,
    /// Note something about the server.
    NoteServer,
    /// Remove clients with all that belongs to them.
    DeleteClients,
    /// Look at hunts and at what they brought.
    ShowHunts,
    /// Make a hunt that does not take clients yet; its artifacts may require more.
    CreateHunt,
    /// Let a hunt take clients; that takes as well what collecting its artifacts does.
    StartHunt,
    /// Change a hunt, or let it take no more clients.
    ModifyHunt,
    /// Remove hunts with their collections.
    DeleteHunts,
    /// Remove a collection with what it brought.
    DeleteFlow,
    /// Take a collection or a hunt out of the server as one file.
    Export,
    /// Say which artifacts are basic.
    MarkArtifact,
    /// See who signs in, and who may do what.
    ShowUsers,
    /// Make, lock and unlock users, and change others' passwords.
    ManageUsers,
    /// Give and take rights.
    Grant,
    /// See all organisations, with the nonces of their agents.
    ShowOrgs,
    /// Make an organisation.
    CreateOrg,
    /// Remove an organisation with its clients and results.
    DeleteOrg,
    /// Look at what is watched, on clients and on the server.
    ShowMonitoring,
    /// Choose what runs on the server for good; the artifact may require more.
    MonitorServer,
    /// Look at notebooks: one's own, and those that others share.
    ShowNotebooks,
    /// Make and change notebooks, and run the queries in them; each plugin asks for what it needs itself.
    EditNotebooks,
    /// Take a notebook out of the server as one page.
    ExportNotebook,
    /// Read and check the audit log.
    Audit,
    /// Move the beginning of the audit log to a file.
    RotateAudit,
    /// See whether the server is in lockdown, and whether somebody wants to leave it.
    ShowLockdown,
    /// Take part in leaving lockdown for a time, or end that. Where the configuration allows it, lockdown does not deny it.
    LeaveLockdown,
}

impl Door {
    /// Behind which a collection starts there.
    #[must_use]
    pub const fn of_collecting(site: Site) -> Self {
        match site {
            Site::Server => Self::CollectServer,
            Site::Client(_) => Self::Collect,
        }
    }

    /// Behind which a collection ends there.
    #[must_use]
    pub const fn of_cancelling(site: Site) -> Self {
        match site {
            Site::Server => Self::CancelServer,
            Site::Client(_) => Self::Cancel,
        }
    }

    /// All doors.
    pub const ALL: [Self; 38] = [
        Self::Query,
        Self::Collect,
        Self::Cancel,
        Self::CollectServer,
        Self::CancelServer,
        Self::ShowArtifacts,
        Self::WriteArtifact,
        Self::WriteServerArtifact,
        Self::Results,
        Self::Uploads,
        Self::ShowClients,
        Self::LabelClients,
        Self::NoteClients,
        Self::NoteServer,
        Self::DeleteClients,
        Self::ShowHunts,
        Self::CreateHunt,
        Self::StartHunt,
        Self::ModifyHunt,
        Self::DeleteHunts,
        Self::DeleteFlow,
        Self::Export,
        Self::MarkArtifact,
        Self::ShowUsers,
        Self::ManageUsers,
        Self::Grant,
        Self::ShowOrgs,
        Self::CreateOrg,
        Self::DeleteOrg,
        Self::ShowMonitoring,
        Self::MonitorServer,
        Self::ShowNotebooks,
        Self::EditNotebooks,
        Self::ExportNotebook,
        Self::Audit,
        Self::RotateAudit,
        Self::ShowLockdown,
        Self::LeaveLockdown,
    ];

    /// What it needs.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Query => &[Permission::AnyQuery],
            Self::Collect | Self::Cancel | Self::CreateHunt | Self::ModifyHunt => {
                &[Permission::CollectClient]
            }
            Self::DeleteFlow => &[Permission::DeleteResults],
            Self::Export | Self::ExportNotebook => &[Permission::PrepareResults],
            Self::EditNotebooks => &[Permission::NotebookEditor],
            Self::WriteArtifact => &[Permission::ArtifactWriter],
            Self::WriteServerArtifact => &[Permission::ServerArtifactWriter],
            Self::StartHunt => &[Permission::StartHunt],
            Self::MarkArtifact => &[Permission::ArtifactWriter],
            Self::ShowOrgs | Self::CreateOrg | Self::DeleteOrg => &[Permission::OrgAdmin],
            Self::Results
            | Self::Uploads
            | Self::ShowArtifacts
            | Self::ShowClients
            | Self::ShowHunts
            | Self::ShowMonitoring
            | Self::ShowNotebooks
            | Self::ShowLockdown => &[Permission::ReadResults],
            Self::MonitorServer | Self::CollectServer | Self::CancelServer => {
                &[Permission::CollectServer]
            }
            Self::LabelClients | Self::NoteClients => &[Permission::LabelClient],
            Self::ShowUsers
            | Self::ManageUsers
            | Self::Grant
            | Self::Audit
            | Self::RotateAudit
            | Self::LeaveLockdown
            | Self::NoteServer
            | Self::DeleteClients
            | Self::DeleteHunts => &[Permission::ServerAdmin],
        }
    }

    /// The commands that go through it.
    #[must_use]
    pub const fn commands(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Collect => "artifacts collect, flow relaunch",
            Self::Cancel => "flow cancel, the page of a collection",
            Self::CollectServer => {
                "artifacts collect --client_id server, flow relaunch server, the page of the server's collections"
            }
            Self::CancelServer => "flow cancel server, the page of a collection of the server",
            Self::ShowArtifacts => "the pages of artifacts, artifacts basic list",
            Self::WriteArtifact => "the editor of artifacts, for clients",
            Self::WriteServerArtifact => "the editor of artifacts, for the server",
            Self::Results => "flow list, flow relaunch, artifacts collect unless with --no_wait",
            Self::Uploads => "artifacts uploads",
            Self::ShowClients => "client list, client show, client search",
            Self::LabelClients => "client label",
            Self::NoteClients => "client note",
            Self::NoteServer => "`server_set_metadata()` in a query",
            Self::DeleteClients => "client delete",
            Self::ShowHunts => "hunt list, hunt show, hunt results",
            Self::CreateHunt => "hunt create --paused",
            Self::StartHunt => "hunt create, hunt resume, hunt add",
            Self::ModifyHunt => "hunt pause, hunt stop",
            Self::DeleteHunts => "hunt delete",
            Self::DeleteFlow => "flow delete",
            Self::Export => "flow export, hunt export",
            Self::MarkArtifact => {
                "artifacts basic set, artifacts basic clear, `artifact_set_metadata()` in a query"
            }
            Self::ShowUsers => "user list, user show, acl show",
            Self::ManageUsers => "user add, user password, user lock, user unlock, user unpin",
            Self::Grant => "acl grant, user add --role, config api_client --role",
            Self::ShowOrgs => "orgs list, orgs show",
            Self::CreateOrg => "orgs create",
            Self::DeleteOrg => "orgs delete",
            Self::ShowMonitoring => {
                "monitoring server list, monitoring server show, monitoring client list"
            }
            Self::MonitorServer => "monitoring server add, monitoring server remove",
            Self::ShowNotebooks => "notebook list, notebook show",
            Self::EditNotebooks => {
                "notebook create, notebook add, notebook edit, notebook remove, notebook run, notebook cancel, \
                 notebook share, notebook delete"
            }
            Self::ExportNotebook => "notebook export",
            Self::Audit => "audit show, audit verify",
            Self::RotateAudit => "audit rotate",
            Self::ShowLockdown => "lockdown show",
            Self::LeaveLockdown => "lockdown ask, lockdown approve, lockdown end",
        }
    }

    /// The operation in the audit log.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Query => "Query",
            Self::Collect | Self::CollectServer => "ScheduleFlow",
            Self::Cancel | Self::CancelServer => "CancelFlow",
            Self::ShowArtifacts => "ReadArtifacts",
            Self::WriteArtifact | Self::WriteServerArtifact => "SetArtifactFile",
            Self::Results => "ReadResults",
            Self::Uploads => "ReadUploads",
            Self::ShowClients => "ReadClients",
            Self::LabelClients => "SetClientLabel",
            Self::NoteClients => "SetClientMetadata",
            Self::NoteServer => "SetServerMetadata",
            Self::DeleteClients => "client_delete",
            Self::ShowHunts => "ReadHunts",
            Self::CreateHunt => "CreateHunt",
            Self::StartHunt => "StartHunt",
            Self::ModifyHunt => "ModifyHunt",
            Self::DeleteHunts => "hunt_delete",
            Self::DeleteFlow => "delete_flow",
            Self::Export => "CreateDownload",
            Self::MarkArtifact => "artifact_set_metadata",
            Self::ShowUsers => "ShowUsers",
            Self::ManageUsers => "ManageUsers",
            Self::Grant => "user_grant",
            Self::ShowOrgs => "ReadOrgs",
            Self::CreateOrg => "org_create",
            Self::DeleteOrg => "org_delete",
            Self::ShowMonitoring => "ReadMonitoring",
            Self::MonitorServer => "SetServerMonitoringState",
            Self::ShowNotebooks => "ReadNotebooks",
            Self::EditNotebooks => "EditNotebook",
            Self::ExportNotebook => "ExportNotebook",
            Self::Audit => "ReadAudit",
            Self::RotateAudit => "audit_rotate",
            Self::ShowLockdown => "ReadLockdown",
            Self::LeaveLockdown => "lockdown_exit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_door_is_listed_once_with_its_commands_and_an_operation() {
        let mut commands = std::collections::BTreeSet::new();
        for (at, door) in Door::ALL.into_iter().enumerate() {
            assert!(!Door::ALL[..at].contains(&door), "{door:?}");
            assert!(commands.insert(door.commands()), "{door:?}");
            assert!(!door.permissions().is_empty(), "{door:?}");
        }
        assert!(!commands.contains(""));
        let operation = |door: Door| door.operation();
        assert_eq!(operation(Door::Collect), "ScheduleFlow");
        assert_eq!(operation(Door::Audit), "ReadAudit");
    }
}
