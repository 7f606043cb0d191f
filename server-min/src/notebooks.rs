//! Notebooks as people use them: made, shared, changed, run, and taken out as one page; checked and recorded here, whoever
//! asks.
//!
//! Who may see a notebook: its creator, those with whom it is shared, and the server's own account. A query in a cell runs
//! with the rights of whoever runs it; what it yielded is seen by all who may see the notebook, which is what sharing is
//! for.

mod drawing;
mod export;
mod markdown;
mod run;

use serde_json::json;

use crate::acl::Principal;
use crate::actor::{ActError, Actor};
use crate::launcher::{CompileFault, LaunchError, Launcher};
use crate::limits;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::id::UserName;
use crate::model::notebook::{Cell, CellKind, Notebook, NotebookId};
use crate::store::{StoreError, audit, notebook, now_us};

pub use drawing::drawing;
pub use export::export;
pub use markdown::html;
pub use run::{Services, run};

/// Why a notebook is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    /// The caller may not, or asks for something senseless.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The template requires what the caller has not.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The template cannot be used.
    #[error(transparent)]
    Compile(#[from] CompileFault),
    /// The store refuses: there is no such notebook or cell, or a limit is reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The page cannot be written.
    #[error("the page cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// What somebody wants of a notebook.
#[derive(Debug, Clone, Default)]
pub struct NewNotebook {
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// Cells that it begins with.
    pub cells: Vec<(CellKind, String)>,
    /// A NOTEBOOK artifact whose cells it begins with, and values of its parameters.
    pub template: Option<(String, Vec<(String, String)>)>,
}

/// Makes a notebook of the caller's.
///
/// # Errors
/// The caller may not edit notebooks, or the template cannot be used by the caller or at all.
pub fn create(
    actor: &Actor,
    launcher: &Launcher,
    wanted: NewNotebook,
) -> Result<NotebookId, NotebookError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random)?;
    let now_us = now_us();
    let id = NotebookId::generate(now_us / 1_000_000, random);
    let details = json!({"notebook_id": id, "name": wanted.name, "action": "create"});
    let record = actor.enter(Door::EditNotebooks, details)?;
    let (mut cells, mut preamble) = (wanted.cells, String::new());
    if let Some((artifact, parameters)) = wanted.template {
        launcher.allow_call(actor.principal(), &artifact)?;
        let template = launcher.notebook_template(&artifact, &parameters)?;
        cells.extend(template.cells);
        preamble = template.preamble;
    }
    for (_, input) in &cells {
        short_enough(input)?;
    }
    let one = Notebook {
        id: id.clone(),
        name: wanted.name,
        description: wanted.description,
        creator: actor.principal().name().to_owned(),
        collaborators: Vec::new(),
        created_us: now_us,
        changed_us: now_us,
        preamble,
    };
    short_enough(&one.name)?;
    short_enough(&one.description)?;
    actor.store().write(move |db| {
        notebook::put(db, &one)?;
        for (kind, input) in cells {
            add_within(db, &one.id, kind, &input)?;
        }
        audit::append(db, &record)
    })?;
    Ok(id)
}

/// The notebooks that the caller may see, latest first. Only a refusal is on record.
///
/// # Errors
/// The caller may not read results.
pub fn list(actor: &Actor) -> Result<Vec<Notebook>, NotebookError> {
    actor.enter(Door::ShowNotebooks, json!({}))?;
    let all = actor.store().notebooks()?.into_iter();
    Ok(all.filter(|one| may_see(actor, one)).collect())
}

/// A notebook with its cells. Only a refusal is on record.
///
/// # Errors
/// The caller may not see it, or it is not there.
pub fn show(actor: &Actor, id: &NotebookId) -> Result<(Notebook, Vec<Cell>), NotebookError> {
    let record = actor.enter(Door::ShowNotebooks, json!({"notebook_id": id}))?;
    let one = seen(actor, id, &record)?;
    Ok((one, actor.store().cells(id)?))
}

/// Names those with whom a notebook is shared, in place of the ones before.
///
/// # Errors
/// The caller did not make it, or a name is none.
pub fn share(actor: &Actor, id: &NotebookId, users: &[UserName]) -> Result<(), NotebookError> {
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    if users.len() > limits::NOTEBOOK_USERS {
        return Err(ActError::Wrong("a notebook is shared with too many".into()).into());
    }
    let details = json!({"notebook_id": id, "action": "share", "users": users});
    let record = actor.enter(Door::EditNotebooks, details)?;
    let mut one = owned(actor, id, &record)?;
    one.collaborators = users;
    one.changed_us = now_us();
    actor.store().write(move |db| {
        notebook::put(db, &one)?;
        audit::append(db, &record)
    })?;
    Ok(())
}

/// What a notebook is called.
#[derive(Debug, Clone)]
pub struct Edit {
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
}

/// Calls a notebook something else.
///
/// # Errors
/// The caller may not see it or edit notebooks, or a text is too long.
pub fn edit(actor: &Actor, id: &NotebookId, edit: Edit) -> Result<(), NotebookError> {
    short_enough(&edit.name)?;
    short_enough(&edit.description)?;
    let details = json!({"notebook_id": id, "action": "edit", "name": edit.name});
    let record = actor.enter(Door::EditNotebooks, details)?;
    let mut one = seen(actor, id, &record)?;
    (one.name, one.description, one.changed_us) = (edit.name, edit.description, now_us());
    actor.store().write(move |db| {
        notebook::put(db, &one)?;
        audit::append(db, &record)
    })?;
    Ok(())
}

/// Removes a notebook with all that its cells yielded.
///
/// # Errors
/// The caller did not make it.
pub fn delete(actor: &Actor, id: &NotebookId) -> Result<(), NotebookError> {
    let details = json!({"notebook_id": id, "action": "delete"});
    let record = actor.enter(Door::EditNotebooks, details)?;
    owned(actor, id, &record)?;
    let id = id.clone();
    actor.store().write(move |db| {
        notebook::remove(db, &id)?;
        audit::append(db, &record)
    })?;
    Ok(())
}

/// What somebody does to the cells of a notebook.
#[derive(Debug, Clone)]
pub enum Change {
    /// Puts one at the end.
    Add(CellKind, String),
    /// Gives one another text; what it yielded is gone.
    Edit(i64, String),
    /// Moves one before the cell before it.
    Up(i64),
    /// Moves one behind the cell behind it.
    Down(i64),
    /// Takes one away.
    Remove(i64),
    /// Stops the query of one.
    Cancel(i64),
    /// Puts them into this order, and takes away those that are not named.
    Arrange(Vec<i64>),
}

/// Changes the cells of a notebook; answers the number of the cell, or how many there are.
///
/// # Errors
/// The caller may not see it or edit notebooks, there is no such cell, or a limit is reached.
pub fn change(actor: &Actor, id: &NotebookId, change: Change) -> Result<i64, NotebookError> {
    let (action, cell) = match &change {
        Change::Add(_, input) => {
            short_enough(input)?;
            ("add_cell", None)
        }
        Change::Edit(cell, input) => {
            short_enough(input)?;
            ("edit_cell", Some(*cell))
        }
        Change::Up(cell) | Change::Down(cell) => ("move_cell", Some(*cell)),
        Change::Remove(cell) => ("remove_cell", Some(*cell)),
        Change::Cancel(cell) => ("cancel_cell", Some(*cell)),
        Change::Arrange(_) => ("arrange_cells", None),
    };
    let mut details = json!({"notebook_id": id, "action": action, "cell": cell});
    if let Change::Arrange(order) = &change {
        details["cells"] = json!(order);
    }
    let record = actor.enter(Door::EditNotebooks, details)?;
    let mut one = seen(actor, id, &record)?;
    one.changed_us = now_us();
    Ok(actor.store().write(move |db| {
        let number = apply(db, &one.id, change)?;
        notebook::put(db, &one)?;
        audit::append(db, &record)?;
        Ok(number)
    })?)
}

fn apply(db: &rusqlite::Connection, id: &NotebookId, change: Change) -> Result<i64, StoreError> {
    let exists = |cell: i64| notebook::find_cell(db, id, cell);
    let beside = |cell: &Cell, step: isize| -> Result<Option<Cell>, StoreError> {
        let all = notebook::cells(db, id)?;
        let at = all.iter().position(|one| one.number == cell.number);
        Ok(at.and_then(|at| at.checked_add_signed(step)).and_then(|at| all.get(at).cloned()))
    };
    match change {
        Change::Add(kind, input) => add_within(db, id, kind, &input),
        Change::Edit(cell, input) => {
            exists(cell)?;
            notebook::edit_cell(db, cell, &input)?;
            Ok(cell)
        }
        Change::Up(cell) | Change::Down(cell) => {
            let step = if matches!(change, Change::Up(_)) { -1 } else { 1 };
            let one = exists(cell)?;
            if let Some(other) = beside(&one, step)? {
                notebook::swap_cells(db, &one, &other)?;
            }
            Ok(cell)
        }
        Change::Remove(cell) => {
            exists(cell)?;
            notebook::remove_cell(db, cell)?;
            Ok(cell)
        }
        Change::Cancel(cell) => {
            exists(cell)?;
            notebook::cancel(db, cell)?;
            Ok(cell)
        }
        Change::Arrange(order) => arrange(db, id, &order),
    }
}

fn arrange(db: &rusqlite::Connection, id: &NotebookId, order: &[i64]) -> Result<i64, StoreError> {
    let all = notebook::cells(db, id)?;
    for gone in all.iter().filter(|cell| !order.contains(&cell.number)) {
        notebook::remove_cell(db, gone.number)?;
    }
    for (position, number) in (1..).zip(order) {
        notebook::find_cell(db, id, *number)?;
        notebook::place_cell(db, *number, position)?;
    }
    Ok(i64::try_from(order.len()).unwrap_or(i64::MAX))
}

fn add_within(
    db: &rusqlite::Connection,
    id: &NotebookId,
    kind: CellKind,
    input: &str,
) -> Result<i64, StoreError> {
    if notebook::count_cells(db, id)? >= limits::NOTEBOOK_CELLS {
        return Err(StoreError::Limit("the list of cells of a notebook", limits::NOTEBOOK_CELLS));
    }
    notebook::add_cell(db, id, kind, input)
}

fn short_enough(text: &str) -> Result<(), ActError> {
    if text.len() > limits::NOTEBOOK_TEXT_BYTES {
        let limit = limits::NOTEBOOK_TEXT_BYTES;
        return Err(ActError::Wrong(format!("a text in a notebook has {limit} bytes at most")));
    }
    Ok(())
}

fn may_see(actor: &Actor, one: &Notebook) -> bool {
    matches!(actor.principal(), Principal::Server { .. }) || one.is_of(actor.principal().name())
}

/// A notebook that the caller may see. Others are refused like those that are not there, and that is on record.
fn seen(actor: &Actor, id: &NotebookId, record: &Record) -> Result<Notebook, NotebookError> {
    let why = match actor.store().notebook(id) {
        Ok(one) if may_see(actor, &one) => return Ok(one),
        Ok(_) => {
            let why = "the notebook is not shared with them".to_owned();
            match actor.refuse::<()>(record.clone(), why) {
                Err(ActError::Store(error)) => error,
                _ => StoreError::NoNotebook(id.to_string()),
            }
        }
        Err(why) => {
            actor.fail(record.clone(), &why.to_string())?;
            why
        }
    };
    Err(why.into())
}

/// A notebook that the caller has made.
fn owned(actor: &Actor, id: &NotebookId, record: &Record) -> Result<Notebook, NotebookError> {
    let one = seen(actor, id, record)?;
    let name = actor.principal().name();
    let is_server = matches!(actor.principal(), Principal::Server { .. });
    if is_server || one.creator.eq_ignore_ascii_case(name) {
        return Ok(one);
    }
    let why = format!("notebook {id} belongs to {}", one.creator);
    Ok(actor.refuse(record.clone(), why)?)
}
