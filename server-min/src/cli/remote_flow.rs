//! Collections of another server, where a query alone does not do: the same once more, exports, and files.

use std::fs::{File, OpenOptions, remove_file};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::flow_command::{Target, Which};
use super::print;
use super::printable;
use super::remote_command::{Question, first_row};
use super::rows::Row;
use super::uploads::{Uploads, file_name};
use crate::api::{ArtifactSpec, FlowWanted, TableWanted, VfsFileBuffer};
use crate::limits;
use crate::model::id::OrgId;
use crate::remote::{Remote, RemoteError};

/// Asks for the same once more; prints the id of the new collection.
pub(super) async fn relaunch(
    remote: &mut Remote,
    org: &OrgId,
    which: &Which,
    changed: &[(String, String)],
) -> Result<()> {
    let wanted =
        FlowWanted { client_id: which.client.to_string(), flow_id: which.flow.to_string() };
    let details = remote
        .call(org, wanted, |mut calls, asked| async move { calls.get_flow_details(asked).await });
    let asked = details.await?.context.and_then(|context| context.request);
    let mut again =
        asked.with_context(|| format!("{} does not say what was asked for", which.flow))?;
    for name in &again.artifacts {
        if !again.specs.iter().any(|spec| spec.artifact == *name) {
            again.specs.push(ArtifactSpec { artifact: name.clone(), parameters: None });
        }
    }
    for spec in &mut again.specs {
        let env = &mut spec.parameters.get_or_insert_default().env;
        for (key, value) in changed {
            env.retain(|one| one.key != *key);
            let (key, value) = (key.clone(), value.clone());
            env.push(troodon_proto::VqlEnv { key, value, ..Default::default() });
        }
    }
    again.client_id = which.client.to_string();
    let made = remote
        .call(org, again, |mut calls, asked| async move { calls.collect_artifact(asked).await });
    print(&format!("{}\n", made.await?.flow_id))
}

/// Lets the other server make one file, and brings it here. Its question answers with `Components`.
pub(super) async fn export(
    remote: &mut Remote,
    org: &OrgId,
    question: Question,
    target: &Target,
) -> Result<()> {
    let path = target.path();
    ensure!(!path.exists(), "{}: there is such a file already", path.display());
    let password = target.password()?;
    let question = question.with("Password", password.as_deref().map_or("", String::as_str));
    let made = first_row(remote, org, &question).await?;
    let components = texts(made.as_ref().and_then(|row| row.get("Components")));
    ensure!(!components.is_empty(), "the server has made no file");
    let bytes = bring(remote, org, components, path).await?;
    eprintln!("{}: {bytes} bytes", path.display());
    Ok(())
}

/// Lists the files of a collection, and brings them here.
pub(super) async fn uploads(remote: &mut Remote, org: &OrgId, options: &Uploads) -> Result<()> {
    let folder = options.folder()?;
    let (site, flow) = options.of();
    for (number, file) in files(remote, org, site, flow).await?.into_iter().enumerate() {
        let path = file.get("vfs_path").and_then(Value::as_str).unwrap_or_default();
        let size = file.get("uploaded_size").and_then(Value::as_u64).unwrap_or_default();
        let mut line = format!("{}  {size} bytes", printable(path));
        if let Some(folder) = folder {
            let number = u64::try_from(number).unwrap_or(u64::MAX);
            let target = folder.join(file_name(number, path));
            let came = bring(remote, org, texts(file.get("_Components")), &target).await?;
            ensure!(came == size, "{}: {came} bytes came", target.display());
            line = format!("{line}  {}", target.display());
        }
        if file.get("complete") == Some(&Value::Bool(false)) {
            line.push_str("  (not complete)");
        }
        print(&format!("{line}\n"))?;
    }
    Ok(())
}

/// The list of files of a collection.
async fn files(remote: &mut Remote, org: &OrgId, site: String, flow: String) -> Result<Vec<Row>> {
    let mut all = Vec::new();
    loop {
        let wanted = TableWanted {
            client_id: site.clone(),
            flow_id: flow.clone(),
            r#type: "uploads".to_owned(),
            start_row: u64::try_from(all.len()).unwrap_or(u64::MAX),
            rows: limits::REMOTE_ROWS,
            ..TableWanted::default()
        };
        let page = rows(remote, org, wanted).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// One page of a table.
pub(super) async fn rows(
    remote: &mut Remote,
    org: &OrgId,
    wanted: TableWanted,
) -> Result<Vec<Row>> {
    let page =
        remote.call(org, wanted, |mut calls, asked| async move { calls.get_table(asked).await });
    let page = page.await?;
    let row = |json: &str| {
        let values: Vec<Value> =
            serde_json::from_str(json).context("the server sent rows that are no JSON")?;
        Ok(page.columns.iter().cloned().zip(values).collect())
    };
    page.rows.iter().map(|one| row(&one.json)).collect()
}

/// Brings a file here; nothing is left of one that does not come as a whole. Answers its bytes.
async fn bring(
    remote: &mut Remote,
    org: &OrgId,
    components: Vec<String>,
    path: &Path,
) -> Result<u64> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = open.with_context(|| path.display().to_string())?;
    let brought = read(remote, org, components, &mut file).await;
    if brought.is_err() {
        // The reason why it did not come counts more than one why it stays.
        drop(remove_file(path));
    }
    brought.with_context(|| path.display().to_string())
}

async fn read(
    remote: &mut Remote,
    org: &OrgId,
    components: Vec<String>,
    file: &mut File,
) -> Result<u64> {
    let org_id = if org.is_root() { String::new() } else { org.to_string() };
    let mut wanted = VfsFileBuffer { components, org_id, ..VfsFileBuffer::default() };
    wanted.length = u32::try_from(limits::API_PART_BYTES).unwrap_or(u32::MAX);
    loop {
        let part = remote.call(org, wanted.clone(), |mut calls, asked| async move {
            calls.vfs_get_buffer(asked).await
        });
        let data = match part.await {
            Ok(part) => part.data,
            // The original says so at the end of a file.
            Err(RemoteError::Failed(why)) if wanted.offset > 0 && why.ends_with("EOF") => break,
            Err(other) => bail!(other),
        };
        if data.is_empty() {
            break;
        }
        file.write_all(&data)?;
        wanted.offset = wanted.offset.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
    }
    file.sync_all()?;
    Ok(wanted.offset)
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
