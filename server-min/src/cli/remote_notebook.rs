//! Notebooks of another server.

use std::io::{Write, stderr, stdout};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::notebook_command::{Create, NotebookCommand};
use super::remote_flow::rows;
use super::rows::{Format, RowWriter};
use super::{print, printable};
use crate::api::{
    ArtifactParameters, ArtifactSpec, NotebookCell, NotebookCellRequest, NotebookMetadata,
    TableWanted,
};
use crate::model::id::OrgId;
use crate::model::notebook::NotebookId;
use crate::remote::Remote;

/// Runs a command of notebooks, but for `export`, which no call answers with a page.
pub(super) async fn run(remote: &mut Remote, org: &OrgId, command: &NotebookCommand) -> Result<()> {
    let mut server = Server { remote, org };
    match command {
        NotebookCommand::Create(create) => {
            print(&format!("{}\n", server.create(wanted(create)).await?.notebook_id))
        }
        NotebookCommand::List { format } => {
            let mut writer = RowWriter::new(stdout().lock(), *format);
            for one in server.get("").await? {
                if let Value::Object(row) = shown(&one) {
                    writer.row(row)?;
                }
            }
            writer.finish().context("the standard output cannot be written")?;
            Ok(())
        }
        NotebookCommand::Show(which) => {
            let one = server.one(&which.notebook).await?;
            let mut notebook = shown(&one);
            notebook["cells"] = one.cell_metadata.iter().map(cell).collect();
            print(&format!("{notebook:#}\n"))
        }
        NotebookCommand::Add { which, content } => {
            let (kind, input) = content.given()?;
            let wanted = NotebookCellRequest {
                r#type: kind.name().to_owned(),
                input: input.to_owned(),
                ..about(&which.notebook)
            };
            let added = server.remote.call(org, wanted, |mut calls, asked| async move {
                calls.new_notebook_cell(asked).await
            });
            print(&format!("{}\n", added.await?.latest_cell_id))
        }
        NotebookCommand::Edit { which, cell, text } => {
            let wanted =
                NotebookCellRequest { cell_id: cell.to_string(), ..about(&which.notebook) };
            server.edit(NotebookCellRequest { input: text.clone(), ..wanted }).await.map(drop)
        }
        NotebookCommand::Remove { which, cell } => {
            let mut one = server.one(&which.notebook).await?;
            let before = one.cell_metadata.len();
            one.cell_metadata.retain(|known| known.cell_id != cell.to_string());
            if one.cell_metadata.len() == before {
                bail!("notebook {} has no cell {cell}", which.notebook);
            }
            server.update(one).await
        }
        NotebookCommand::Run { which, cell, format } => {
            server.run(&which.notebook, *cell, *format).await
        }
        NotebookCommand::Cancel { which, cell } => {
            let wanted =
                NotebookCellRequest { cell_id: cell.to_string(), ..about(&which.notebook) };
            let done = server.remote.call(org, wanted, |mut calls, asked| async move {
                calls.cancel_notebook_cell(asked).await
            });
            Ok(done.await.map(drop)?)
        }
        NotebookCommand::Share { which, users } => {
            let one = server.one(&which.notebook).await?;
            let collaborators = users.iter().map(ToString::to_string).collect();
            server.update(NotebookMetadata { collaborators, ..one }).await
        }
        NotebookCommand::Export { .. } => {
            bail!(
                "`notebook export` works on the server's own files; the page is there for its users"
            )
        }
        NotebookCommand::Delete(which) => {
            let notebook_id = which.notebook.to_string();
            let wanted = NotebookMetadata { notebook_id, ..NotebookMetadata::default() };
            let done = server.remote.call(org, wanted, |mut calls, asked| async move {
                calls.delete_notebook(asked).await
            });
            Ok(done.await.map(drop)?)
        }
    }
}

/// What is asked for with a template and its parameters.
fn wanted(create: &Create) -> NotebookMetadata {
    let env = create.arguments.iter().map(|(key, value)| troodon_proto::VqlEnv {
        key: key.clone(),
        value: value.clone(),
        ..Default::default()
    });
    let parameters = ArtifactParameters { env: env.collect() };
    let spec = |artifact: &String| ArtifactSpec {
        artifact: artifact.clone(),
        parameters: Some(parameters.clone()),
    };
    NotebookMetadata {
        name: create.name.clone(),
        description: create.description.clone(),
        artifacts: create.template.iter().cloned().collect(),
        specs: create.template.as_ref().map(spec).into_iter().collect(),
        ..NotebookMetadata::default()
    }
}

fn about(notebook: &NotebookId) -> NotebookCellRequest {
    let notebook_id = notebook.to_string();
    NotebookCellRequest { notebook_id, ..NotebookCellRequest::default() }
}

fn shown(one: &NotebookMetadata) -> Value {
    json!({
        "notebook_id": one.notebook_id,
        "name": one.name,
        "description": one.description,
        "creator": one.creator,
        "collaborators": one.collaborators,
        "created": one.created_time,
        "changed": one.modified_time,
    })
}

fn cell(one: &NotebookCell) -> Value {
    json!({
        "cell_id": one.cell_id,
        "type": one.r#type,
        "input": one.input,
        "running": one.calculating,
        "error": one.error,
    })
}

/// The server, in an organisation.
struct Server<'a> {
    remote: &'a mut Remote,
    org: &'a OrgId,
}

impl Server<'_> {
    async fn create(&mut self, wanted: NotebookMetadata) -> Result<NotebookMetadata> {
        let made = self.remote.call(self.org, wanted, |mut calls, asked| async move {
            calls.new_notebook(asked).await
        });
        Ok(made.await?)
    }

    /// All notebooks, or one with its cells.
    async fn get(&mut self, notebook: &str) -> Result<Vec<NotebookMetadata>> {
        let notebook_id = notebook.to_owned();
        let wanted = NotebookCellRequest { notebook_id, ..NotebookCellRequest::default() };
        let found = self.remote.call(self.org, wanted, |mut calls, asked| async move {
            calls.get_notebooks(asked).await
        });
        Ok(found.await?.items)
    }

    async fn one(&mut self, notebook: &NotebookId) -> Result<NotebookMetadata> {
        let found = self.get(notebook.as_str()).await?.into_iter().next();
        found.with_context(|| format!("there is no notebook {notebook}"))
    }

    async fn update(&mut self, wanted: NotebookMetadata) -> Result<()> {
        let done = self.remote.call(self.org, wanted, |mut calls, asked| async move {
            calls.update_notebook(asked).await
        });
        Ok(done.await.map(drop)?)
    }

    async fn edit(&mut self, wanted: NotebookCellRequest) -> Result<NotebookCell> {
        let done = self.remote.call(self.org, wanted, |mut calls, asked| async move {
            calls.update_notebook_cell(asked).await
        });
        Ok(done.await?)
    }

    /// Runs queries as they stand there, one after the other, and prints what they yield.
    async fn run(&mut self, id: &NotebookId, only: Option<i64>, format: Format) -> Result<()> {
        let cells = self.one(id).await?.cell_metadata.into_iter().filter(|one| match only {
            Some(number) => one.cell_id == number.to_string(),
            None => one.r#type == "vql",
        });
        let mut writer = RowWriter::new(stdout().lock(), format);
        for cell in cells.collect::<Vec<_>>() {
            let wanted = NotebookCellRequest {
                cell_id: cell.cell_id.clone(),
                input: cell.input,
                sync: true,
                ..about(id)
            };
            let ended = self.edit(wanted).await?;
            for line in &ended.messages {
                writeln!(stderr(), "{}", printable(line))?;
            }
            if !ended.error.is_empty() {
                bail!("cell {} failed: {}", cell.cell_id, ended.error);
            }
            let mut start_row = 0;
            loop {
                let wanted = TableWanted {
                    notebook_id: id.to_string(),
                    cell_id: cell.cell_id.clone(),
                    start_row,
                    ..TableWanted::default()
                };
                let page = rows(self.remote, self.org, wanted).await?;
                if page.is_empty() {
                    break;
                }
                start_row = start_row.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
                page.into_iter().try_for_each(|row| writer.row(row))?;
            }
        }
        writer.finish().context("the standard output cannot be written")?;
        Ok(())
    }
}
