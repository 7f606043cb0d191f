//! What each command asks for before it does anything.

use clap::{ArgMatches, Command};

use crate::model::door::Door;

/// How a command is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It asks for what these doors need, in the name of the server or of `--runas`.
    Doors(&'static [Door]),
    /// It works with the keys in the configuration: whoever may read that file is the server, so that `--runas` would
    /// promise something.
    Host,
    /// It shows what the program and the definitions say, which is no secret.
    Open,
}

/// Every command with its gate. A command that is not here does not run.
pub const GATES: &[(&str, Gate)] = &[
    ("config generate", Gate::Host),
    ("config show", Gate::Host),
    ("config client", Gate::Host),
    ("config api_client", Gate::Host),
    ("config rotate_keys", Gate::Host),
    ("config reissue_certs", Gate::Host),
    ("frontend", Gate::Host),
    ("provision", Gate::Host),
    ("artifacts list", Gate::Open),
    ("artifacts show", Gate::Open),
    ("artifacts verify", Gate::Open),
    ("artifacts basic set", Gate::Doors(&[Door::MarkArtifact, Door::Collect])),
    ("artifacts basic clear", Gate::Doors(&[Door::MarkArtifact])),
    ("artifacts basic list", Gate::Doors(&[Door::ShowArtifacts])),
    ("artifacts collect", Gate::Doors(&[Door::Collect, Door::Results])),
    ("artifacts uploads", Gate::Doors(&[Door::Uploads])),
    ("client list", Gate::Doors(&[Door::ShowClients])),
    ("client search", Gate::Doors(&[Door::ShowClients])),
    ("client show", Gate::Doors(&[Door::ShowClients])),
    ("client label", Gate::Doors(&[Door::LabelClients])),
    ("client note", Gate::Doors(&[Door::NoteClients])),
    ("client delete", Gate::Doors(&[Door::DeleteClients])),
    ("flow list", Gate::Doors(&[Door::Results])),
    ("flow cancel", Gate::Doors(&[Door::Cancel])),
    ("flow relaunch", Gate::Doors(&[Door::Collect, Door::Results])),
    ("flow delete", Gate::Doors(&[Door::DeleteFlow])),
    ("flow export", Gate::Doors(&[Door::Export])),
    ("hunt export", Gate::Doors(&[Door::Export])),
    ("hunt create", Gate::Doors(&[Door::StartHunt, Door::Collect])),
    ("hunt list", Gate::Doors(&[Door::ShowHunts])),
    ("hunt show", Gate::Doors(&[Door::ShowHunts])),
    ("hunt pause", Gate::Doors(&[Door::ModifyHunt])),
    ("hunt resume", Gate::Doors(&[Door::StartHunt, Door::Collect])),
    ("hunt stop", Gate::Doors(&[Door::ModifyHunt])),
    ("hunt add", Gate::Doors(&[Door::StartHunt, Door::Collect])),
    ("hunt delete", Gate::Doors(&[Door::DeleteHunts])),
    ("hunt results", Gate::Doors(&[Door::ShowHunts])),
    ("monitoring client add", Gate::Doors(&[Door::Collect])),
    ("monitoring client remove", Gate::Doors(&[Door::Collect])),
    ("monitoring client list", Gate::Doors(&[Door::ShowMonitoring])),
    ("monitoring server add", Gate::Doors(&[Door::MonitorServer])),
    ("monitoring server remove", Gate::Doors(&[Door::MonitorServer])),
    ("monitoring server list", Gate::Doors(&[Door::ShowMonitoring])),
    ("monitoring server show", Gate::Doors(&[Door::ShowMonitoring])),
    ("notebook create", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook list", Gate::Doors(&[Door::ShowNotebooks])),
    ("notebook show", Gate::Doors(&[Door::ShowNotebooks])),
    ("notebook add", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook edit", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook remove", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook run", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook cancel", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook share", Gate::Doors(&[Door::EditNotebooks])),
    ("notebook export", Gate::Doors(&[Door::ExportNotebook])),
    ("notebook delete", Gate::Doors(&[Door::EditNotebooks])),
    ("query", Gate::Doors(&[Door::Query])),
    ("vql list", Gate::Open),
    ("vql show", Gate::Open),
    ("user add", Gate::Doors(&[Door::ManageUsers])),
    ("user password", Gate::Doors(&[Door::ManageUsers])),
    ("user lock", Gate::Doors(&[Door::ManageUsers])),
    ("user unlock", Gate::Doors(&[Door::ManageUsers])),
    ("user unpin", Gate::Doors(&[Door::ManageUsers])),
    ("user show", Gate::Doors(&[Door::ShowUsers])),
    ("user list", Gate::Doors(&[Door::ShowUsers])),
    ("acl grant", Gate::Doors(&[Door::Grant])),
    ("acl show", Gate::Doors(&[Door::ShowUsers])),
    ("acl page", Gate::Open),
    ("orgs list", Gate::Doors(&[Door::ShowOrgs])),
    ("orgs show", Gate::Doors(&[Door::ShowOrgs])),
    ("orgs create", Gate::Doors(&[Door::CreateOrg])),
    ("orgs delete", Gate::Doors(&[Door::DeleteOrg])),
    ("audit show", Gate::Doors(&[Door::Audit])),
    ("audit verify", Gate::Doors(&[Door::Audit])),
    ("lockdown show", Gate::Doors(&[Door::ShowLockdown])),
    ("lockdown ask", Gate::Doors(&[Door::LeaveLockdown])),
    ("lockdown approve", Gate::Doors(&[Door::LeaveLockdown])),
    ("lockdown end", Gate::Doors(&[Door::LeaveLockdown])),
    ("audit rotate", Gate::Doors(&[Door::RotateAudit])),
    ("completions", Gate::Open),
    ("manual", Gate::Open),
];

/// The gate of a command.
pub(super) fn of(command: &str) -> Option<Gate> {
    GATES.iter().find(|(name, _)| *name == command).map(|(_, gate)| *gate)
}

/// Commands of the host that mean something else in each organisation.
pub(super) fn knows_orgs(command: &str) -> bool {
    ["config client", "config api_client"].contains(&command)
}

/// The command that was typed, in full and without its arguments.
pub(super) fn typed(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut level = matches;
    while let Some((word, inner)) = level.subcommand() {
        words.push(word);
        level = inner;
    }
    words.join(" ")
}

/// The commands below `command` that do something, in full.
pub(super) fn leaves(command: &Command) -> Vec<String> {
    let below = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    below
        .flat_map(|inner| {
            let name = inner.get_name().to_owned();
            let further = leaves(inner);
            match further.is_empty() {
                true => vec![name],
                false => further.into_iter().map(|leaf| format!("{name} {leaf}")).collect(),
            }
        })
        .collect()
}
