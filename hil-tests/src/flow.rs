//! One collection, as whoever asked for it sees it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::deployment::run;
use crate::{Deployment, Make, wait_until};

/// A collection on a client.
#[derive(Debug)]
pub struct Flow<'a> {
    deployment: &'a Deployment,
    client: String,
    id: String,
    artifact: String,
}

impl Deployment {
    /// Asks the server to collect an artifact from a client, and does not wait for it.
    ///
    /// # Errors
    ///
    /// The query fails, or gives no flow id.
    pub fn schedule(
        &self,
        client: &str,
        artifact: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Flow<'_>> {
        let pair = |(name, value): &(&str, &str)| format!("{name}={}", quoted(value));
        let parameters = parameters.iter().map(pair).collect::<Vec<_>>().join(", ");
        let rows = self.query(&format!(
            "SELECT collect_client(client_id={}, artifacts={}, env=dict({parameters})).flow_id AS Flow FROM scope()",
            quoted(client),
            quoted(artifact)
        ))?;
        let id = rows.first().and_then(|row| row["Flow"].as_str());
        let id = id.with_context(|| format!("no flow id for {artifact}: {rows:?}"))?.to_owned();
        Ok(Flow { deployment: self, client: client.to_owned(), id, artifact: artifact.to_owned() })
    }
}

impl Flow<'_> {
    /// The id of the collection.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the server says of the collection: state, status, counts.
    ///
    /// # Errors
    ///
    /// The query fails, or the server does not know the collection.
    pub fn record(&self) -> Result<Value> {
        let rows = self.query("*", "flows", "")?;
        rows.into_iter().next().with_context(|| format!("the server does not know {}", self.id))
    }

    /// Waits until the collection is over, and returns its record.
    ///
    /// # Errors
    ///
    /// The time is over; with the last record.
    pub fn wait(&self, limit: Duration) -> Result<Value> {
        let mut record = Value::Null;
        let over = wait_until("end of the collection", limit, || {
            record = self.record()?;
            Ok(matches!(record["state"].as_str(), Some("FINISHED" | "ERROR")))
        });
        over.with_context(|| format!("{}: {record}", self.artifact))?;
        Ok(record)
    }

    /// The rows that the server holds.
    ///
    /// # Errors
    ///
    /// The query fails.
    pub fn rows(&self) -> Result<Vec<Value>> {
        self.query("*", "source", &format!(", artifact={}", quoted(&self.artifact)))
    }

    /// One column of the rows.
    ///
    /// # Errors
    ///
    /// The query fails, or a row has no such number.
    pub fn numbers(&self, column: &str) -> Result<Vec<i64>> {
        let number = |row: Value| {
            row[column].as_i64().with_context(|| format!("no number {column} in {row}"))
        };
        self.rows()?.into_iter().map(number).collect()
    }

    /// The log of the collection.
    ///
    /// # Errors
    ///
    /// The query fails.
    pub fn logs(&self) -> Result<Vec<Value>> {
        self.query("*", "flow_logs", "")
    }

    /// Asks for the end of the collection.
    ///
    /// # Errors
    ///
    /// The query fails.
    pub fn cancel(&self) -> Result<()> {
        let cancelled = format!(
            "SELECT cancel_flow(client_id={}, flow_id={}) AS Cancelled FROM scope()",
            quoted(&self.client),
            quoted(&self.id)
        );
        self.deployment.query(&cancelled)?;
        Ok(())
    }

    /// Bytes of the files that the collection sent, copied out of the server.
    ///
    /// # Errors
    ///
    /// The server gives none, or a copy cannot be read.
    pub fn uploads(&self) -> Result<Vec<Vec<u8>>> {
        let copies = tempfile::tempdir()?;
        match self.deployment.served_by() {
            Make::Troodon => {
                let mut uploads = self.deployment.server_command();
                uploads.args(["artifacts", "uploads", &self.id, "--client_id", &self.client]);
                run(uploads.arg("--output").arg(copies.path()))?;
            }
            Make::Velociraptor => self.copy_uploads(copies.path())?,
        }
        let mut paths: Vec<_> =
            fs::read_dir(copies.path())?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        paths.sort();
        paths.iter().map(|path| Ok(fs::read(path)?)).collect()
    }

    fn copy_uploads(&self, folder: &Path) -> Result<()> {
        for (number, row) in self.query("vfs_path", "uploads", "")?.iter().enumerate() {
            let path = row["vfs_path"].as_str().with_context(|| format!("no path in {row}"))?;
            let copy = folder.join(number.to_string()).display().to_string();
            self.deployment.query(&format!(
                "SELECT copy(filename={}, accessor='fs', dest={}) AS Copy FROM scope()",
                quoted(path),
                quoted(&copy)
            ))?;
        }
        Ok(())
    }

    fn query(&self, columns: &str, plugin: &str, arguments: &str) -> Result<Vec<Value>> {
        self.deployment.query(&format!(
            "SELECT {columns} FROM {plugin}(client_id={}, flow_id={}{arguments})",
            quoted(&self.client),
            quoted(&self.id)
        ))
    }
}

/// A string of the query language; its escapes are those of JSON, as far as paths and names need any.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
