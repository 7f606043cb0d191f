//! zlib (RFC 1950), bounded: no more memory than the limit is ever asked for.

use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use crate::error::PeerFault;

/// Inflates one zlib stream that fills `input` and takes at most `limit` bytes.
///
/// The buffer never passes the limit, and while it grows the old and the new one together take at most half as much again.
/// The convenience function of the library doubles beyond its limit, and does not say whether bytes follow the stream.
pub(super) fn inflate(input: &[u8], limit: usize) -> Result<Vec<u8>, PeerFault> {
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut state = alloc::boxed::Box::<DecompressorOxide>::default();
    let mut output = Vec::new();
    let mut rest = input;
    let mut used: usize = 0;
    grow(&mut output, input.len().saturating_mul(2), limit)?;
    loop {
        let (status, taken, made) = decompress(&mut state, rest, &mut output, used, flags);
        rest = rest.get(taken..).unwrap_or_default();
        used = used.saturating_add(made);
        match status {
            TINFLStatus::Done if rest.is_empty() => {
                output.truncate(used);
                return Ok(output);
            }
            TINFLStatus::HasMoreOutput if output.len() >= limit => {
                return Err(PeerFault::InflatedTooLarge(limit));
            }
            TINFLStatus::HasMoreOutput => {
                let half = output.len();
                grow(&mut output, half, limit)?;
            }
            _ => return Err(PeerFault::Inflate),
        }
    }
}

/// Makes `output` twice as long as `half`, or as long as the limit once that is less than twice as much again.
fn grow(output: &mut Vec<u8>, half: usize, limit: usize) -> Result<(), PeerFault> {
    let doubled = half.saturating_mul(2).max(1);
    let length = if doubled > limit / 2 { limit } else { doubled };
    output
        .try_reserve_exact(length.saturating_sub(output.len()))
        .map_err(|_| PeerFault::InflatedTooLarge(limit))?;
    output.resize(length, 0);
    Ok(())
}
