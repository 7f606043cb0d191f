//! Accessors: ways to read files by a path, registered by name.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::budget::Fault;
use crate::context::Context;
use crate::value::{Text, Time, Value};

/// A way to reach files: the file system, data within the query, the inside of an archive, flash.
///
/// The dispatcher checks permissions before it hands an accessor out
/// ([`Context::accessor`]); path rules (allowed prefixes) are the accessor's own.
pub trait Accessor: Send + Sync {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason when the file cannot be opened.
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault>;

    /// Describes a file without following a last symbolic link.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason when there is none.
    fn stat(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault>;

    /// Describes what a path leads to, symbolic links followed.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason when there is nothing.
    fn follow(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        self.stat(cx, path)
    }

    /// Lists a directory in no special order, `.` and `..` excluded.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason when it cannot be listed.
    fn read_dir(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault>;
}

impl fmt::Debug for dyn Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accessor(..)")
    }
}

/// The entries of a directory, one at a time.
pub type EntriesItem = Result<FileInfo, Fault>;

/// A running directory listing.
pub trait Entries: Iterator<Item = EntriesItem> + Send {}

impl<T: Iterator<Item = EntriesItem> + Send> Entries for T {}

/// An open file.
pub trait Reader: Send {
    /// Reads at an offset; 0 bytes mean the end.
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault>;

    /// The size, if it is known without reading.
    fn size(&self) -> Option<u64> {
        None
    }

    /// Where a sparse file holds data, in order and without overlap; between the runs it reads as zeros. `None` for a
    /// file without holes.
    fn runs(&self) -> Option<Vec<DataRun>> {
        None
    }
}

/// Bytes that a sparse file holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataRun {
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
}

/// What is known about a file.
#[derive(Clone, Debug, Default)]
pub struct FileInfo {
    /// The last component of the path.
    pub name: Text,
    /// The path, as [`Accessor::open`] accepts it.
    pub path: Text,
    /// Bytes.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits as of POSIX.
    pub mode: u32,
    /// Last change of the content.
    pub modified: Option<Time>,
    /// Last read.
    pub accessed: Option<Time>,
    /// Last change of the inode.
    pub changed: Option<Time>,
    /// Creation.
    pub born: Option<Time>,
    /// The target of a symbolic link.
    pub link: Option<Text>,
    /// The file system and the file in it: equal only for the same file. Nothing if the accessor
    /// cannot tell.
    pub identity: Option<(u64, u64)>,
    /// What only this accessor knows; NULL if nothing.
    pub data: Value,
}

/// What a file is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FileKind {
    /// A file with content.
    #[default]
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, socket or pipe, which must not be opened blindly.
    Special,
}

/// Sends a file to the server.
///
/// A host installs it as the extension `Box<dyn Uploader>`; `upload()` finds it with
/// `cx.extension::<Box<dyn Uploader>>()`.
pub trait Uploader: Send + Sync {
    /// Sends all of `file`, and answers the row that `upload()` shows (`Path`, `Size`, `sha256`, …).
    ///
    /// # Errors
    ///
    /// [`Fault::note`] with the reason.
    fn upload(&self, cx: &mut Context, file: Upload<'_>) -> Result<Value, Fault>;
}

/// A file to send.
pub struct Upload<'a> {
    /// The content.
    pub reader: &'a mut dyn Reader,
    /// The name under which the server stores it.
    pub name: Text,
    /// The accessor that opened it.
    pub accessor: String,
    /// What is known about the file.
    pub info: FileInfo,
}

impl fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("name", &self.name).finish_non_exhaustive()
    }
}
