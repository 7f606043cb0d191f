//! `glob()`: files whose paths match patterns.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::file::{ACCESSOR, columns, row};
use super::stream::path;
use crate::accessor::{Accessor, Entries, FileInfo, FileKind};
use crate::args::Args;
use crate::budget::{Failure, Fault, Level};
use crate::context::Context;
use crate::engine::{Closure, Scope, truth};
use crate::glob::{Front, GlobSet};
use crate::limits::{GLOB_BATCH, GLOB_NESTING_MAX};
use crate::registry::{Arg, Kind, Plugin};
use crate::rows::{Rows, Step};
use crate::value::{Columns, Text, Value};

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "glob",
    "Files whose paths match one of some patterns: *, ?, [a-z], {a,b}, and ** for any number of directories (**5 for five).",
    &[
        Arg::required("globs", Kind::List, "The patterns."),
        Arg::optional("root", Kind::Any, "The directory from which to start (/)."),
        ACCESSOR,
        Arg::optional(
            "nosymlink",
            Kind::Bool,
            "Do not enter directories through symbolic links (false).",
        ),
        Arg::optional(
            "one_filesystem",
            Kind::Bool,
            "Stay within the file system of the root (false).",
        ),
        Arg::optional(
            "recursion_callback",
            Kind::Lambda,
            "Whether to enter a directory, given as a row (always).",
        ),
    ],
    glob,
)];

fn glob(cx: &mut Context, scope: &Scope, args: Args) -> Result<Box<dyn Rows>, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    let patterns: Vec<Text> =
        args.list("globs").map_or(&[][..], |list| list).iter().map(path).collect();
    let patterns = GlobSet::parse(patterns.iter().map(Text::as_bytes))
        .map_err(|fault| Fault::error(format!("{fault}")))?;
    let root = args.value("root").map(path).filter(|root| !root.is_empty());
    let root = root.unwrap_or(Text::fixed("/"));
    let front = patterns.start();
    let mut walk = Walk {
        scope: scope.clone(),
        columns: columns(),
        callback: args.lambda("recursion_callback").cloned(),
        links: if args.flag("nosymlink") { Links::Reported } else { Links::Entered },
        device: None,
        accessor,
        patterns,
        folders: Vec::new(),
    };
    let info = walk.accessor.follow(cx, &root)?;
    walk.device = info.identity.map(|(device, _)| device).filter(|_| args.flag("one_filesystem"));
    walk.enter(cx, &info, front)?;
    Ok(Box::new(walk))
}

/// What happens to symbolic links that point to directories.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Links {
    Entered,
    Reported,
}

/// A walk through a tree, one entry at a time; it holds one open directory for each level.
struct Walk {
    scope: Scope,
    columns: Columns,
    callback: Option<Arc<Closure>>,
    links: Links,
    /// The only file system to stay in, if there is one.
    device: Option<u64>,
    accessor: Arc<dyn Accessor>,
    patterns: GlobSet,
    folders: Vec<Folder>,
}

/// A directory that is being looked through.
struct Folder {
    path: Text,
    identity: Option<(u64, u64)>,
    front: Front,
    found: vec::IntoIter<FileInfo>,
    /// What is still to be read of the directory.
    entries: Option<Box<dyn Entries>>,
}

impl Rows for Walk {
    fn next(&mut self, cx: &mut Context) -> Result<Step, Fault> {
        loop {
            cx.charge(1)?;
            let Some(folder) = self.folders.last_mut() else { return Ok(Step::End) };
            let Some(info) = folder.found.next() else {
                if !folder.refill(cx)? {
                    self.folders.pop();
                }
                if cx.is_out_of_fuel() {
                    return Ok(Step::Yield);
                }
                continue;
            };
            let matched = self.patterns.step(&folder.front, &info.name);
            if !matched.inside.is_empty() {
                self.descend(cx, &info, matched.inside)?;
            }
            if matched.complete {
                return Ok(Step::Row(row(&self.columns, info)));
            }
        }
    }
}

impl Folder {
    /// Reads the next entries. They are sorted, so that the order of small directories does not depend on the file
    /// system.
    fn refill(&mut self, cx: &mut Context) -> Result<bool, Fault> {
        let Some(entries) = &mut self.entries else { return Ok(false) };
        let mut batch = Vec::new();
        for entry in entries.take(GLOB_BATCH) {
            cx.charge(1)?;
            match entry {
                Ok(info) => batch.push(info),
                // It may have vanished between being listed and being looked at.
                Err(fault) if matches!(fault.failure(), Failure::Log(Level::Debug, _)) => {}
                Err(fault) => cx.report("glob", fault)?,
            }
        }
        let any = !batch.is_empty();
        batch.sort_by(|one, other| one.name.cmp(&other.name));
        self.found = batch.into_iter();
        Ok(any)
    }
}

impl Walk {
    /// Enters `info` if it is a directory, or a link to one.
    fn descend(&mut self, cx: &mut Context, info: &FileInfo, front: Front) -> Result<(), Fault> {
        let target = match (info.kind, self.links) {
            (FileKind::Directory, _) => None,
            (FileKind::Link, Links::Entered) => match self.accessor.follow(cx, &info.path) {
                Ok(target) if target.kind == FileKind::Directory => Some(target),
                Err(fault) if fault.stop().is_some() => return Err(fault),
                Ok(_) | Err(_) => return Ok(()),
            },
            (FileKind::Regular | FileKind::Special | FileKind::Link, _) => return Ok(()),
        };
        if let Some(callback) = self.callback.clone() {
            let value = Value::from(row(&self.columns, info.clone()));
            let answer = callback.call(cx, &self.scope, &[value])?;
            if !truth(cx, &self.scope, &answer)? {
                return Ok(());
            }
        }
        let place = FileInfo {
            path: info.path.clone(),
            identity: target.map_or(info.identity, |target| target.identity),
            ..FileInfo::default()
        };
        self.enter(cx, &place, front)
    }

    fn enter(&mut self, cx: &mut Context, place: &FileInfo, front: Front) -> Result<(), Fault> {
        let identity = place.identity;
        // A link to a directory that we are inside of would lead round and round.
        let is_loop =
            identity.is_some() && self.folders.iter().any(|folder| folder.identity == identity);
        let is_elsewhere =
            self.device.is_some() && self.device != identity.map(|(device, _)| device);
        if is_loop || is_elsewhere {
            return Ok(());
        }
        if self.folders.len() >= GLOB_NESTING_MAX {
            cx.log_once(
                Level::Warn,
                format_args!("glob: directories below level {GLOB_NESTING_MAX} are left out"),
            );
            return Ok(());
        }
        let mut folder = Folder {
            path: place.path.clone(),
            identity,
            front,
            found: Vec::new().into_iter(),
            entries: None,
        };
        match self.patterns.literals(&folder.front) {
            Some(names) => folder.found = self.look_up(cx, &folder.path, &names)?.into_iter(),
            None => match self.accessor.read_dir(cx, &folder.path) {
                Ok(entries) => folder.entries = Some(entries),
                Err(fault) => {
                    cx.report("glob", fault)?;
                    return Ok(());
                }
            },
        }
        self.folders.push(folder);
        Ok(())
    }

    /// The files of these names. Most of them do not exist, which is worth no message.
    fn look_up(
        &self,
        cx: &mut Context,
        folder: &Text,
        names: &[&[u8]],
    ) -> Result<Vec<FileInfo>, Fault> {
        let mut found = Vec::new();
        for name in names {
            cx.charge(1)?;
            let separator: &[u8] = if folder.ends_with(b"/") { b"" } else { b"/" };
            let path = Text::from([folder.as_bytes(), separator, name].concat());
            match self.accessor.stat(cx, &path) {
                Ok(info) => found.push(FileInfo { name: Text::from(*name), ..info }),
                Err(fault) if fault.stop().is_some() => return Err(fault),
                Err(_) => {}
            }
        }
        Ok(found)
    }
}
