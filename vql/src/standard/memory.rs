//! The accessor for what is in memory.

use alloc::boxed::Box;

use crate::accessor::{Accessor, Entries, FileInfo, Reader};
use crate::budget::Fault;
use crate::context::Context;
use crate::value::Text;

/// The accessor `data`: the path itself is the content.
#[derive(Clone, Copy, Debug)]
pub struct DataAccessor;

impl Accessor for DataAccessor {
    fn open(&self, _: &mut Context, path: &Text) -> Result<Box<dyn Reader>, Fault> {
        Ok(Box::new(TextReader(path.clone())))
    }

    fn stat(&self, _: &mut Context, path: &Text) -> Result<FileInfo, Fault> {
        Ok(FileInfo { name: Text::fixed("data"), size: size(path), ..FileInfo::default() })
    }

    fn read_dir(&self, _: &mut Context, _: &Text) -> Result<Box<dyn Entries>, Fault> {
        Err(Fault::note("data has no directories"))
    }
}

/// Reads a text.
#[derive(Clone, Debug)]
pub struct TextReader(pub Text);

impl Reader for TextReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, Fault> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.get(offset..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        Some(size(&self.0))
    }
}

fn size(text: &Text) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}
