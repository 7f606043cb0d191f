//! A zip file that knows what was put into it.

use std::io::{self, Seek, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{AesMode, CompressionMethod, ZipWriter};

use super::{ExportError, Exported, Wishes};

pub(super) struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    wishes: Wishes,
    /// Lines of the manifest.
    listed: Vec<Value>,
    bytes: u64,
}

impl<W: Write + Seek> Archive<W> {
    pub(super) fn new(output: W, wishes: &Wishes) -> Self {
        Self { zip: ZipWriter::new(output), wishes: wishes.clone(), listed: Vec::new(), bytes: 0 }
    }

    /// Adds what `fill` writes.
    pub(super) fn entry(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Entry<'_, W>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let (bytes, hash) = self.put(name, fill)?;
        self.listed.push(json!({"name": name, "size": bytes, "sha256": hash}));
        Ok(())
    }

    /// Adds a value as JSON.
    pub(super) fn json(&mut self, name: &str, value: &Value) -> Result<(), ExportError> {
        self.entry(name, |entry| {
            serde_json::to_writer_pretty(&mut *entry, value)?;
            Ok(entry.write_all(b"\n")?)
        })
    }

    fn put(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Entry<'_, W>) -> Result<(), ExportError>,
    ) -> Result<(u64, String), ExportError> {
        // Sizes are not known before, and files of disks are above 4 GiB.
        let plain = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(true)
            .unix_permissions(0o600);
        match &self.wishes.password {
            None => self.zip.start_file(name, plain)?,
            Some(password) => {
                let locked = plain.with_aes_encryption(AesMode::Aes256, password.as_str());
                self.zip.start_file(name, locked)?;
            }
        }
        let mut entry = Entry { zip: &mut self.zip, hash: Sha256::new(), bytes: 0 };
        fill(&mut entry)?;
        let (bytes, hash) = (entry.bytes, hex::encode(entry.hash.finalize()));
        self.bytes = self.bytes.saturating_add(bytes);
        Ok((bytes, hash))
    }

    /// Adds the manifest and ends the file.
    pub(super) fn finish(mut self) -> Result<Exported, ExportError> {
        let manifest = json!({"version": 1, "entries": std::mem::take(&mut self.listed)});
        let count = manifest["entries"].as_array().map_or(0, Vec::len);
        self.put("manifest.json", |entry| {
            serde_json::to_writer_pretty(&mut *entry, &manifest)?;
            Ok(entry.write_all(b"\n")?)
        })?;
        let entries = u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
        self.zip.finish()?.flush()?;
        Ok(Exported { entries, bytes: self.bytes })
    }
}

/// One entry while it is written.
pub(super) struct Entry<'a, W: Write + Seek> {
    zip: &'a mut ZipWriter<W>,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write + Seek> Write for Entry<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.zip.write(data)?;
        let part = data.get(..written).unwrap_or_default();
        self.hash.update(part);
        self.bytes = self.bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}
