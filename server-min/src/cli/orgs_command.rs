//! `troodon orgs …`.

use anyhow::{Result, bail, ensure};
use clap::Subcommand;
use serde_json::json;

use crate::model::door::Door;
use crate::model::id::OrgId;
use crate::orgs::NewOrg;
use crate::store::org::OrgRecord;

use super::console::Console;
use super::remote_command::Question;
use super::rows::Format;
use super::{Invocation, print, printable};

#[derive(Debug, Subcommand)]
pub(super) enum OrgsCommand {
    /// Make an organisation; prints its id
    Create {
        /// For people
        name: String,
        /// O with letters and digits; a random one unless given
        #[arg(long, value_name = "ID")]
        id: Option<OrgId>,
    },
    /// Remove an organisation with its clients and results; its audit log remains in a file
    Delete {
        /// Which
        id: OrgId,
        /// Without it, nothing is removed
        #[arg(long = "really_do_it", alias = "really-do-it")]
        really: bool,
    },
    /// List all organisations
    List,
    /// Show one as JSON, with the nonce that lets agents enrol in it
    Show {
        /// Which
        id: OrgId,
    },
}

impl OrgsCommand {
    /// The same of another server, if a query does it.
    pub(super) fn question(&self) -> Option<Question> {
        match self {
            Self::Create { name, id } => {
                let question = Question::new(match id {
                    None => "SELECT org_create(name=Name) AS Made FROM scope()",
                    Some(_) => "SELECT org_create(name=Name, org_id=Id) AS Made FROM scope()",
                });
                let id = id.as_ref().map(ToString::to_string).unwrap_or_default();
                Some(question.with("Name", name).with("Id", id))
            }
            Self::Delete { id, really: true } => {
                let vql = "SELECT org_delete(org=Id, really_do_it=TRUE) AS Done FROM scope()";
                Some(Question::new(vql).with("Id", id))
            }
            Self::List => Some(Question::new("SELECT * FROM orgs()")),
            Self::Show { id } => {
                let question =
                    Question::new("SELECT * FROM orgs() WHERE OrgId = Id").with("Id", id);
                Some(question.in_format(Format::Json))
            }
            Self::Delete { .. } => None,
        }
    }
}

pub(super) fn run(invocation: &Invocation, command: OrgsCommand) -> Result<()> {
    ensure!(invocation.org.is_root(), "organisations are managed in the root; leave --org out");
    let console = Console::open(invocation)?;
    match command {
        OrgsCommand::Create { name, id } => {
            let wanted = NewOrg { name, id, nonce: None };
            let made = console.orgs.create(&console.principal, wanted)?;
            print(&format!("{}\n", made.id))
        }
        OrgsCommand::Delete { id, really } => {
            if !really {
                console.enter(Door::DeleteOrg, json!({"org_id": id.as_str(), "dry_run": true}))?;
                bail!("{id} and all that is in it would be removed; say --really_do_it");
            }
            Ok(console.orgs.delete(&console.principal, &id)?)
        }
        OrgsCommand::List => {
            console.enter(Door::ShowOrgs, json!({}))?;
            let line = |org: &OrgRecord| format!("{:24} {}\n", org.id, printable(&org.name));
            print(&console.orgs.list()?.iter().map(line).collect::<String>())
        }
        OrgsCommand::Show { id } => {
            console.enter(Door::ShowOrgs, json!({"org_id": id.as_str()}))?;
            let Some(org) = console.orgs.find(&id)? else { bail!("there is no organisation {id}") };
            let shown = json!({
                "OrgId": org.id().as_str(),
                "Name": org.record.name,
                "nonce": org.record.nonce,
                "created_us": org.record.created_us,
                "clients": org.store.client_count()?,
            });
            print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))
        }
    }
}
