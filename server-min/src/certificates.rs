//! The certificates that somebody has to look after, and those of TLS that come from files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::ConfigError;
use crate::frontend::{FrontendError, Shown};
use crate::limits;

/// What each certificate is for, and when it ends.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    /// What it is for, and its end in microseconds since 1970.
    pub fixed: Vec<(&'static str, u64)>,
    /// One that is replaced now and then.
    pub shown: Option<(&'static str, Arc<Shown>)>,
}

impl Certificates {
    /// All with their ends at this moment.
    #[must_use]
    pub fn ends(&self) -> Vec<(&'static str, u64)> {
        let shown = self.shown.iter().map(|(what, shown)| (*what, shown.end_us()));
        // One without an end is none yet.
        self.fixed.iter().copied().chain(shown).filter(|(_, end_us)| *end_us > 0).collect()
    }
}

/// `Frontend.tls_certificate_filename` and `tls_private_key_filename`: another program may replace them at any time.
pub struct Files {
    chain: PathBuf,
    key: PathBuf,
    seen: Pair,
    shown: Arc<Shown>,
}

type Pair = (String, Zeroizing<String>);

impl Files {
    /// Reads both for the first time.
    ///
    /// # Errors
    /// One of them cannot be read, or the key is of another certificate.
    pub fn open(chain: PathBuf, key: PathBuf) -> Result<Self, FilesError> {
        let seen = read(&chain, &key)?;
        let shown = Arc::new(Shown::new(&seen.0, &seen.1)?);
        Ok(Self { chain, key, seen, shown })
    }

    /// What they hold.
    #[must_use]
    pub const fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// Shows what is in the files, if that is something else than before. While one of them is new and the other is
    /// not, the key does not fit and the earlier pair stays.
    ///
    /// # Errors
    /// As with [`Files::open`].
    pub fn look(&mut self) -> Result<bool, FilesError> {
        let found = read(&self.chain, &self.key)?;
        if found == self.seen {
            return Ok(false);
        }
        self.shown.replace(&found.0, &found.1)?;
        self.seen = found;
        Ok(true)
    }

    /// Looks now and then, until the server stops.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        let pause = Duration::from_secs(limits::CERTIFICATE_LOOK_SECONDS);
        let mut said = String::new();
        // Ended by `stop`, or by the end of its sender.
        while tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
            // Small files, twice a minute.
            match self.look() {
                Ok(false) => {}
                Ok(true) => tracing::info!("TLS shows the certificate that is in the files"),
                Err(error) => {
                    let why = error.to_string();
                    if why != said {
                        tracing::error!(error = %why, "the certificate from files stays the earlier one");
                    }
                    said = why;
                    continue;
                }
            }
            said.clear();
        }
    }
}

/// Why a certificate from files cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// They do not fit together.
    #[error(transparent)]
    Certificate(#[from] FrontendError),
}

fn read(chain: &PathBuf, key: &PathBuf) -> Result<Pair, ConfigError> {
    let text = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::File { path: path.clone(), cause })
    };
    Ok((text(chain)?, Zeroizing::new(text(key)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["troodon.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn files_that_another_program_replaces_are_shown_once_they_fit() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let put = |path: &PathBuf, text: &str| std::fs::write(path, text).unwrap();
        let (first, second) = (pair(), pair());
        put(&chain, &first.0);
        assert!(matches!(Files::open(chain.clone(), key.clone()), Err(FilesError::File(_))));
        put(&key, &second.1);
        let wrong = Files::open(chain.clone(), key.clone());
        assert!(matches!(wrong, Err(FilesError::Certificate(_))));
        put(&key, &first.1);
        let mut files = Files::open(chain.clone(), key.clone()).unwrap();
        assert!(!files.look().unwrap());
        put(&chain, &second.0);
        files.look().unwrap_err();
        put(&key, &second.1);
        assert!(files.look().unwrap());
        std::fs::remove_file(&key).unwrap();
        files.look().unwrap_err();
        let ends = Certificates { fixed: vec![("a", 5), ("b", 0)], shown: None };
        assert_eq!(ends.ends(), [("a", 5)]);
        let shown = Some(("files", Arc::clone(files.shown())));
        assert_eq!(Certificates { fixed: Vec::new(), shown }.ends().len(), 1);
    }
}
