//! Starting a collection: which artifact, then its parameters.

use askama::Template;
use axum::extract::{Path, RawForm};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::clients::{client_id, missing};
use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::{Artifact, ArtifactType, Parameter};
use crate::launcher::{Collect, Spec};
use crate::model::door::Door;
use crate::model::id::ClientId;

#[derive(Template)]
#[template(path = "collect.html")]
struct Choose {
    frame: Frame,
    client: ClientId,
    hostname: String,
    artifacts: Vec<(String, String)>,
    chosen: Option<Chosen>,
}

/// The artifact whose form is shown.
struct Chosen {
    name: String,
    description: String,
    required: Vec<String>,
    fields: Vec<Field>,
}

/// A parameter as a form shows it.
struct Field {
    name: String,
    title: String,
    description: String,
    default: String,
    input: Input,
}

enum Input {
    Choice(Vec<String>),
    Flag,
    Number,
    Line,
    Text,
}

impl Field {
    fn of(parameter: &Parameter) -> Self {
        let has_lines = parameter.default.contains('\n');
        let input = match parameter.kind.as_str() {
            "bool" => Input::Flag,
            "choices" => Input::Choice(parameter.choices.clone()),
            "int" | "integer" | "int64" => Input::Number,
            "csv" | "json" | "json_array" | "regex_array" | "yara" | "xml" | "yaml" => Input::Text,
            _ if has_lines => Input::Text,
            _ => Input::Line,
        };
        let titled = !parameter.friendly_name.is_empty();
        Self {
            name: parameter.name.clone(),
            title: if titled { &parameter.friendly_name } else { &parameter.name }.clone(),
            description: parameter.description.clone(),
            default: parameter.default.clone(),
            input,
        }
    }

    /// Whether a flag is set unless the visitor changes it.
    fn is_set(&self) -> bool {
        matches!(self.default.as_str(), "Y" | "y" | "true" | "TRUE" | "True" | "1")
    }
}

/// Which form.
#[derive(Deserialize)]
pub(super) struct Wanted {
    artifact: Option<String>,
}

pub(super) async fn form(
    visitor: Visitor,
    Path(client): Path<String>,
    axum::extract::Query(wanted): axum::extract::Query<Wanted>,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    let work = move || {
        visitor.look(Door::Collect)?;
        let record = visitor.store().client(&id)?.ok_or_else(|| missing(&id))?;
        let repository = visitor.launcher().repository();
        let chosen = match wanted.artifact.filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => {
                let entry = repository.get(&name).filter(|entry| is_offered(&entry.artifact));
                let gone = || Fault::Missing(format!("There is no artifact `{name}` for clients."));
                Some(chosen(&entry.ok_or_else(gone)?.artifact))
            }
        };
        let offered = repository.iter().filter(|entry| is_offered(&entry.artifact));
        let choose = Choose {
            frame: Frame::of(&visitor),
            client: id,
            hostname: record.host.hostname,
            artifacts: offered.map(|entry| summary(&entry.artifact)).collect(),
            chosen,
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &choose))
    };
    tokio::task::spawn_blocking(work).await?
}

fn is_offered(artifact: &Artifact) -> bool {
    artifact.kind == ArtifactType::Client
}

fn summary(artifact: &Artifact) -> (String, String) {
    let first = artifact.description.trim().lines().next().unwrap_or_default();
    (artifact.name.clone(), first.to_owned())
}

fn chosen(artifact: &Artifact) -> Chosen {
    Chosen {
        name: artifact.name.clone(),
        description: artifact.description.trim().to_owned(),
        required: artifact.required_permissions.clone(),
        fields: artifact.parameters.iter().map(Field::of).collect(),
    }
}

/// Parameters travel with a prefix, so that none of them can be taken for a field of the form.
const PARAMETER: &str = "p:";

pub(super) async fn launch(
    visitor: Visitor,
    Path(client): Path<String>,
    RawForm(body): RawForm,
) -> Result<Response, Fault> {
    let id = client_id(&client)?;
    let mut spec = Spec::default();
    let mut csrf = String::new();
    for (name, value) in form_urlencoded::parse(&body) {
        match name.as_ref() {
            "csrf" => csrf = value.into_owned(),
            "artifact" => spec.artifact = value.into_owned(),
            name => {
                if let Some(name) = name.strip_prefix(PARAMETER) {
                    set(&mut spec.parameters, name, value.into_owned());
                }
            }
        }
    }
    visitor.sent(&csrf)?;
    let base = visitor.settings().base_path.clone();
    let work = move || {
        let wanted = Collect { specs: vec![spec], ..Collect::default() };
        visitor.launcher().launch(visitor.actor().principal(), &id, &wanted)
    };
    let flow = tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&format!("{base}/clients/{id}/flows/{flow}")).into_response())
}

/// A flag comes twice when it is set: as the hidden `N` of its form, and as `Y`. The last one counts.
fn set(parameters: &mut Vec<(String, String)>, name: &str, value: String) {
    // Browsers end lines as HTTP does.
    let value = value.replace("\r\n", "\n");
    match parameters.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => parameters.push((name.to_owned(), value)),
    }
}
