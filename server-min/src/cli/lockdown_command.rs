//! `troodon lockdown …`.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use crate::account::SignInError;
use crate::acl::Principal;
use crate::lockdown::{self, Proven, State};
use crate::model::door::Door;

use super::console::Console;
use super::user_command::typed;
use super::{Invocation, print};

#[derive(Debug, Subcommand)]
pub(super) enum LockdownCommand {
    /// Show whether the server is in lockdown, and what was asked for
    Show,
    /// Ask to leave lockdown for a time, as the user of --runas; the first line of the standard input is the password, the
    /// second one the code, for who has a second factor
    Ask {
        /// How long, from the approval on; `security.lockdown_exit_minutes` at most
        #[arg(long, value_name = "MINUTES")]
        minutes: u64,
        /// What for
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Approve what somebody else asked for, as the user of --runas, with password and code as for `ask`
    Approve {
        /// Its `asked_us`, as `show` prints it
        request: u64,
    },
    /// End an exit, or take back what was asked for
    End,
}

pub(super) fn run(invocation: &Invocation, command: &LockdownCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    let (actor, acl) = (console.actor(), &console.acl);
    match command {
        LockdownCommand::Show => {
            console.enter(Door::ShowLockdown, json!({}))?;
            let shown = State::of(acl)?.to_json();
            print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
        }
        LockdownCommand::Ask { minutes, reason } => {
            // Who may not is told so before anything is typed.
            lockdown::enter(&actor, acl, "lockdown_exit_request", json!({}))?;
            let exit = lockdown::ask(&actor, acl, &proven(&console)?, (reason, *minutes))?;
            print(&format!("{}\n", exit.asked_us))
        }
        LockdownCommand::Approve { request } => {
            lockdown::enter(&actor, acl, "lockdown_exit_approve", json!({}))?;
            lockdown::approve(&actor, acl, &proven(&console)?, *request)?;
            Ok(())
        }
        LockdownCommand::End => Ok(lockdown::end(&actor, acl)?),
    }
}

fn proven(console: &Console) -> Result<Proven> {
    let Principal::User { name } = &console.principal else {
        bail!("which administrator? Put `--runas NAME` before the subcommand");
    };
    let password = typed(None)?;
    let code = || typed(None).map_err(|_| SignInError::Wrong);
    Ok(Proven::by_sign_in(console.root(), name, &password, code)?)
}
