//! Commands with `--api_config`: the same questions, asked of another server through its API.

use std::io::{Write, stderr, stdout};

use anyhow::{Context, Result, bail};
use troodon_vql::Program;
use troodon_vql::syntax::reformat;

use super::query_command::QueryOptions;
use super::rows::{Format, Row, RowWriter};
use super::{Command, Invocation, print, printable};
use crate::config::ApiClientConfig;
use crate::remote::Remote;

/// Runs a command that the API has calls for.
pub(super) fn run(
    invocation: &Invocation,
    file: &ApiClientConfig,
    typed: &str,
    command: &Command,
) -> Result<()> {
    match command {
        Command::Query(options) => query(invocation, file, options),
        _ => bail!(
            "`{typed}` works on the server's own files; with --api_config ask with `query`, which does what the \
             rights of `{}` allow",
            file.name
        ),
    }
}

fn query(invocation: &Invocation, file: &ApiClientConfig, options: &QueryOptions) -> Result<()> {
    let text = options.statements.join("\n");
    if options.reformat {
        return print(&reformat(&text)?);
    }
    // Theirs may know what ours does not; what is no VQL at all is said before anybody is asked.
    Program::parse(&text)?;
    ask(invocation, file, &text, &options.env, options.format)
}

/// Asks a query and prints its rows as they come.
fn ask(
    invocation: &Invocation,
    file: &ApiClientConfig,
    vql: &str,
    variables: &[(String, String)],
    format: Format,
) -> Result<()> {
    let mut writer = RowWriter::new(stdout().lock(), format);
    let mut failed = false;
    let mut work = async || -> Result<()> {
        let mut remote = Remote::connect(file).await?;
        let mut answers = remote.query(&invocation.org, vql, variables).await?;
        while let Some(part) = answers.next().await? {
            if !part.log.is_empty() {
                failed |= is_error(&part.log);
                // The log is for people; the query goes on when nobody reads it.
                let _ = writeln!(stderr(), "{}", printable(part.log.trim_end()));
            }
            if part.response.is_empty() {
                continue;
            }
            let rows: Vec<Row> = serde_json::from_slice(&part.response)
                .context("the server sent rows that are no JSON")?;
            rows.into_iter().try_for_each(|row| writer.row(row))?;
        }
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no thread can be started")?.block_on(work())?;
    writer.finish().context("the standard output cannot be written")?;
    if failed {
        bail!("the query has logged an error, so that rows may be missing");
    }
    Ok(())
}

/// Whether a line of the log tells of an error: ours begin with the level, as theirs do in some versions.
fn is_error(line: &str) -> bool {
    ["ERROR:", "VQL Error", "[ERROR]"].iter().any(|mark| line.starts_with(mark))
}
