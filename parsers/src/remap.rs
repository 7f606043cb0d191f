//! `remap()`: other files under the names that a query uses, as for the disk of a machine that is examined elsewhere.
//!
//! Artifacts ask for `/etc/passwd`; with the disk's root mounted on the accessor `auto` they find that of the examined machine.
//! Symbolic links are followed within what is mounted: a link of the examined disk to `/etc` never leads to the examiner's.

use std::collections::BTreeMap;
use std::sync::Arc;

use troodon_vql::standard::path_of;
use troodon_vql::{
    Accessor, Arg, Args, Context, Dict, Entries, Fault, FileInfo, FileKind, Function, Kind, Level,
    Reader, Scope, Text, Value,
};

use crate::limits::{REMAP_LINKS_MAX, REMAP_MOUNTS_MAX};

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "remap",
    "Shows other files to the rest of the query, as `mount` and `shadow` of a list `remappings` say: from an accessor and a \
     prefix on an accessor and a prefix. Answers the configuration.",
    &[
        Arg::optional("config", Kind::Any, "The configuration, as YAML or as a dict."),
        Arg::optional(
            "copy",
            Kind::List,
            "Accepted for compatibility; other accessors stay as they are.",
        ),
        Arg::optional("clear", Kind::Bool, "Forget what was mounted before (no)."),
    ],
    remap,
)];

fn remap(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let config = match args.value("config") {
        Some(Value::Dict(dict)) => Value::Dict(dict.clone()),
        Some(Value::Str(text)) => crate::yaml::parse_configuration(text).map_err(Fault::error)?,
        _ => Value::Null,
    };
    let mut mounted: Box<Mounted> = cx.take_state();
    if args.flag("clear") {
        cx.show_host_accessors();
        mounted.0.clear();
    }
    let changed = apply(cx, &mut mounted, &config);
    cx.keep_state(mounted);
    changed.map(|()| config)
}

/// What a session mounted, by the accessor that shows it.
#[derive(Default)]
struct Mounted(BTreeMap<String, Vec<Mount>>);

/// A part of an accessor of the host.
#[derive(Clone)]
struct Mount {
    /// Where it is seen.
    on: Vec<Text>,
    source: String,
    prefix: Text,
}

fn apply(cx: &mut Context, mounted: &mut Mounted, config: &Value) -> Result<(), Fault> {
    let Value::Dict(config) = config else { return Ok(()) };
    let Some(Value::List(entries)) = config.get(b"remappings") else { return Ok(()) };
    for entry in entries.iter() {
        let Value::Dict(entry) = entry else {
            return Err(Fault::error("remap: a remapping is not a dict"));
        };
        let kind = word(entry, "type");
        match kind.as_str() {
            "mount" | "shadow" => add(cx, mounted, entry, kind == "mount")?,
            other => {
                let text = format_args!("remap: remappings of type {other:?} are not supported");
                cx.log(Level::Warn, text);
            }
        }
    }
    Ok(())
}

fn word(dict: &Dict, name: &str) -> String {
    let value = dict.get(name.as_bytes());
    value.map(path_of).unwrap_or_default().to_str_lossy().into_owned()
}

fn part(dict: &Dict, name: &str) -> Result<Dict, Fault> {
    match dict.get(name.as_bytes()) {
        Some(Value::Dict(dict)) => Ok(Dict::clone(dict)),
        _ => Err(Fault::error(format!("remap: a remapping lacks `{name}`"))),
    }
}

fn add(
    cx: &mut Context,
    mounted: &mut Mounted,
    entry: &Dict,
    has_prefix: bool,
) -> Result<(), Fault> {
    let (from, on) = (part(entry, "from")?, part(entry, "on")?);
    let (source, shown) = (word(&from, "accessor"), word(&on, "accessor"));
    // A mistake is told here and not at each file.
    cx.host_accessor(&source)?;
    let prefix = |dict| Text::from(if has_prefix { word(dict, "prefix") } else { String::new() });
    let mount = Mount { on: components(&prefix(&on)), source, prefix: prefix(&from) };
    let points = mounted.0.entry(shown.clone()).or_default();
    points.retain(|point| point.on != mount.on);
    if points.len() >= REMAP_MOUNTS_MAX {
        return Err(Fault::error(format!("remap: more than {REMAP_MOUNTS_MAX} mounts")));
    }
    points.push(mount);
    // The deepest is asked first.
    points.sort_by_key(|point| std::cmp::Reverse(point.on.len()));
    if !cx.show_accessor(&shown, Arc::new(View(points.clone()))) {
        return Err(Fault::error(format!("remap: there is no accessor {shown:?}")));
    }
    Ok(())
}

fn components(path: &[u8]) -> Vec<Text> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).map(Text::from).collect()
}

fn joined(parts: &[Text]) -> Text {
    let mut path = Vec::new();
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    if path.is_empty() { Text::fixed("/") } else { Text::from(path) }
}

/// What is seen under the name of an accessor.
struct View(Vec<Mount>);

impl Accessor for View {
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let place = self.resolved(cx, path, true)?;
        let (accessor, source) = self.source(cx, &place)?;
        accessor.open(cx, &source)
    }

    fn stat(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        self.info(cx, path, false)
    }

    fn follow(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        self.info(cx, path, true)
    }

    fn read_dir(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        let folder = components(path);
        let place = self.resolved(cx, path, true)?;
        let (accessor, source) = self.source(cx, &place)?;
        let entries = accessor.read_dir(cx, &source)?;
        Ok(Box::new(entries.map(move |entry| {
            let info = entry?;
            let name = std::iter::once(info.name.clone());
            let path = joined(&folder.iter().cloned().chain(name).collect::<Vec<_>>());
            Ok(FileInfo { path, ..info })
        })))
    }
}

impl View {
    fn info(&self, cx: &mut Context, path: &Text, follow: bool) -> Result<FileInfo, Fault> {
        let place = self.resolved(cx, path, follow)?;
        let (accessor, source) = self.source(cx, &place)?;
        // Links are resolved; whatever the source would follow leads out of what is mounted.
        let info = accessor.stat(cx, &source)?;
        let parts = components(path);
        let name = parts.last().cloned().unwrap_or_else(|| Text::fixed("/"));
        Ok(FileInfo { name, path: joined(&parts), ..info })
    }

    /// The accessor and its path of what is seen under these components.
    fn source(&self, cx: &Context, parts: &[Text]) -> Result<(Arc<dyn Accessor>, Text), Fault> {
        let mount = self.0.iter().find(|mount| parts.starts_with(&mount.on));
        let mount = mount.ok_or_else(|| {
            Fault::log(Level::Debug, format!("{}: nothing is mounted there", joined(parts)))
        })?;
        let rest = parts.get(mount.on.len()..).unwrap_or_default();
        let path = if rest.is_empty() {
            mount.prefix.clone()
        } else {
            let prefix = mount.prefix.strip_suffix(b"/").unwrap_or(&mount.prefix);
            Text::from([prefix, &*joined(rest)].concat())
        };
        let path = if path.is_empty() { Text::fixed("/") } else { path };
        Ok((cx.host_accessor(&mount.source)?, path))
    }

    /// A path without symbolic links, `.` and `..`, as if what is mounted were the root of the file system.
    fn resolved(&self, cx: &mut Context, path: &Text, last: bool) -> Result<Vec<Text>, Fault> {
        let mut left = components(path);
        left.reverse();
        let mut done: Vec<Text> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if *part == *b".." {
                done.pop();
                continue;
            }
            done.push(part);
            if left.is_empty() && !last {
                break;
            }
            cx.charge(1)?;
            // What is above a mount, and what cannot be described, is told by whoever opens it.
            let Ok((accessor, source)) = self.source(cx, &done) else { continue };
            let Ok(info) = accessor.stat(cx, &source) else { continue };
            let Some(target) = info.link.filter(|_| info.kind == FileKind::Link) else { continue };
            links += 1;
            if links > REMAP_LINKS_MAX {
                return Err(Fault::note(format!("{path}: more than {REMAP_LINKS_MAX} links")));
            }
            done.pop();
            if target.starts_with(b"/") {
                done.clear();
            }
            left.extend(components(&target).into_iter().rev());
        }
        Ok(done)
    }
}
