//! A program of the administrator's that writes records into DNS.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::identity::words;
use crate::limits;

/// A record of type TXT that the program has added.
pub(super) struct Record {
    hook: PathBuf,
    name: String,
    text: String,
}

impl Record {
    /// Runs `HOOK add NAME TEXT`, which ends when the record can be seen from outside.
    pub(super) async fn add(hook: &Path, name: String, text: String) -> io::Result<Self> {
        run(hook, "add", &name, &text).await?;
        Ok(Self { hook: hook.to_owned(), name, text })
    }

    /// Runs `HOOK remove NAME TEXT`.
    pub(super) async fn remove(self) {
        if let Err(error) = run(&self.hook, "remove", &self.name, &self.text).await {
            tracing::warn!(%error, name = %self.name, "a record stays in DNS");
        }
    }
}

async fn run(hook: &Path, what: &str, name: &str, text: &str) -> io::Result<()> {
    let mut command = Command::new(hook);
    command.args([what, name, text]).stdin(Stdio::null()).stdout(Stdio::null());
    let ended = command.stderr(Stdio::piped()).kill_on_drop(true).output();
    let patience = Duration::from_secs(limits::ACME_HOOK_SECONDS);
    let failed = |why: String| io::Error::other(format!("{}: {why}", hook.display()));
    let output = match timeout(patience, ended).await {
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
        Err(_) => {
            return Err(failed(format!("does not end within {} seconds", patience.as_secs())));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let said = words(String::from_utf8_lossy(&output.stderr).trim());
    Err(failed(format!("{}: {said}", output.status)))
}
