//! The tables of plugins, functions and accessors that a host offers.
//!
//! Each entry is data (name, arguments, permissions, documentation) plus one `fn`. The dispatcher
//! reads the data and does all checks, so what the reference page says is what is enforced.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::access::Permission;
use crate::accessor::Accessor;
use crate::args::Args;
use crate::budget::Fault;
use crate::context::Context;
use crate::engine::{PathRules, Scope};
use crate::rows::Rows;
use crate::sorted::SortedMap;
use crate::threads::Threads;
use crate::value::Value;

/// A source of rows, named after FROM.
#[derive(Debug)]
pub struct Plugin {
    /// The data.
    pub entry: Entry,
    /// Starts the plugin. Rows are made when they are asked for, not here.
    pub open: PluginBody,
}

/// The body of a plugin.
pub type PluginBody = fn(&mut Context, &Scope, Args) -> Result<alloc::boxed::Box<dyn Rows>, Fault>;

/// A function, used in expressions.
#[derive(Debug)]
pub struct Function {
    /// The data.
    pub entry: Entry,
    /// What it does.
    pub body: FunctionBody,
}

/// The body of a function.
#[derive(Clone, Copy, Debug)]
pub enum FunctionBody {
    /// The result depends on the arguments only.
    Call(fn(&mut Context, &Scope, &Args) -> Result<Value, Fault>),
    /// An aggregate: it keeps a state for each place where it is called and each group. The state is locked while the
    /// body runs, so the body evaluates nothing.
    Fold(fn(&mut Context, &Scope, &Args, &mut FoldState) -> Result<Value, Fault>),
}

/// The state of an aggregate: `None` before its first row.
pub type FoldState = Option<Value>;

/// What plugins and functions say about themselves.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name in queries.
    pub name: &'static str,
    /// One or two sentences for the reference page.
    pub doc: Doc,
    /// The arguments.
    pub args: &'static [Arg],
    /// What happens to arguments that are not in the table.
    pub others: Others,
    /// All of them are needed.
    pub permissions: &'static [Permission],
    /// Where it exists.
    pub availability: Availability,
}

/// What happens to arguments that are not in the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Others {
    /// They are a mistake: `Unexpected arg X`.
    Refused,
    /// They reach the body through [`Args::others`].
    Kept,
}

/// Where a plugin or function exists; for the reference page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Availability {
    /// On every host.
    Everywhere,
    /// On the Linux agent and the server.
    Linux,
    /// On the server.
    Server,
    /// On boards.
    Board,
}

impl Availability {
    /// The word on the reference page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Linux => "linux",
            Self::Server => "server",
            Self::Board => "board",
        }
    }
}

/// One argument of a plugin or function.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// The name.
    pub name: &'static str,
    /// What is accepted, and how it is converted.
    pub kind: Kind,
    /// A call without it fails: `Field X is required`.
    pub required: bool,
    /// One sentence for the reference page, with the default if there is one.
    pub doc: Doc,
}

impl Arg {
    /// An argument that every call must give.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: true, doc: Doc::new(doc) }
    }

    /// An argument that a call may give.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: false, doc: Doc::new(doc) }
    }
}

/// Text for the reference page, if texts are kept (feature `docs`): a board has nobody who reads them, and gives them no
/// room in its tables either.
#[derive(Clone, Copy, Debug)]
pub struct Doc(#[cfg(feature = "docs")] &'static str);

impl Doc {
    #[cfg(feature = "docs")]
    const fn new(text: &'static str) -> Self {
        Self(text)
    }

    #[cfg(not(feature = "docs"))]
    const fn new(_: &'static str) -> Self {
        Self()
    }

    /// The text; empty if texts are not kept.
    #[must_use]
    pub const fn text(self) -> &'static str {
        #[cfg(feature = "docs")]
        return self.0;
        #[cfg(not(feature = "docs"))]
        ""
    }
}

/// What an argument accepts. Conversions are those of section 10.3 of the server specification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Any value; a stored query stays one. Read with [`Args::value`].
    Any,
    /// Any value with stored queries turned into lists of rows. Read with [`Args::value`].
    Resolved,
    /// A string; scalars and one-element lists are converted, NULL is empty.
    String,
    /// A string that stays a path if it is one.
    Path,
    /// A whole number; bools and floats are converted, strings are refused.
    Int,
    /// A number.
    Float,
    /// The truth of any value.
    Bool,
    /// A list; a scalar becomes a list of one element, a query the list of its rows.
    List,
    /// A dict.
    Dict,
    /// A query, list, dict or scalar, as rows. Read with [`Args::rows`].
    Rows,
    /// Not evaluated before the body asks with [`Args::lazy`].
    Lazy,
    /// The text of a lambda, `x=>x.Name`. Read with [`Args::lambda`].
    Lambda,
}

impl Kind {
    /// The word on the reference page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any | Self::Resolved | Self::Lazy => "any",
            Self::String | Self::Path => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Dict => "dict",
            Self::Rows => "rows",
            Self::Lambda => "lambda",
        }
    }
}

impl Entry {
    const fn new(name: &'static str, doc: &'static str, args: &'static [Arg]) -> Self {
        Self {
            name,
            doc: Doc::new(doc),
            args,
            others: Others::Refused,
            permissions: &[],
            availability: Availability::Everywhere,
        }
    }
}

impl Plugin {
    /// A plugin that needs no permission and exists everywhere.
    #[must_use]
    pub const fn new(
        name: &'static str,
        doc: &'static str,
        args: &'static [Arg],
        open: PluginBody,
    ) -> Self {
        Self { entry: Entry::new(name, doc, args), open }
    }

    /// The same plugin, needing these permissions.
    #[must_use]
    pub const fn needs(mut self, permissions: &'static [Permission]) -> Self {
        self.entry.permissions = permissions;
        self
    }

    /// The same plugin, existing here only.
    #[must_use]
    pub const fn on(mut self, availability: Availability) -> Self {
        self.entry.availability = availability;
        self
    }

    /// The same plugin, taking arguments of any name.
    #[must_use]
    pub const fn keeps_others(mut self) -> Self {
        self.entry.others = Others::Kept;
        self
    }
}

impl Function {
    /// A function that needs no permission and exists everywhere.
    #[must_use]
    pub const fn new(
        name: &'static str,
        doc: &'static str,
        args: &'static [Arg],
        body: fn(&mut Context, &Scope, &Args) -> Result<Value, Fault>,
    ) -> Self {
        Self { entry: Entry::new(name, doc, args), body: FunctionBody::Call(body) }
    }

    /// An aggregate.
    #[must_use]
    pub const fn fold(
        name: &'static str,
        doc: &'static str,
        args: &'static [Arg],
        body: fn(&mut Context, &Scope, &Args, &mut FoldState) -> Result<Value, Fault>,
    ) -> Self {
        Self { entry: Entry::new(name, doc, args), body: FunctionBody::Fold(body) }
    }

    /// The same function, needing these permissions.
    #[must_use]
    pub const fn needs(mut self, permissions: &'static [Permission]) -> Self {
        self.entry.permissions = permissions;
        self
    }

    /// The same function, existing here only.
    #[must_use]
    pub const fn on(mut self, availability: Availability) -> Self {
        self.entry.availability = availability;
        self
    }

    /// The same function, taking arguments of any name.
    #[must_use]
    pub const fn keeps_others(mut self) -> Self {
        self.entry.others = Others::Kept;
        self
    }
}

/// What a host offers to queries. Built once, shared by all sessions.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    plugins: Table<&'static Plugin>,
    functions: Table<&'static Function>,
    accessors: Table<AccessorEntry>,
    /// What a session shows under the name of an accessor instead.
    shown: SortedMap<&'static str, AccessorEntry>,
    threads: Option<Arc<dyn Threads>>,
    pub(crate) paths: Option<&'static PathRules>,
}

/// An accessor and what its use needs.
#[derive(Clone, Debug)]
pub(crate) struct AccessorEntry {
    pub(crate) permissions: &'static [Permission],
    pub(crate) accessor: Arc<dyn Accessor>,
}

/// Entries by name, and the names that the configuration has taken away.
#[derive(Clone, Debug)]
struct Table<T> {
    entries: SortedMap<&'static str, T>,
    blocked: SortedMap<String, ()>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: SortedMap::default(), blocked: SortedMap::default() }
    }
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found<T> {
    Entry(T),
    Blocked,
    Nothing,
}

impl<T: Clone> Table<T> {
    fn find(&self, name: &str) -> Found<T> {
        if self.blocked.contains_key(name) {
            return Found::Blocked;
        }
        self.entries.get(name).cloned().map_or(Found::Nothing, Found::Entry)
    }
}

/// Names that a configuration allows and denies (server specification section 3).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowList {
    /// If not empty, only these and the core of the language remain.
    pub allowed: Vec<String>,
    /// Taken away after that.
    pub denied: Vec<String>,
}

/// An allow list names an accessor that does not exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownAccessor(pub String);

impl fmt::Display for UnknownAccessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unknown accessor in allow list: {}", self.0)
    }
}

impl core::error::Error for UnknownAccessor {}

impl Registry {
    /// A registry with the core of the language only.
    #[must_use]
    pub fn core() -> Self {
        let mut registry = Self::default();
        registry.add_plugins(crate::plugin::CORE);
        registry.add_functions(crate::function::CORE);
        registry
    }

    /// Adds plugins; a later one replaces an earlier one of the same name.
    pub fn add_plugins(&mut self, plugins: &[&'static Plugin]) {
        self.plugins.entries.extend(plugins.iter().map(|one| (one.entry.name, *one)));
    }

    /// Adds functions; a later one replaces an earlier one of the same name.
    pub fn add_functions(&mut self, functions: &[&'static Function]) {
        self.functions.entries.extend(functions.iter().map(|one| (one.entry.name, *one)));
    }

    /// Adds an accessor, which needs all of `permissions`.
    pub fn add_accessor(
        &mut self,
        name: &'static str,
        permissions: &'static [Permission],
        accessor: Arc<dyn Accessor>,
    ) {
        self.accessors.entries.insert(name, AccessorEntry { permissions, accessor });
    }

    /// Lends threads to queries that ask for workers.
    pub fn lend_threads(&mut self, threads: Arc<dyn Threads>) {
        self.threads = Some(threads);
    }

    #[cfg(feature = "threads")]
    pub(crate) const fn threads(&self) -> Option<&Arc<dyn Threads>> {
        self.threads.as_ref()
    }

    /// Keeps only the plugins that the list leaves.
    pub fn restrict_plugins(&mut self, list: &AllowList) {
        let is_core = |name: &str| crate::plugin::CORE.iter().any(|one| one.entry.name == name);
        restrict(&mut self.plugins, list, is_core);
    }

    /// Keeps only the functions that the list leaves.
    pub fn restrict_functions(&mut self, list: &AllowList) {
        let is_core = |name: &str| crate::function::CORE.iter().any(|one| one.entry.name == name);
        restrict(&mut self.functions, list, is_core);
    }

    /// Keeps only the accessors that the list leaves.
    ///
    /// # Errors
    ///
    /// A name of the list that is no accessor, since a typing error would open what it should close.
    pub fn restrict_accessors(&mut self, list: &AllowList) -> Result<(), UnknownAccessor> {
        let unknown = |name: &&String| !self.accessors.entries.contains_key(name.as_str());
        if let Some(name) = list.allowed.iter().find(unknown) {
            return Err(UnknownAccessor(name.clone()));
        }
        if !list.allowed.is_empty() {
            self.accessors.entries.retain(|name, _| list.allowed.iter().any(|one| one == name));
        }
        self.accessors.blocked.extend(list.denied.iter().map(|name| (name.clone(), ())));
        Ok(())
    }

    /// All plugins by name, for the reference page.
    pub fn plugins(&self) -> impl Iterator<Item = &'static Plugin> {
        self.plugins.entries.iter().map(|(_, one)| *one)
    }

    /// All functions by name, for the reference page.
    pub fn functions(&self) -> impl Iterator<Item = &'static Function> {
        self.functions.entries.iter().map(|(_, one)| *one)
    }

    /// All accessors by name with their permissions, for the reference page.
    pub fn accessors(&self) -> impl Iterator<Item = (&'static str, &'static [Permission])> {
        self.accessors.entries.iter().map(|(name, entry)| (*name, entry.permissions))
    }

    pub(crate) fn plugin(&self, name: &str) -> Found<&'static Plugin> {
        self.plugins.find(name)
    }

    pub(crate) fn function(&self, name: &str) -> Found<&'static Function> {
        self.functions.find(name)
    }

    /// What a session sees under the name of an accessor.
    pub(crate) fn accessor(&self, name: &str) -> Found<AccessorEntry> {
        match self.accessors.find(name) {
            Found::Entry(entry) => Found::Entry(self.shown.get(name).cloned().unwrap_or(entry)),
            other => other,
        }
    }

    /// The host's own accessor.
    pub(crate) fn host_accessor(&self, name: &str) -> Found<AccessorEntry> {
        self.accessors.find(name)
    }

    pub(crate) fn show_accessor(&mut self, name: &str, accessor: Arc<dyn Accessor>) -> bool {
        let Some(name) = self.accessors().map(|(one, _)| one).find(|one| *one == name) else {
            return false;
        };
        self.shown.insert(name, AccessorEntry { permissions: &[], accessor });
        true
    }

    pub(crate) fn show_host_accessors(&mut self) {
        self.shown.clear();
    }
}

fn restrict<T>(table: &mut Table<T>, list: &AllowList, is_core: fn(&str) -> bool) {
    if !list.allowed.is_empty() {
        let allowed = |name: &str| list.allowed.iter().any(|one| one == name);
        let gone = table.entries.keys().filter(|name| !is_core(name) && !allowed(name));
        table.blocked.extend(gone.map(|name| (String::from(*name), ())));
        // A name that does not exist gives the message of a blocked one, as upstream.
        let unknown = list.allowed.iter().filter(|name| !table.entries.contains_key(name.as_str()));
        table.blocked.extend(unknown.map(|name| (name.clone(), ())));
    }
    table.blocked.extend(list.denied.iter().map(|name| (name.clone(), ())));
}
