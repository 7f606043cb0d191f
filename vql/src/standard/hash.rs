//! `hash()`.

#[cfg(feature = "threads")]
mod aside;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::file::{ACCESSOR, opened};
use super::stream::path;
use super::text::shown;
use crate::args::Args;
use crate::budget::{Fault, Level};
use crate::context::Context;
use crate::engine::Scope;
use crate::limits::{HASH_BLOCK, HASH_LEN_DEFAULT, READ_LEN};
use crate::registry::{Arg, Function, Kind};
use crate::value::{RowBuilder, Value};

pub(super) static HASH: Function = Function::new(
    "hash",
    "The MD5, SHA1 and SHA256 of a file, in hexadecimal digits. Those not asked for are empty.",
    &[
        Arg::required("path", Kind::Any, "The file."),
        ACCESSOR,
        Arg::optional("hashselect", Kind::List, "Which of MD5, SHA1 and SHA256 to compute (all)."),
        Arg::optional(
            "max_size",
            Kind::Int,
            "Of a file above this size in bytes only the first blocks of 64 KiB are hashed, and the log says so (104857600).",
        ),
    ],
    hash,
);

fn hash(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let mut reader = opened(cx, args, "path")?;
    let end = hash_end(args, reader.size());
    let mut digests = Digests::asked(cx, args, reader.size().map_or(end, |size| size.min(end)));
    let mut piece = vec![0; READ_LEN];
    let mut offset = 0_u64;
    loop {
        let count = reader.read_at(offset, &mut piece)?;
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        if count > left {
            let path = args.value("path").map(path).unwrap_or_default();
            cx.log(
                Level::Warn,
                format_args!(
                    "hash: only the first {end} bytes are hashed, since it is longer than max_size: {path}"
                ),
            );
        }
        let data = piece.get(..count.min(left)).unwrap_or_default();
        if data.is_empty() {
            break;
        }
        offset = offset.saturating_add(u64::try_from(data.len()).unwrap_or(0));
        cx.charge(u64::try_from(count.div_euclid(1024)).unwrap_or(0).saturating_add(1))?;
        digests.update(data)?;
    }
    digests.finish()
}

/// Where hashing ends. Of a file above `max_size` whole blocks are hashed, as Velociraptor does, so that both hash the same part.
fn hash_end(args: &Args, size: Option<u64>) -> u64 {
    let asked = args.int("max_size").and_then(|max| u64::try_from(max).ok()).filter(|max| *max > 0);
    let max = asked.unwrap_or(HASH_LEN_DEFAULT);
    let is_longer = size.is_some_and(|size| size > max);
    if is_longer { max.saturating_sub(max.checked_rem(HASH_BLOCK).unwrap_or(0)) } else { max }
}

/// The digests that are asked for.
struct Digests {
    md5: Option<MaybeAside>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

impl Digests {
    /// Those that `hashselect` names, or all; for about `len` bytes.
    fn asked(cx: &Context, args: &Args, len: u64) -> Self {
        let selected: Vec<String> = args
            .list("hashselect")
            .map_or(&[][..], |list| list)
            .iter()
            .map(|name| String::from_utf8_lossy(&shown(name)).to_ascii_uppercase())
            .collect();
        let is_on = |name: &str| selected.is_empty() || selected.iter().any(|one| one == name);
        let (sha1, sha256) = (is_on("SHA1"), is_on("SHA256"));
        Self {
            md5: is_on("MD5").then(|| MaybeAside::new(cx, len, sha1 || sha256)),
            sha1: sha1.then(Sha1::new),
            sha256: sha256.then(Sha256::new),
        }
    }

    fn update(&mut self, data: &[u8]) -> Result<(), Fault> {
        if let Some(md5) = &mut self.md5 {
            md5.update(data)?;
        }
        self.sha1.iter_mut().for_each(|hash| hash.update(data));
        self.sha256.iter_mut().for_each(|hash| hash.update(data));
        Ok(())
    }

    fn finish(self) -> Result<Value, Fault> {
        let md5 = self.md5.map(MaybeAside::finish).transpose()?;
        let mut row = RowBuilder::new();
        row.set("MD5", md5.map(|digest| hex(&digest)).unwrap_or_default());
        row.set("SHA1", self.sha1.map(|hash| hex(&hash.finalize())).unwrap_or_default());
        row.set("SHA256", self.sha256.map(|hash| hex(&hash.finalize())).unwrap_or_default());
        Ok(row.build().into())
    }
}

/// MD5, the slowest of the three where the processor has instructions for the other two: in a thread of its own where
/// the host lends one and the file is worth it.
enum MaybeAside {
    Here(Md5),
    #[cfg(feature = "threads")]
    Aside(aside::Md5Aside),
}

impl MaybeAside {
    #[cfg(feature = "threads")]
    fn new(cx: &Context, len: u64, has_company: bool) -> Self {
        let threads = cx.registry.threads();
        let is_worth_it = has_company && len >= crate::limits::HASH_ASIDE_LEN_MIN;
        let aside =
            threads.filter(|_| is_worth_it).and_then(|lent| aside::Md5Aside::start(&**lent));
        aside.map_or_else(|| Self::Here(Md5::new()), Self::Aside)
    }

    #[cfg(not(feature = "threads"))]
    fn new(_: &Context, _: u64, _: bool) -> Self {
        Self::Here(Md5::new())
    }

    fn update(&mut self, data: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Here(hash) => hash.update(data),
            #[cfg(feature = "threads")]
            Self::Aside(aside) => aside.update(data)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<[u8; 16], Fault> {
        match self {
            Self::Here(hash) => Ok(hash.finalize().into()),
            #[cfg(feature = "threads")]
            Self::Aside(aside) => aside.finish(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
