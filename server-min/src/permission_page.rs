//! docs/permissions.md, made from the tables that the code decides by.

use std::fmt::{Error, Write};

use troodon_vql::Permission;

use crate::config::{Config, ConfigError};
use crate::model::decision::LOCKDOWN;
use crate::model::door::Door;
use crate::model::policy::field;
use crate::model::role::{LIKE_ADMINISTRATOR, Role};
use crate::query;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The table of plugins and functions cannot be made.
    #[error(transparent)]
    Registry(#[from] ConfigError),
    /// A text cannot be written.
    #[error("the page cannot be written")]
    Text(#[from] Error),
}

/// The page in Markdown.
///
/// # Errors
/// None that a configuration by itself causes.
pub fn page() -> Result<String, PageError> {
    let mut page = String::from(
        "# Permissions\n\n\
         Made by `troodon acl page` from the tables by which the server decides; a test compares this file with it.\n\n",
    );
    permissions(&mut page)?;
    doors(&mut page)?;
    queries(&mut page)?;
    Ok(page)
}

fn permissions(page: &mut String) -> Result<(), Error> {
    page.push_str("## Roles and permissions\n\n| permission | field in a policy |");
    for role in Role::ALL {
        write!(page, " {role} |")?;
    }
    page.push_str(" in lockdown | remarks |\n|---|---|");
    page.push_str(&"---|".repeat(Role::ALL.len()));
    page.push_str("---|---|\n");
    for permission in Permission::ALL {
        let grantable = permission != Permission::Publish;
        let name = if grantable { format!("`{}`", field(permission)) } else { String::new() };
        write!(page, "| {permission} | {name} |")?;
        for role in Role::ALL {
            page.push_str(if role.rights().has(permission) { " x |" } else { " |" });
        }
        let lockdown = if LOCKDOWN.has(permission) { "denied" } else { "" };
        let remark = match permission {
            Permission::OrgAdmin => "in the root organisation only; like an administrator",
            one if LIKE_ADMINISTRATOR.has(one) => "like an administrator",
            _ => "",
        };
        writeln!(page, " {lockdown} | {remark} |")?;
    }
    page.push_str(
        "\nLockdown denies these to everybody, the server's own account included; \
         `security.lockdown_denied_permissions` names others. Roles add up. Who holds a permission \"like an \
         administrator\" can become one.\n\n",
    );
    Ok(())
}

fn doors(page: &mut String) -> Result<(), Error> {
    page.push_str(
        "## Commands\n\n| command | needs | operation in the audit log |\n|---|---|---|\n",
    );
    for door in Door::ALL {
        let (commands, needs) = (door.commands(), listed(door.permissions()));
        writeln!(page, "| {commands} | {needs} | `{}` |", door.operation())?;
    }
    page.push_str(
        "\nA collection also needs what its artifact requires (`required_permissions`): the launched artifact only, not \
         those that it calls. Everybody may change the own password.\n\n",
    );
    Ok(())
}

fn queries(page: &mut String) -> Result<(), PageError> {
    let registry = query::registry(&Config::default())?;
    let mut rows = Vec::new();
    for plugin in registry.plugins() {
        rows.push((plugin.entry.name.to_owned(), "plugin", listed(plugin.entry.permissions)));
    }
    for function in registry.functions() {
        rows.push((function.entry.name.to_owned(), "function", listed(function.entry.permissions)));
    }
    for (name, permissions) in registry.accessors() {
        rows.push((name.to_owned(), "accessor", listed(permissions)));
    }
    rows.sort();
    page.push_str("## Queries on the server\n\n| name | kind | needs |\n|---|---|---|\n");
    for (name, kind, needs) in rows.iter().filter(|(_, _, needs)| !needs.is_empty()) {
        writeln!(page, "| `{name}` | {kind} | {needs} |")?;
    }
    page.push_str("\nAll others need none.\n");
    Ok(())
}

fn listed(permissions: &[Permission]) -> String {
    permissions.iter().map(|one| one.name()).collect::<Vec<_>>().join(", ")
}
