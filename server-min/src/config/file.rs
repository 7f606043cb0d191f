//! Reading and writing files that hold secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ConfigError;
use crate::limits::CONFIG_BYTES;

/// Reads a text of [`CONFIG_BYTES`] at most.
pub(super) fn read_limited(path: &Path) -> Result<String, ConfigError> {
    let failed = |cause| ConfigError::File { path: path.to_owned(), cause };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(CONFIG_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_BYTES {
        let problem = format!("larger than {CONFIG_BYTES} bytes, hence no configuration");
        return Err(failed(io::Error::other(problem)));
    }
    Ok(text)
}

/// Writes a file that only its owner may read (mode 0600), all of it or nothing: readers see the old file or the
/// whole new one, also after a power cut.
pub fn write_private(path: &Path, content: impl AsRef<[u8]>) -> Result<(), ConfigError> {
    let failed = |cause| ConfigError::File { path: path.to_owned(), cause };
    let beside = temporary_name(path);
    let written =
        write_new(&beside, content.as_ref()).and_then(|()| std::fs::rename(&beside, path));
    if let Err(error) = written {
        // The first error is the one to tell; the leftover may not exist at all.
        let _ = std::fs::remove_file(&beside);
        return Err(failed(error));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    PathBuf::from(name)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::write_private;

    #[test]
    fn written_files_belong_to_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.config.yaml");
        std::fs::write(&path, "old").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
