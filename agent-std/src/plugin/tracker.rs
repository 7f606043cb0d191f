//! The process tracker: who started whom, also after the parent has ended.
//!
//! Each use takes a snapshot of `/proc`, at most one in a second. Before `process_tracker()` was called only running
//! processes are known; from then on the agent also remembers, until it ends, those that were seen in an earlier snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use troodon_vql::{
    Arg, Args, Availability, Closure, Columns, Context, Fault, Function, Kind, Plugin, Pull, Row,
    RowBuilder, Rows, Scope, Time, Value,
};

use super::process;
use crate::limits::{TRACKED_CHAIN_MAX, TRACKED_DEPTH_MAX, TRACKED_PROCESSES_MAX};

/// Snapshots are not taken more often.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(1);

const ID: Arg = Arg::required("id", Kind::String, "The process id.");
const MAX_ITEMS: Arg = Arg::optional("max_items", Kind::Int, "Processes at most (1000).");

/// The functions of this file.
pub(super) static FUNCTIONS: &[&Function] = &[
    &Function::new(
        "process_tracker",
        "Makes the agent remember processes that end, until it ends itself.",
        &[
            Arg::optional("sync_query", Kind::Any, "Accepted for compatibility; /proc is read."),
            Arg::optional("sync_period", Kind::Int, "Accepted for compatibility."),
            Arg::optional("update_query", Kind::Any, "Accepted for compatibility."),
            Arg::optional("max_size", Kind::Int, "Processes to remember (10000)."),
            Arg::optional("max_expiry", Kind::Int, "Accepted for compatibility."),
            Arg::optional("enrichments", Kind::List, "Accepted for compatibility."),
            Arg::optional("cache", Kind::String, "Accepted for compatibility."),
        ],
        start,
    )
    .on(Availability::Linux),
    &Function::new(
        "process_tracker_get",
        "What is known about a process: Id, ParentId, StartTime, EndTime, Data, Children; NULL if nothing.",
        &[ID, MAX_ITEMS],
        |cx, _, args| {
            let tracker = current(cx)?;
            Ok(tracker.find(args).map(|process| tracker.shown(process)).into())
        },
    )
    .on(Availability::Linux),
    &Function::new(
        "process_tracker_callchain",
        "A process and its ancestors, the oldest first.",
        &[ID, MAX_ITEMS],
        |cx, _, args| Ok(current(cx)?.chain(args)),
    )
    .on(Availability::Linux),
    &Function::new(
        "process_tracker_children",
        "The processes that a process started.",
        &[ID, MAX_ITEMS],
        |cx, _, args| Ok(current(cx)?.children(args)),
    )
    .on(Availability::Linux),
    &Function::new(
        "process_tracker_all",
        "All known processes.",
        &[],
        |cx, _, _| {
            let tracker = current(cx)?;
            let all = tracker.known.values().map(|process| tracker.shown(process));
            Ok(all.collect::<Vec<_>>().into())
        },
    )
    .on(Availability::Linux),
    &Function::new(
        "process_tracker_tree",
        "A process and all below it: name, id, start_time, data, children.",
        &[
            Arg::optional("id", Kind::String, "The process id (1)."),
            Arg::optional("data_callback", Kind::Lambda, "Makes `data` of what process_tracker_get() shows."),
            MAX_ITEMS,
        ],
        tree,
    )
    .on(Availability::Linux),
];

/// The plugins of this file.
pub(super) static PLUGINS: &[&Plugin] = &[&Plugin::new(
    "process_tracker_pslist",
    "All known processes, as pslist() shows them, with StartTime and EndTime.",
    &[],
    |cx, _, _| {
        let mut rows =
            current(cx)?.known.values().map(Process::row).collect::<Vec<_>>().into_iter();
        Ok(Box::new(Pull::new(move |_| Ok(rows.next()))) as Box<dyn Rows>)
    },
)
.on(Availability::Linux)];

/// One process of the tracker.
struct Process {
    /// The process id; with the start behind it once another process has the same one.
    id: String,
    parent: String,
    start: Value,
    end: Option<Time>,
    data: Row,
}

/// What is known of processes, by their id.
struct Tracker {
    known: BTreeMap<String, Process>,
    taken: Option<Instant>,
    /// Processes that ended are kept, and how many processes at most.
    remembers: Option<usize>,
}

/// One for the agent: events of one flow and questions of another are about the same processes.
static TRACKER: Mutex<Tracker> =
    Mutex::new(Tracker { known: BTreeMap::new(), taken: None, remembers: None });

fn lock() -> MutexGuard<'static, Tracker> {
    // A snapshot that was left in the middle is repaired by the next.
    TRACKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tracker with a fresh snapshot.
fn current(cx: &mut Context) -> Result<MutexGuard<'static, Tracker>, Fault> {
    let mut tracker = lock();
    if tracker.taken.is_none_or(|taken| taken.elapsed() >= SNAPSHOT_AGE_MAX) {
        let rows = process::all(cx)?;
        tracker.take_in(rows, cx.now());
        tracker.taken = Some(Instant::now());
    }
    Ok(tracker)
}

fn start(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let max = args.int("max_size").and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0);
    lock().remembers = Some(max.unwrap_or(TRACKED_PROCESSES_MAX).min(TRACKED_PROCESSES_MAX));
    drop(current(cx)?);
    Ok(Row::empty().into())
}

impl Tracker {
    fn take_in(&mut self, rows: Vec<Row>, now: Time) {
        let mut seen = BTreeSet::new();
        for row in rows {
            let process = Process::of(row);
            // A number that the kernel gave out again is another process.
            if let Some(before) =
                self.known.get(&process.id).filter(|one| !same(&one.start, &process.start))
            {
                let id = format!("{}-{}", before.id, seconds(&before.start));
                if let Some(mut gone) = self.known.remove(&process.id) {
                    gone.end.get_or_insert(now);
                    self.known.insert(id.clone(), Process { id, ..gone });
                }
            }
            seen.insert(process.id.clone());
            self.known.insert(process.id.clone(), process);
        }
        let Some(max) = self.remembers else {
            return self.known.retain(|id, _| seen.contains(id));
        };
        for process in self.known.values_mut().filter(|process| !seen.contains(&process.id)) {
            process.end.get_or_insert(now);
        }
        let mut ended: Vec<(Time, String)> = self
            .known
            .values()
            .filter_map(|process| Some((process.end?, process.id.clone())))
            .collect();
        ended.sort();
        let surplus = self.known.len().saturating_sub(max);
        for (_, id) in ended.into_iter().take(surplus) {
            self.known.remove(&id);
        }
    }

    fn find(&self, args: &Args) -> Option<&Process> {
        self.known.get(&args.string("id")?)
    }

    fn below<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Process> {
        self.known.values().filter(move |process| process.parent == id && process.id != id)
    }

    fn shown(&self, process: &Process) -> Value {
        let children: Vec<Value> = self
            .below(&process.id)
            .take(TRACKED_CHAIN_MAX)
            .map(|child| child.id.as_str().into())
            .collect();
        let mut row = RowBuilder::new();
        row.set("Id", process.id.as_str())
            .set("ParentId", process.parent.as_str())
            .set("StartTime", process.start.clone())
            .set("EndTime", Value::from(process.end))
            .set("Data", process.row())
            .set("Children", children);
        row.build().into()
    }

    fn chain(&self, args: &Args) -> Value {
        let mut chain = Vec::new();
        let mut next = self.find(args);
        while let Some(process) = next.filter(|_| chain.len() < count(args).min(TRACKED_DEPTH_MAX))
        {
            chain.push(self.shown(process));
            next = self.known.get(&process.parent).filter(|parent| parent.id != process.id);
        }
        chain.reverse();
        chain.into()
    }

    fn children(&self, args: &Args) -> Value {
        let Some(process) = self.find(args) else { return Value::Null };
        let children = self.below(&process.id).take(count(args));
        children.map(|child| self.shown(child)).collect::<Vec<_>>().into()
    }
}

fn count(args: &Args) -> usize {
    let given = args.int("max_items").and_then(|max| usize::try_from(max).ok());
    given.filter(|max| *max > 0).unwrap_or(TRACKED_CHAIN_MAX).min(TRACKED_PROCESSES_MAX)
}

impl Process {
    fn of(row: Row) -> Self {
        let number = |name: &[u8]| match row.get(name) {
            Some(Value::Int(number)) => number.to_string(),
            _ => String::new(),
        };
        Self {
            id: number(b"Pid"),
            parent: number(b"Ppid"),
            start: row.get(b"CreateTime").cloned().unwrap_or_default(),
            end: None,
            data: row,
        }
    }

    /// As `pslist()` shows it, with the ids of the tracker.
    fn row(&self) -> Row {
        let mut row = RowBuilder::new();
        for (name, value) in self.data.iter() {
            row.set(name.clone(), value.clone());
        }
        row.set("Pid", self.id.as_str()).set("Ppid", self.parent.as_str());
        row.set("StartTime", self.start.clone()).set("EndTime", Value::from(self.end));
        row.build()
    }
}

/// Times of one process differ by the rounding of the boot time.
fn same(before: &Value, after: &Value) -> bool {
    seconds(before).abs_diff(seconds(after)) <= 1
}

const fn seconds(value: &Value) -> i64 {
    match value {
        Value::Time(time) => time.seconds(),
        _ => 0,
    }
}

/// A branch that waits to be shown.
struct Branch {
    process: Value,
    name: Value,
    id: String,
    start: Value,
    depth: usize,
    children: Vec<String>,
}

fn tree(cx: &mut Context, scope: &Scope, args: &Args) -> Result<Value, Fault> {
    let root = args.string("id").filter(|id| !id.is_empty()).unwrap_or_else(|| "1".to_owned());
    let (branches, roots) = branches(&*current(cx)?, &root, count(args));
    let callback = args.lambda("data_callback").cloned();
    // The deepest first: what is below a branch is ready when the branch is.
    let mut ready: BTreeMap<String, Value> = BTreeMap::new();
    let columns = Columns::fixed(&["name", "id", "start_time", "data", "children"]);
    for branch in branches.into_iter().rev() {
        let data = shown(cx, scope, callback.as_deref(), &branch)?;
        let children: Vec<Value> =
            branch.children.iter().filter_map(|child| ready.remove(child)).collect();
        let children = if children.is_empty() { Value::Null } else { children.into() };
        let values = vec![branch.name, branch.id.as_str().into(), branch.start, data, children];
        ready.insert(branch.id, Row::new(&columns, values).into());
    }
    Ok(roots.and_then(|root| ready.remove(&root)).into())
}

fn shown(
    cx: &mut Context,
    scope: &Scope,
    callback: Option<&Closure>,
    branch: &Branch,
) -> Result<Value, Fault> {
    match callback {
        Some(callback) => Ok(callback.call(cx, scope, std::slice::from_ref(&branch.process))?),
        None => Ok(branch.process.as_dict().and_then(|row| row.get(b"Data")).cloned().into()),
    }
}

/// The processes from a root down, by the level.
fn branches(tracker: &Tracker, root: &str, max: usize) -> (Vec<Branch>, Option<String>) {
    let Some(first) = tracker.known.get(root) else { return (Vec::new(), None) };
    let mut branches = vec![branch(tracker, first, 0)];
    let mut at = 0;
    while let Some((id, depth)) = branches.get(at).map(|next| (next.id.clone(), next.depth)) {
        let room = if depth < TRACKED_DEPTH_MAX { max.saturating_sub(branches.len()) } else { 0 };
        let children: Vec<&Process> = tracker.below(&id).take(room).collect();
        if let Some(parent) = branches.get_mut(at) {
            parent.children = children.iter().map(|child| child.id.clone()).collect();
        }
        branches.extend(children.into_iter().map(|child| branch(tracker, child, depth + 1)));
        at += 1;
    }
    (branches, Some(root.to_owned()))
}

fn branch(tracker: &Tracker, process: &Process, depth: usize) -> Branch {
    Branch {
        process: tracker.shown(process),
        name: process.data.get(b"Name").cloned().unwrap_or_default(),
        id: process.id.clone(),
        start: process.start.clone(),
        depth,
        children: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: i64, parent: i64, start: i64) -> Row {
        let columns = Columns::fixed(&["Pid", "Ppid", "Name", "CreateTime"]);
        let time = Time::from_seconds(start);
        Row::new(&columns, vec![pid.into(), parent.into(), "x".into(), time.into()])
    }

    fn tracker(remembers: Option<usize>) -> Tracker {
        Tracker { known: BTreeMap::new(), taken: None, remembers }
    }

    fn ids(tracker: &Tracker) -> Vec<&str> {
        tracker.known.keys().map(String::as_str).collect()
    }

    #[test]
    fn ended_processes_are_forgotten_unless_asked_for() {
        let now = Time::from_seconds(500);
        let mut live = tracker(None);
        live.take_in(vec![row(1, 0, 1), row(2, 1, 100)], now);
        live.take_in(vec![row(1, 0, 1)], now);
        assert_eq!(ids(&live), ["1"]);
        let mut kept = tracker(Some(10));
        kept.take_in(vec![row(1, 0, 1), row(2, 1, 100)], now);
        kept.take_in(vec![row(1, 0, 1)], now);
        assert_eq!(ids(&kept), ["1", "2"]);
        assert_eq!(kept.known["2"].end, Some(now));
    }

    #[test]
    fn a_number_that_is_given_again_is_another_process() {
        let mut kept = tracker(Some(10));
        kept.take_in(vec![row(2, 1, 100)], Time::from_seconds(500));
        kept.take_in(vec![row(2, 1, 101)], Time::from_seconds(501));
        assert_eq!(ids(&kept), ["2"], "the boot time is rounded");
        kept.take_in(vec![row(2, 1, 400)], Time::from_seconds(502));
        assert_eq!(ids(&kept), ["2", "2-101"]);
    }

    #[test]
    fn the_processes_that_ended_first_go_when_there_are_too_many() {
        let mut kept = tracker(Some(2));
        kept.take_in(vec![row(1, 0, 1), row(2, 1, 2), row(3, 1, 3)], Time::from_seconds(10));
        assert_eq!(ids(&kept).len(), 3, "running processes are never forgotten");
        kept.take_in(vec![row(1, 0, 1), row(3, 1, 3)], Time::from_seconds(11));
        assert_eq!(ids(&kept), ["1", "3"]);
    }

    #[test]
    fn a_tree_with_a_circle_ends() {
        let mut live = tracker(None);
        live.take_in(vec![row(1, 2, 1), row(2, 1, 1), row(3, 2, 1)], Time::default());
        let (branches, root) = branches(&live, "1", 100);
        assert_eq!(root.as_deref(), Some("1"));
        assert!(branches.len() <= 100);
    }
}
