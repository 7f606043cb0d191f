//! Byte strings that are cheap to clone.
//!
//! VQL strings hold what was found on a machine, so they are bytes and need not be UTF-8. Text is
//! only repaired where it leaves the engine (JSON, logs).

use alloc::borrow::{Borrow, Cow};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// On hosts that count flash (without the feature `paths`) a path is a text like any other.
pub(crate) const KNOWS_PATHS: bool = cfg!(feature = "paths");

/// A byte string; clones share the bytes.
///
/// One that a host names as a path of files has members (`OSPath.Basename`) and grows by components (`OSPath + 'name'`);
/// in everything else it is the text that it is printed as.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Fixed(&'static [u8]),
    Shared(Arc<[u8]>),
    Path(Arc<[u8]>, PathForm),
}

/// How a path is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathForm {
    /// Components after slashes: `/a/b`.
    Slashes,
    /// Components between backslashes: `C:\a`.
    Backslashes,
    /// A JSON object that also says which file it is inside of, as `pathspec()` writes it.
    Inside,
}

impl Text {
    /// A text that costs no memory.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self(Repr::Fixed(text.as_bytes()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Fixed(bytes) => bytes,
            Repr::Shared(bytes) | Repr::Path(bytes, _) => bytes,
        }
    }

    /// The same text as a path.
    #[must_use]
    pub fn into_path(self, form: PathForm) -> Self {
        if !KNOWS_PATHS {
            return self;
        }
        Self(match self.0 {
            Repr::Fixed(bytes) => Repr::Path(Arc::from(bytes), form),
            Repr::Shared(bytes) | Repr::Path(bytes, _) => Repr::Path(bytes, form),
        })
    }

    /// The same text, whatever it was, as one that is no path.
    #[must_use]
    pub fn into_plain(self) -> Self {
        Self(match self.0 {
            Repr::Path(bytes, _) => Repr::Shared(bytes),
            plain => plain,
        })
    }

    /// How the path is written, if the text is one.
    #[must_use]
    pub const fn path_form(&self) -> Option<PathForm> {
        match self.0 {
            Repr::Path(_, form) if KNOWS_PATHS => Some(form),
            _ => None,
        }
    }

    /// The text with each invalid UTF-8 sequence replaced by U+FFFD.
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::fixed("")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str_lossy())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

// As a slice hashes, which `Borrow` demands.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::default() } else { Self(Repr::Shared(Arc::from(bytes))) }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Repr::Shared(Arc::from(bytes)))
    }
}
