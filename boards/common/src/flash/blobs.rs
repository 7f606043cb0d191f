//! The named blobs: a map of `sequential-storage`, which replaces a value by writing the next one and then forgets the old.
//!
//! A short blob is one value, whose first byte is 0. A long one is in parts: the value under its name says under which of
//! two sets of names they are, and how many bytes there are. Parts are written under the set that is not in use, and the
//! value under the name after them, so that a power cut leaves the old blob whole.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use sequential_storage::Error;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::map::{MapConfig, MapStorage};
use troodon_core::storage::{Blob, StorageFault};
use zeroize::Zeroizing;

use super::item_len;
use super::nor::{Counted, ready};

/// Bytes of a name.
const KEY: usize = 2;
/// Room for the rounding up to words of any flash.
const WORD_MAX: usize = 32;
/// The first byte of a blob that is one value; else the set of its parts, 1 or 2.
const WHOLE: u8 = 0;
/// Parts of a set.
const PARTS_MAX: u8 = 100;

type NorMap<'a, F> = MapStorage<u16, &'a mut Counted<F>, Cache<Uncached, Uncached, Uncached, u16>>;

/// Whether there can be a map in the range.
pub(super) fn check<F: MultiwriteNorFlash>(range: &Range<u32>) -> Result<(), StorageFault> {
    MapConfig::<Counted<F>>::try_new(range.clone()).map(drop).map_err(|_| StorageFault::Broken)
}

/// The bytes of a blob.
pub(super) fn load<F: MultiwriteNorFlash>(
    flash: &mut Counted<F>,
    range: &Range<u32>,
    blob: Blob,
) -> Result<Option<Vec<u8>>, Error<F::Error>> {
    let mut map = map(flash, range)?;
    let mut buffer = buffer::<F>();
    let head: Option<&[u8]> = ready(map.fetch_item(&mut buffer, &name(blob)))?;
    let (set, len) = match head {
        None => return Ok(None),
        Some([WHOLE, bytes @ ..]) => return Ok(Some(bytes.to_vec())),
        Some([set, a, b, c, d]) => (*set, u32::from_le_bytes([*a, *b, *c, *d])),
        // Not of our making; whoever asked finds no checksum in it.
        Some(_) => return Ok(Some(Vec::new())),
    };
    let mut bytes = Vec::new();
    let part_len = part_len::<F>();
    let parts = usize::try_from(len).unwrap_or(usize::MAX).div_ceil(part_len);
    for index in (0..PARTS_MAX).take(parts) {
        let part: Option<&[u8]> = ready(map.fetch_item(&mut buffer, &part_name(blob, set, index)))?;
        let Some(part) = part else { break };
        bytes.extend_from_slice(part);
    }
    bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    Ok(Some(bytes))
}

/// Replaces a blob.
pub(super) fn store<F: MultiwriteNorFlash>(
    flash: &mut Counted<F>,
    range: &Range<u32>,
    blob: Blob,
    bytes: &[u8],
) -> Result<(), Error<F::Error>> {
    let mut map = map(flash, range)?;
    let mut buffer = buffer::<F>();
    if bytes.len() < part_len::<F>() {
        let mut value = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(1)));
        value.push(WHOLE);
        value.extend_from_slice(bytes);
        return ready(map.store_item(&mut buffer, &name(blob), &value.as_slice()));
    }
    let head: Option<&[u8]> = ready(map.fetch_item(&mut buffer, &name(blob)))?;
    let set = if head.and_then(<[u8]>::first) == Some(&1) { 2 } else { 1 };
    let parts = bytes.chunks(part_len::<F>());
    if parts.len() > PARTS_MAX.into() {
        return Err(Error::FullStorage);
    }
    for (index, part) in (0..PARTS_MAX).zip(parts) {
        ready(map.store_item(&mut buffer, &part_name(blob, set, index), &part))?;
    }
    let len = u32::try_from(bytes.len()).map_err(|_| Error::FullStorage)?;
    let [a, b, c, d] = len.to_le_bytes();
    ready(map.store_item(&mut buffer, &name(blob), &[set, a, b, c, d].as_slice()))
}

/// Bytes of a part of a blob.
const fn part_len<F: MultiwriteNorFlash>() -> usize {
    item_len::<F>() - KEY
}

/// The identity goes through it.
fn buffer<F: MultiwriteNorFlash>() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![0; item_len::<F>() + WORD_MAX])
}

/// Numbers in flash, which outlive the order of the variants.
const fn name(blob: Blob) -> u16 {
    match blob {
        Blob::Identity => 0x100,
        Blob::Server => 0x200,
        Blob::EventTable => 0x300,
        Blob::Losses => 0x400,
    }
}

fn part_name(blob: Blob, set: u8, index: u8) -> u16 {
    let first = if set == 2 { 128 } else { 1 };
    name(blob) | u16::from(first + index.min(PARTS_MAX))
}

fn map<'a, F: MultiwriteNorFlash>(
    flash: &'a mut Counted<F>,
    range: &Range<u32>,
) -> Result<NorMap<'a, F>, Error<F::Error>> {
    let config = MapConfig::try_new(range.clone()).map_err(|_| Error::Corrupted {})?;
    Ok(MapStorage::new(flash, config, Cache::new_uncached()))
}
