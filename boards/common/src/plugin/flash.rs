//! The accessor `flash`: what the board lets be read of its memory.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;

use troodon_vql::{Accessor, Context, Entries, Fault, FileInfo, FileKind, Reader, Text};

use super::facts;
use crate::facts::Facts;
use crate::region::Region;

/// Regions as files of one folder. State and provisioning are none of them: the key is there.
pub(super) struct FlashAccessor;

impl Accessor for FlashAccessor {
    fn open(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        Ok(Box::new(OpenRegion(find(&facts(cx)?, path)?)))
    }

    fn stat(&self, cx: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        if is_folder(path) {
            let kind = FileKind::Directory;
            return Ok(FileInfo { path: path.clone(), kind, mode: 0o555, ..FileInfo::default() });
        }
        Ok(info(&find(&facts(cx)?, path)?))
    }

    fn read_dir(&self, cx: &mut Context, path: &Text) -> Result<Box<dyn Entries>, Fault> {
        if !is_folder(path) {
            return Err(Fault::note(format!("{path}: not a folder")));
        }
        let regions = facts(cx)?.regions.clone();
        Ok(Box::new(regions.into_iter().map(|region| Ok(info(&region)))))
    }
}

struct OpenRegion(Region);

impl Reader for OpenRegion {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        Ok(usize::try_from(offset).map_or(0, |offset| self.0.read(offset, buffer)))
    }

    fn size(&self) -> Option<u64> {
        u64::try_from(self.0.len()).ok()
    }
}

fn is_folder(path: &Text) -> bool {
    path.iter().all(|byte| *byte == b'/')
}

fn find(facts: &Arc<Facts>, path: &Text) -> Result<Region, Fault> {
    let name = path.strip_prefix(b"/").unwrap_or(path);
    let found = facts.regions.iter().find(|region| region.name().as_bytes() == name);
    found.copied().ok_or_else(|| Fault::note(format!("{path}: there is no such region")))
}

fn info(region: &Region) -> FileInfo {
    FileInfo {
        name: region.name().into(),
        path: Text::from(format!("/{}", region.name())),
        size: u64::try_from(region.len()).unwrap_or(u64::MAX),
        mode: 0o444,
        ..FileInfo::default()
    }
}
