//! `troodon artifacts uploads`: the files that a collection sent.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{Read, copy};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use crate::model::door::Door;
use crate::model::id::FlowId;
use crate::model::site::Site;

use super::Invocation;
use super::console::Console;

/// Characters of the agent's file name that are kept.
const NAME_CHARS: usize = 80;

#[derive(Debug, Args)]
pub(super) struct Uploads {
    /// The collection, as F.ABCDEFGHIJKLM
    flow: FlowId,
    /// The client, as C.0123456789abcdef, or `server`
    #[arg(long = "client_id", alias = "client-id", value_name = "ID")]
    client: Site,
    /// Copy the files into this folder; without it they are only listed
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Uploads {
    /// Of which collection.
    pub(super) fn of(&self) -> (String, String) {
        (self.client.to_string(), self.flow.to_string())
    }

    /// The folder for copies, which is made if need be.
    pub(super) fn folder(&self) -> Result<Option<&PathBuf>> {
        if let Some(folder) = &self.output {
            // What comes from a suspect machine is for its investigator's eyes.
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.with_context(|| folder.display().to_string())?;
        }
        Ok(self.output.as_ref())
    }
}

pub(super) fn run(invocation: &Invocation, options: &Uploads) -> Result<()> {
    let console = Console::open(invocation)?;
    console.enter(
        Door::Uploads,
        json!({"client_id": options.client.as_str(), "flow_id": options.flow.as_str()}),
    )?;
    let Uploads { flow, client, .. } = options;
    let output = options.folder()?;
    for upload in console.store.uploads(client, flow)? {
        let mut line = format!("{}  {} bytes", super::printable(&upload.path), upload.stored);
        if let Some(folder) = output {
            let path = folder.join(file_name(upload.number, &upload.path));
            let content = console.store.open_upload(client, flow, upload.number)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| path.display().to_string())?;
            let copied = copy(&mut content.take(upload.stored), &mut file)
                .with_context(|| path.display().to_string())?;
            ensure!(copied == upload.stored, "{} is cut off in the store", upload.number);
            line = format!("{line}  {}", path.display());
        }
        if !upload.complete {
            line.push_str("  (not complete)");
        }
        super::print(&format!("{line}\n"))?;
    }
    Ok(())
}

/// The number in the collection, and what of the agent's name is harmless: a name from there is never a path here.
pub(super) fn file_name(number: u64, path: &str) -> String {
    let last = path.rsplit(['/', '\\']).next().unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name = last.chars().map(|c| if harmless(c) { c } else { '_' });
    format!("{number}-{}", name.take(NAME_CHARS).collect::<String>())
}
