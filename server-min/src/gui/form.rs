//! Forms made from artifacts: which one, and its parameters.

use serde::Deserialize;

use super::fault::Fault;
use crate::artifact::{Artifact, ArtifactType, Parameter, Repository};
use crate::launcher::Spec;

/// Parameters travel with a prefix, so that none of them can be taken for a field of the form.
const PARAMETER: &str = "p:";

/// Which artifact an address names.
#[derive(Deserialize)]
pub(super) struct Wanted {
    pub(super) artifact: Option<String>,
    /// A collection of the same place whose values the form begins with.
    pub(super) again: Option<String>,
}

/// What is there to choose from, or what was chosen.
pub(super) struct Choice {
    /// Names with the first lines of their descriptions.
    pub(super) artifacts: Vec<(String, String)>,
    pub(super) chosen: Option<Chosen>,
}

impl Choice {
    /// The artifacts of a type, or the form of one of them.
    pub(super) fn of(
        repository: &Repository,
        kind: ArtifactType,
        wanted: Option<String>,
    ) -> Result<Self, Fault> {
        let chosen = match wanted.filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => {
                let entry = repository.get(&name).filter(|entry| entry.artifact.kind == kind);
                let gone =
                    || Fault::Missing(format!("There is no artifact `{name}` of this type."));
                Some(Chosen::of(&entry.ok_or_else(gone)?.artifact))
            }
        };
        let offered = repository.iter().filter(|entry| entry.artifact.kind == kind);
        Ok(Self { artifacts: offered.map(|entry| summary(&entry.artifact)).collect(), chosen })
    }
}

/// The artifact whose form is shown.
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) required: Vec<String>,
    pub(super) fields: Vec<Field>,
}

/// A parameter as a form shows it.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) default: String,
    pub(super) input: Input,
}

pub(super) enum Input {
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
    pub(super) fn is_set(&self) -> bool {
        matches!(self.default.as_str(), "Y" | "y" | "true" | "TRUE" | "True" | "1")
    }
}

impl Chosen {
    /// Puts values that were given before into the form.
    pub(super) fn fill(&mut self, given: &[(String, String)]) {
        for field in &mut self.fields {
            if let Some((_, value)) = given.iter().find(|(name, _)| *name == field.name) {
                field.default.clone_from(value);
                if value.contains('\n') && matches!(field.input, Input::Line) {
                    field.input = Input::Text;
                }
            }
        }
    }

    fn of(artifact: &Artifact) -> Self {
        Self {
            name: artifact.name.clone(),
            description: artifact.description.trim().to_owned(),
            required: artifact.required_permissions.clone(),
            fields: artifact.parameters.iter().map(Field::of).collect(),
        }
    }
}

fn summary(artifact: &Artifact) -> (String, String) {
    let first = artifact.description.trim().lines().next().unwrap_or_default();
    (artifact.name.clone(), first.to_owned())
}

/// A form with an artifact and its parameters, as it comes back.
#[derive(Default)]
pub(super) struct Filled {
    pub(super) csrf: String,
    pub(super) spec: Spec,
    /// The other fields.
    rest: Vec<(String, String)>,
}

impl Filled {
    pub(super) fn parse(body: &[u8]) -> Self {
        let mut filled = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "csrf" => filled.csrf = value.into_owned(),
                "artifact" => filled.spec.artifact = value.into_owned(),
                other => match other.strip_prefix(PARAMETER) {
                    Some(name) => set(&mut filled.spec.parameters, name, value.into_owned()),
                    None => filled.rest.push((other.to_owned(), value.into_owned())),
                },
            }
        }
        filled
    }

    /// A number in another field; 0 when it is empty.
    pub(super) fn number(&self, name: &str) -> Result<u64, Fault> {
        match self.field(name) {
            "" => Ok(0),
            text => text.parse().map_err(|_| Fault::Wrong(format!("`{text}` is no number"))),
        }
    }

    /// The last value of another field; empty when there is none.
    pub(super) fn field(&self, name: &str) -> &str {
        let found = self.rest.iter().rev().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }
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
