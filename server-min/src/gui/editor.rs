//! Writing an artifact: mistakes by line, what it can do, and the difference before it is kept.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use similar::{ChangeTag, TextDiff};

use super::fault::Fault;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::artifact::{ArtifactError, Origin};
use crate::artifacts::{self, Draft, PREFIX};
use crate::limits;
use crate::model::door::Door;

/// What a new artifact begins with.
const BLANK: &str = "name: Custom.Linux.Example\n\
description: |\n  What it finds, and what to do with it.\n\
type: CLIENT\n\
parameters:\n  - name: Glob\n    default: /etc/*\n\
sources:\n  - query: |\n      SELECT OSPath, Size FROM glob(globs=Glob)\n";

#[derive(Template)]
#[template(path = "editor.html")]
struct Show {
    frame: Frame,
    /// The artifact that is changed, or nothing.
    name: String,
    text: String,
    rows: usize,
    fault: Option<Mistake>,
    checked: Option<Checked>,
}

/// What is wrong, and where.
struct Mistake {
    line: u64,
    column: u64,
    problem: String,
    /// The lines around it with their numbers.
    around: Vec<(u64, String)>,
}

/// What a definition without mistakes is.
struct Checked {
    name: String,
    kind: String,
    powers: Vec<(String, String, bool)>,
    /// What the visitor lacks to keep it.
    lacking: String,
    difference: Vec<(&'static str, String)>,
    is_new: bool,
}

/// Which artifact to begin with.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    from: String,
}

pub(super) async fn show(
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let work = move || {
        may_write(&visitor)?;
        let repository = visitor.launcher().repository();
        let text = match wanted.from.as_str() {
            "" => BLANK.to_owned(),
            name => {
                let gone = || Fault::Missing(format!("There is no artifact `{name}`."));
                let entry = repository.get(name).ok_or_else(gone)?;
                copied(&entry.text, &entry.artifact.name, entry.origin == Origin::Stored)
            }
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &Show::of(&visitor, text, None, None)))
    };
    tokio::task::spawn_blocking(work).await?
}

/// A definition of the program is the beginning of another one.
fn copied(text: &str, name: &str, is_own: bool) -> String {
    if is_own || name.starts_with(PREFIX) {
        return text.to_owned();
    }
    text.replacen(&format!("name: {name}"), &format!("name: {PREFIX}{name}"), 1)
}

fn may_write(visitor: &Visitor) -> Result<(), Fault> {
    // All organisations have the root's definitions.
    let actor = visitor.actor_in_root();
    if !actor.may(Door::WriteServerArtifact) {
        actor.enter(Door::WriteArtifact, serde_json::json!({}))?;
    }
    Ok(())
}

/// What the editor sends.
#[derive(Deserialize)]
pub(super) struct Sent {
    csrf: String,
    #[serde(default)]
    text: String,
    /// Keep it, and do not only look at it.
    #[serde(default)]
    keep: String,
}

pub(super) async fn check(visitor: Visitor, Form(form): Form<Sent>) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    // Browsers end lines as HTTP does.
    let text = form.text.replace("\r\n", "\n");
    let work = move || {
        may_write(&visitor)?;
        let repository = visitor.launcher().repository();
        let draft = match artifacts::examine(&repository, &text) {
            Ok(draft) => draft,
            Err(error) => {
                let mistake = Some(mistake(&error, &text));
                let show = Show::of(&visitor, text, mistake, None);
                return Ok(page::html(StatusCode::BAD_REQUEST, &show));
            }
        };
        if form.keep == "Y" {
            let name = artifacts::set(&visitor.actor_in_root(), visitor.launcher(), &text)?;
            let place = format!("{}/artifacts/{name}", visitor.settings().base_path);
            return Ok(Redirect::to(&place).into_response());
        }
        let checked = Some(checked(&visitor, &draft, &text));
        Ok::<_, Fault>(page::html(StatusCode::OK, &Show::of(&visitor, text, None, checked)))
    };
    tokio::task::spawn_blocking(work).await?
}

fn mistake(error: &ArtifactError, text: &str) -> Mistake {
    let near = error.line.saturating_sub(2)..=error.line.saturating_add(2);
    let lines = (1..).zip(text.lines()).filter(|(number, _)| near.contains(number));
    let around = if error.line == 0 { Vec::new() } else { lines.collect() };
    Mistake {
        line: error.line,
        column: error.column,
        problem: error.problem.clone(),
        around: around.into_iter().map(|(number, line)| (number, line.to_owned())).collect(),
    }
}

fn checked(visitor: &Visitor, draft: &Draft, text: &str) -> Checked {
    let actor = visitor.actor_in_root();
    let own = visitor.acl().standing(actor.principal(), actor.store().org()).rights();
    let mut lacking: Vec<&str> = Vec::new();
    let door = artifacts::door(draft.artifact.kind);
    let undeclared = draft.undeclared.iter().map(|(permission, _)| *permission);
    for permission in door.permissions().iter().copied().chain(undeclared) {
        if !own.has(permission) {
            lacking.push(permission.name());
        }
    }
    let powers = draft.powers.iter().map(|(permission, reason)| {
        let is_said = !draft.undeclared.iter().any(|(one, _)| one == permission);
        (permission.name().to_owned(), reason.to_string(), is_said)
    });
    let before = draft.before.as_ref().map_or("", |entry| &*entry.text);
    Checked {
        name: draft.artifact.name.clone(),
        kind: draft.artifact.kind.to_string(),
        powers: powers.collect(),
        lacking: lacking.join(" "),
        difference: difference(before, text),
        is_new: draft.before.is_none(),
    }
}

/// Lines that go, come and stay.
fn difference(before: &str, after: &str) -> Vec<(&'static str, String)> {
    let differ = TextDiff::from_lines(before, after);
    let line = |change: similar::Change<&str>| {
        let mark = match change.tag() {
            ChangeTag::Delete => "-",
            ChangeTag::Insert => "+",
            ChangeTag::Equal => " ",
        };
        (mark, change.value().trim_end_matches('\n').to_owned())
    };
    differ.iter_all_changes().map(line).take(limits::DIFFERENCE_LINES).collect()
}

impl Show {
    fn of(
        visitor: &Visitor,
        text: String,
        fault: Option<Mistake>,
        checked: Option<Checked>,
    ) -> Self {
        let name = checked.as_ref().map(|checked| checked.name.clone()).unwrap_or_default();
        let rows = text.lines().count().saturating_add(4).clamp(16, 48);
        Self { frame: Frame::of(visitor), name, text, rows, fault, checked }
    }
}

pub(super) async fn delete(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(form): Form<Sent>,
) -> Result<Response, Fault> {
    visitor.sent(&form.csrf)?;
    let place = format!("{}/artifacts", visitor.settings().base_path);
    let work = move || artifacts::delete(&visitor.actor_in_root(), visitor.launcher(), &name);
    tokio::task::spawn_blocking(work).await??;
    Ok(Redirect::to(&place).into_response())
}
