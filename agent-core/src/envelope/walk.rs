//! Steps over the fields of an encoded message without building it, so that what is built can be bounded first.
//!
//! Uses `prost::encoding`, the part of prost that its generated code calls.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Counts fields up to `limit`; `None` when there are more. `nested`: the bytes are a `VeloMessage`, and the fields of its
/// payloads count as well.
///
/// # Errors
/// [`Malformed`] when the bytes are no protobuf.
pub(super) fn count_fields(
    mut bytes: &[u8],
    limit: usize,
    nested: bool,
) -> Result<Option<usize>, Malformed> {
    let mut count: usize = 0;
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).map_err(|_| Malformed)?;
        count = count.saturating_add(1);
        if nested && wire == WireType::LengthDelimited && is_payload(tag) {
            let inner = take_delimited(&mut bytes)?;
            match count_fields(inner, limit.saturating_sub(count), false)? {
                Some(more) => count = count.saturating_add(more),
                None => return Ok(None),
            }
        } else {
            skip_field(wire, tag, &mut bytes, DecodeContext::default()).map_err(|_| Malformed)?;
        }
        if count > limit {
            return Ok(None);
        }
    }
    Ok(Some(count))
}

/// The bytes are no protobuf.
pub(super) struct Malformed;

/// Whether this field of a `VeloMessage` holds a message (docs/protocol.md section 1.2).
fn is_payload(tag: u32) -> bool {
    matches!(tag, 25 | 27..=35 | 38 | 39 | 41..=45)
}

/// Splits a length-delimited value off the front.
fn take_delimited<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = decode_varint(bytes).map_err(|_| Malformed)?;
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    let (value, rest) = bytes.split_at_checked(length).ok_or(Malformed)?;
    *bytes = rest;
    Ok(value)
}
