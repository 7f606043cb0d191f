//! The accessors `gzip` (RFC 1952) and `bzip2`: the content of a compressed file, or of one that is not compressed as it is; and
//! the function `gunzip()`.

use std::io::Read;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use troodon_vql::{
    Accessor, Arg, Args, Context, Entries, Fault, FileInfo, Function, Kind, Level, Reader, Scope,
    Text, Value,
};

use crate::limits::GUNZIP_LEN_MAX;
use crate::pathspec::Pathspec;
use crate::unpack::{Shared, Unpacked};

/// The functions of this file.
pub(crate) static FUNCTIONS: &[&Function] = &[&Function::new(
    "gunzip",
    "What gzip packed; false if it did not.",
    &[
        Arg::required("string", Kind::String, "The packed bytes."),
        Arg::optional("max_bytes", Kind::Int, "Stop after as many bytes (16777216)."),
    ],
    gunzip,
)];

fn gunzip(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let packed = args.text("string").cloned().unwrap_or_default();
    let wanted = args.int("max_bytes").and_then(|len| u64::try_from(len).ok());
    let len = wanted.filter(|len| *len > 0).unwrap_or(GUNZIP_LEN_MAX).min(GUNZIP_LEN_MAX);
    let mut content = Vec::new();
    let unpacked = MultiGzDecoder::new(&*packed).take(len).read_to_end(&mut content);
    cx.charge(u64::try_from(content.len() / 1024).unwrap_or(0).saturating_add(1))?;
    if let Err(why) = unpacked {
        cx.log(Level::Default, format_args!("gunzip: {why}"));
        return Ok(false.into());
    }
    Ok(content.into())
}

/// Reads what a program packed as a whole, by a plain path or a pathspec.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PackedAccessor {
    Gzip,
    Bzip2,
}

impl PackedAccessor {
    /// How packed files begin.
    const fn magic(self) -> [u8; 2] {
        match self {
            Self::Gzip => [0x1F, 0x8B],
            Self::Bzip2 => *b"BZ",
        }
    }
}

impl Accessor for PackedAccessor {
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        let mut file = Pathspec::of_packed(path)?.open(cx)?;
        let mut magic = [0; 2];
        let count = file.read_at(0, &mut magic)?;
        if count < magic.len() || magic != self.magic() {
            return Ok(file);
        }
        let (file, format) = (Shared::new(file), *self);
        Ok(Box::new(Unpacked::new(Box::new(move || {
            let packed = file.span(0, u64::MAX);
            Ok(match format {
                Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
                Self::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
            })
        }))))
    }

    /// The outer file without a size: the one in the trailer is modulo 4 GiB, and whatever the packer wrote there.
    fn stat(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        let info = Pathspec::of_packed(path)?.stat(cx)?;
        Ok(FileInfo { path: path.clone(), size: 0, ..info })
    }

    fn read_dir(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        Err(Fault::note(format!("{path}: a compressed file has no directories")))
    }
}
