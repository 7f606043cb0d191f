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
    let mut reader = open(cx, args, name)?;
    let bytes = read_span(cx, &mut *reader, 0, WHOLE_LEN_MAX.saturating_add(1))?;
    if bytes.len() > WHOLE_LEN_MAX {
        return Err(Fault::note(format!("file has more than {WHOLE_LEN_MAX} bytes")));
    }
    Ok(bytes)
}
