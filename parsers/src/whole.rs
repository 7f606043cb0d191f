//! Files that a parser needs as a whole.

use troodon_vql::standard::{path_of, read_span};
use troodon_vql::{Args, Context, Fault, Reader};

use crate::limits::WHOLE_LEN_MAX;

/// Opens the file that an argument names through the accessor that `accessor` names.
pub(crate) fn open(cx: &mut Context, args: &Args, name: &str) -> Result<Box<dyn Reader>, Fault> {
    let accessor = cx.accessor(&args.string("accessor").unwrap_or_default())?;
    accessor.open(cx, &args.value(name).map(path_of).unwrap_or_default())
}

/// The bytes of that file; one above the limit is refused, since half a document is none.
pub(crate) fn read(cx: &mut Context, args: &Args, name: &str) -> Result<Vec<u8>, Fault> {
    read_from(cx, args, name, 0, WHOLE_LEN_MAX)
}

/// The bytes of that file from `start` on, at most `len_max`.
pub(crate) fn read_from(
    cx: &mut Context,
    args: &Args,
    name: &str,
    start: u64,
    len_max: usize,
) -> Result<Vec<u8>, Fault> {
    let mut reader = open(cx, args, name)?;
    let bytes = read_span(cx, &mut *reader, start, len_max.saturating_add(1))?;
    if bytes.len() > len_max {
        return Err(Fault::note(format!("file has more than {len_max} bytes")));
    }
    Ok(bytes)
}
