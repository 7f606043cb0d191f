//! `troodon acl …`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;

use crate::account::Grant;
use crate::acl::Principal;
use crate::model::door::Door;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::{LIKE_ADMINISTRATOR, Role};
use crate::permission_page;

use super::console::Console;
use super::remote_command::Question;
use super::rows::Format;
use super::{Invocation, print};

#[derive(Debug, Subcommand)]
pub(super) enum AclCommand {
    /// Give rights: what the user had is replaced, unless --merge says otherwise
    Grant {
        /// A user, or the name in a program's certificate
        name: UserName,
        /// Roles and permissions, such as {"roles":["reader"],"label_clients":true}
        #[arg(value_name = "JSON", required_unless_present = "role")]
        policy: Option<String>,
        /// Roles; several are separated by commas
        #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = role)]
        role: Vec<Role>,
        /// Add to what the user has
        #[arg(long)]
        merge: bool,
    },
    /// Show what somebody was given, as JSON
    Show {
        /// Whom
        name: UserName,
        /// What it comes to instead: all permissions of all roles, a line each
        #[arg(long)]
        effective: bool,
    },
    /// Print the page with all roles, permissions and what needs them
    Page,
}

impl AclCommand {
    /// The same of another server, if a query does it.
    pub(super) fn question(&self) -> Option<Question> {
        match self {
            Self::Grant { name, policy, role, merge: false } => {
                let roles: Vec<&str> = role.iter().map(|role| role.name()).collect();
                let vql = "SELECT user_grant(user=Name, roles=parse_json_array(data=Roles), \
                           policy=parse_json(data=Policy)) AS Holds FROM scope()";
                let question = Question::new(vql).with("Name", name).with("Roles", json!(roles));
                Some(question.with("Policy", policy.as_deref().unwrap_or("{}")))
            }
            Self::Show { name, effective: false } => {
                let vql = "SELECT _policy AS Policy FROM gui_users() WHERE name = Name";
                Some(Question::new(vql).with("Name", name).in_format(Format::Json))
            }
            Self::Grant { .. } | Self::Show { .. } | Self::Page => None,
        }
    }
}

pub(super) fn run(invocation: &Invocation, command: AclCommand) -> Result<()> {
    match command {
        AclCommand::Grant { name, policy, role, merge } => {
            let mut wanted = Policy::of(role);
            if let Some(text) = policy {
                wanted = wanted.and(Policy::parse(&text)?);
            }
            let how = if merge { Grant::Merge } else { Grant::Replace };
            let console = Console::open(invocation)?;
            let granted = console.accounts().grant(&name, wanted, how)?;
            warn_of(&name, &granted, console.org.id());
            Ok(())
        }
        AclCommand::Show { name, effective } => show(&Console::open(invocation)?, name, effective),
        AclCommand::Page => print(&permission_page::page()?),
    }
}

fn show(console: &Console, name: UserName, effective: bool) -> Result<()> {
    console.enter(Door::ShowUsers, json!({"username": name.as_str()}))?;
    let org = console.org.id();
    if !effective {
        let policy = console.root().policy(&name, org)?.unwrap_or_default();
        return print(&format!("{}\n", policy.to_json()));
    }
    let standing = console.acl.standing(&Principal::User { name }, org);
    let lines = standing.rights().iter().map(|permission| {
        let mark = if LIKE_ADMINISTRATOR.has(permission) { "  like an administrator" } else { "" };
        format!("{permission}{mark}\n")
    });
    print(&lines.collect::<String>())
}

/// Says with which permissions somebody can become administrator.
pub(super) fn warn_of(name: &UserName, policy: &Policy, org: &OrgId) {
    let strong: Vec<_> = policy
        .rights(org)
        .iter()
        .filter(|permission| LIKE_ADMINISTRATOR.has(*permission))
        .map(|permission| permission.name())
        .collect();
    if !strong.is_empty() {
        eprintln!("`{name}` can do as much as an administrator with {}", strong.join(", "));
    }
}

/// A role by its name.
pub(super) fn role(name: &str) -> Result<Role, String> {
    let all = Role::ALL.map(Role::name).join(", ");
    Role::named(name).ok_or_else(|| format!("there is no role `{name}`; roles are {all}"))
}
