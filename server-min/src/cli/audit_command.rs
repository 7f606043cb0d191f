//! `troodon audit …`.

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::limits;
use crate::model::audit::{Link, Record};
use crate::model::door::Door;
use crate::store::audit::AuditState;

use super::console::Console;
use super::{Invocation, print, printable};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print records, oldest first
    #[command(alias = "list")]
    Show {
        /// Only of this principal
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
        /// Only of this operation
        #[arg(long, value_name = "NAME")]
        operation: Option<String>,
        /// How records are printed
        #[arg(long, value_enum, default_value_t = Shape::Text)]
        format: Shape,
    },
    /// Check that no record was changed, removed or inserted; prints the head, to be noted elsewhere
    Verify {
        /// A head that was printed earlier: finds a log that was cut off or written again as well
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Option<(u64, Link)>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// A line for people
    Text,
    /// A JSON object on each line
    Jsonl,
}

pub(super) fn run(invocation: &Invocation, command: &AuditCommand) -> Result<()> {
    let console = Console::open(invocation)?;
    let action = match command {
        AuditCommand::Show { .. } => "show",
        AuditCommand::Verify { .. } => "verify",
    };
    console.enter(Door::Audit, json!({"action": action}))?;
    match command {
        AuditCommand::Show { principal, operation, format } => {
            let wanted = |record: &Record| {
                principal.as_ref().is_none_or(|name| record.principal.eq_ignore_ascii_case(name))
                    && operation.as_ref().is_none_or(|name| record.operation == *name)
            };
            show(&console, wanted, *format)
        }
        AuditCommand::Verify { head } => verify(&console, *head),
    }
}

fn show(console: &Console, wanted: impl Fn(&Record) -> bool, shape: Shape) -> Result<()> {
    let mut after = 0;
    loop {
        let page = console.store.audit_records(after, limits::PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let lines: Result<String> =
            page.iter().filter(|(_, record)| wanted(record)).map(|one| line(one, shape)).collect();
        print(&lines?)?;
    }
}

fn line((number, record): &(u64, Record), shape: Shape) -> Result<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(record.time_us) * 1000)
        .context("a record has an impossible time")?
        .format(&Rfc3339)?;
    if shape == Shape::Jsonl {
        let all = json!({
            "number": number,
            "ServerTime": time,
            "org": record.org.as_str(),
            "principal": record.principal,
            "operation": record.operation,
            "allowed": record.allowed,
            "details": record.details,
        });
        return Ok(format!("{all}\n"));
    }
    let verdict = if record.allowed { "" } else { "REFUSED " };
    let details = match &record.details {
        Value::Null => String::new(),
        details => printable(&details.to_string()),
    };
    let (who, what) = (printable(&record.principal), printable(&record.operation));
    Ok(format!("{number:6} {time} {who} {verdict}{what} {details}\n"))
}

fn verify(console: &Console, noted: Option<(u64, Link)>) -> Result<()> {
    match console.store.verify_audit(noted)? {
        AuditState::Whole { records, head } => {
            print(&format!("{records} records are whole; head {records}:{}\n", hex::encode(head)))
        }
        AuditState::Broken { number } => {
            bail!(
                "record {number} is missing or was changed after it was written; records before it are whole"
            )
        }
    }
}

/// What `verify` printed.
fn head(text: &str) -> Result<(u64, Link), String> {
    let wrong = || "a head looks like 12:0123…, with 64 hex digits".to_owned();
    let (number, hash) = text.split_once(':').ok_or_else(wrong)?;
    let hash = hex::decode(hash).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, hash))
}
