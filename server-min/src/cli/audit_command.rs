//! `troodon audit …`.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use troodon_core::rsa::PrivateKey as _;

use crate::limits;
use crate::model::audit::{Link, Record};
use crate::model::door::Door;
use crate::store::audit::{AuditState, Span, verify_archive};

use super::console::Console;
use super::{Invocation, print, printable};

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Print records, oldest first
    #[command(alias = "list")]
    Show(Show),
    /// Check that no record was changed, removed or inserted; prints the head, to be noted elsewhere
    Verify {
        /// A head that was printed earlier: finds a log that was cut off or written again as well
        #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
        head: Option<(u64, Link)>,
        /// Archives that `rotate` wrote, oldest first: checked as well, up to where the log goes on
        #[arg(long, value_name = "FILE")]
        archive: Vec<PathBuf>,
    },
    /// Move the records before a time to a file; the log goes on behind them, and `verify` checks both
    Rotate {
        /// As 2026-01-31T00:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment)]
        before: u64,
        /// A new file
        #[arg(value_name = "OUT")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Only of this principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only of this operation
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Only from this time on, as 2026-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u64>,
    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    /// How records are printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

impl Show {
    fn wants(&self, record: &Record) -> bool {
        let Self { principal, operation, since, until, refused, .. } = self;
        principal.as_ref().is_none_or(|name| record.principal.eq_ignore_ascii_case(name))
            && operation.as_ref().is_none_or(|name| record.operation == *name)
            && since.is_none_or(|from| record.time_us >= from)
            && until.is_none_or(|end| record.time_us < end)
            && !(*refused && record.allowed)
    }
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
    match command {
        AuditCommand::Show(options) => {
            console.enter(Door::Audit, json!({"action": "show"}))?;
            show(&console, options)
        }
        AuditCommand::Verify { head, archive } => {
            console.enter(Door::Audit, json!({"action": "verify"}))?;
            verify(&console, *head, archive)
        }
        AuditCommand::Rotate { before, output } => rotate(&console, *before, output),
    }
}

fn show(console: &Console, options: &Show) -> Result<()> {
    let mut after = 0;
    loop {
        let page = console.store.audit_records(after, limits::PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        let wanted = page.iter().filter(|(_, record)| options.wants(record));
        print(&wanted.map(|one| line(one, options.format)).collect::<String>())?;
    }
}

fn line((number, record): &(u64, Record), shape: Shape) -> String {
    let time = record.server_time();
    if shape == Shape::Jsonl {
        return format!("{}\n", record.row(*number));
    }
    let verdict = if record.allowed { "" } else { "REFUSED " };
    let details = match &record.details {
        Value::Null => String::new(),
        details => printable(&details.to_string()),
    };
    let (who, what) = (printable(&record.principal), printable(&record.operation));
    format!("{number:6} {time} {who} {verdict}{what} {details}\n")
}

fn verify(console: &Console, noted: Option<(u64, Link)>, archives: &[PathBuf]) -> Result<()> {
    let mut end = None;
    for path in archives {
        let name = path.display().to_string();
        let file = BufReader::new(File::open(path).with_context(|| name.clone())?);
        let Span { base, end: last } = verify_archive(file, end).context(name.clone())?;
        print(&format!("{name}: records {} to {} are whole\n", base.0.saturating_add(1), last.0))?;
        end = Some(last);
    }
    // Of records in an archive the log knows the end.
    let noted = noted.or(end);
    match console.store.verify_audit(noted, Some(console.key()?.public()))? {
        AuditState::Whole { first, last, head, signed } => {
            if let Some((archived, _)) = end {
                ensure!(
                    archived.saturating_add(1) == first,
                    "the log begins with record {first}, and the archives end with {archived}: one is missing"
                );
            }
            let count = last.saturating_add(1).saturating_sub(first);
            print(&format!(
                "{count} records are whole; signed up to {signed}; head {last}:{}\n",
                hex::encode(head)
            ))
        }
        AuditState::Broken { number, why } => {
            bail!(
                "record {number} is missing or was changed after it was written ({why}); records before it are whole"
            )
        }
    }
}

/// The file is complete, and on disk, before a record goes.
fn rotate(console: &Console, before_us: u64, output: &Path) -> Result<()> {
    let name = output.display().to_string();
    console.enter(Door::RotateAudit, json!({"before_us": before_us, "file": name}))?;
    let mut record =
        console.actor().enter(Door::RotateAudit, json!({"before_us": before_us, "file": name}))?;
    let key = console.key()?;
    if let AuditState::Broken { number, why } =
        console.store.verify_audit(None, Some(key.public()))?
    {
        bail!(
            "record {number} was changed ({why}): nothing is moved, so that it can be looked into"
        );
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    let mut writer = BufWriter::new(file.with_context(|| name.clone())?);
    let Some((number, hash)) = console.store.archive_audit(before_us, &mut writer)? else {
        std::fs::remove_file(output).with_context(|| name.clone())?;
        bail!("no record is that old");
    };
    writer.flush().and_then(|()| writer.get_ref().sync_all()).with_context(|| name.clone())?;
    record.details["through"] = number.into();
    record.details["hash"] = hex::encode(hash).into();
    console.store.rotate_audit((number, hash), record)?;
    print(&format!("records up to {number} are in {name}; head {number}:{}\n", hex::encode(hash)))
}

/// A time, in microseconds since 1970.
fn moment(text: &str) -> Result<u64, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time = time.map_err(|_| "a time looks like 2026-01-31T00:00:00Z".to_owned())?;
    u64::try_from(time.unix_timestamp_nanos() / 1000).map_err(|_| "that was before 1970".to_owned())
}

/// What `verify` printed.
fn head(text: &str) -> Result<(u64, Link), String> {
    let wrong = || "a head looks like 12:0123…, with 64 hex digits".to_owned();
    let (number, hash) = text.split_once(':').ok_or_else(wrong)?;
    let hash = hex::decode(hash).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, hash))
}
