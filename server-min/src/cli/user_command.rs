//! `troodon user …`.

use std::io::{IsTerminal, stdin};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::model::door::Door;
use crate::model::id::UserName;
use crate::model::policy::Policy;
use crate::model::role::Role;
use crate::password::Hashed;
use crate::store::user::User;

use super::acl_command::{role, warn_of};
use super::console::Console;
use super::remote_command::Question;
use super::rows::Format;
use super::{Invocation, print};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make a user
    Add {
        /// Letters, digits and @ . - _ # +; letter case does not distinguish
        name: UserName,
        /// Seen by everybody on this host while the command runs; without it, the standard input is read
        password: Option<String>,
        /// What the user may do; several are separated by commas
        #[arg(long, value_name = "ROLE", value_delimiter = ',', required = true, value_parser = role)]
        role: Vec<Role>,
        /// Nobody can sign in with a password: for users of an identity provider or with a certificate
        #[arg(long, conflicts_with = "password")]
        no_password: bool,
    },
    /// Change a password
    Password {
        /// Whose
        name: UserName,
        /// Seen by everybody on this host while the command runs; without it, the standard input is read
        password: Option<String>,
    },
    /// Take all rights from a user, without forgetting them
    Lock {
        /// Whom
        name: UserName,
    },
    /// Give them back
    Unlock {
        /// Whom
        name: UserName,
    },
    /// Untie a user from an identity provider's account: the next that signs in under this name is tied
    Unpin {
        /// Whom
        name: UserName,
    },
    /// Show one user as JSON, without the password's hash
    Show {
        /// Whom
        name: UserName,
    },
    /// List all users, each with roles and state
    List,
}

impl UserCommand {
    /// The same of another server, if a query does it.
    pub(super) fn question(&self) -> Result<Option<Question>> {
        Ok(match self {
            Self::Add { name, password, role, no_password } => {
                let typed = match no_password {
                    true => Zeroizing::new(String::new()),
                    false => typed(password.clone())?,
                };
                let roles: Vec<&str> = role.iter().map(|role| role.name()).collect();
                let vql = "SELECT user_create(user=Name, roles=parse_json_array(data=Roles), password=Password) AS Made \
                           FROM scope()";
                let question = Question::new(vql).with("Name", name).with("Roles", json!(roles));
                Some(question.with("Password", typed.as_str()))
            }
            Self::Show { name } => {
                let question = Question::new("SELECT * FROM gui_users() WHERE name = Name");
                Some(question.with("Name", name).in_format(Format::Json))
            }
            Self::List => Some(Question::new("SELECT * FROM gui_users()")),
            Self::Password { .. }
            | Self::Lock { .. }
            | Self::Unlock { .. }
            | Self::Unpin { .. } => None,
        })
    }
}

pub(super) fn run(invocation: &Invocation, command: UserCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    let accounts = console.accounts();
    match command {
        UserCommand::Add { name, password, role, no_password } => {
            let hashed = match no_password {
                true => None,
                false => Some(Hashed::of(&typed(password)?)?),
            };
            let policy = Policy::of(role);
            accounts.add(&name, hashed, &policy)?;
            warn_of(&name, &policy, console.org.id());
            Ok(())
        }
        UserCommand::Password { name, password } => {
            Ok(accounts.set_password(&name, &typed(password)?)?)
        }
        UserCommand::Lock { name } => Ok(accounts.set_locked(&name, true)?),
        UserCommand::Unlock { name } => Ok(accounts.set_locked(&name, false)?),
        UserCommand::Unpin { name } => Ok(accounts.unpin(&name)?),
        UserCommand::Show { name } => {
            console.enter(Door::ShowUsers, json!({"username": name.as_str()}))?;
            let found = console.root().user(&name)?;
            let Some(user) = found.filter(|user| is_known(&console, user)) else {
                bail!("there is no user `{name}`; `user list` shows all");
            };
            print(&format!("{}\n", serde_json::to_string_pretty(&shown(&console, &user)?)?))
        }
        UserCommand::List => {
            console.enter(Door::ShowUsers, json!({}))?;
            let mut lines = String::new();
            for user in console.root().users()?.iter().filter(|user| is_known(&console, user)) {
                lines.push_str(&line(&console, user)?);
            }
            print(&lines)
        }
    }
}

/// The password that was given, or the first line of the standard input.
pub(super) fn typed(given: Option<String>) -> Result<Zeroizing<String>> {
    if let Some(password) = given {
        return Ok(Zeroizing::new(password));
    }
    if stdin().is_terminal() {
        eprint!("Password (it is shown while you type): ");
    }
    let mut line = Zeroizing::new(String::new());
    stdin().read_line(&mut line).context("the standard input cannot be read")?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn policy_of(console: &Console, user: &User) -> Result<Policy> {
    Ok(console.root().policy(&user.name, console.org.id())?.unwrap_or_default())
}

/// In the root all users are known, elsewhere those who may do something there.
fn is_known(console: &Console, user: &User) -> bool {
    let org = console.org.id();
    org.is_root() || console.root().policy(&user.name, org).is_ok_and(|policy| policy.is_some())
}

fn shown(console: &Console, user: &User) -> Result<Value> {
    Ok(json!({
        "name": user.name.as_str(),
        "locked": user.locked,
        "has_password": user.password.is_some(),
        "failed_sign_ins": user.failures,
        "identity": console.root().identity(&user.name)?.map(|pin| json!({
            "issuer": pin.issuer,
            "subject": pin.subject,
        })),
        "policy": policy_of(console, user)?.to_json(),
    }))
}

fn line(console: &Console, user: &User) -> Result<String> {
    let policy = policy_of(console, user)?;
    let roles: Vec<_> = policy.roles.iter().map(|role| role.name()).collect();
    let state = if user.locked { "  locked" } else { "" };
    Ok(format!("{:24} {}{state}\n", user.name.as_str(), roles.join(",")))
}
