//! Keys of the agents: made once, kept in a folder, because each takes a fraction of a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use troodon_core::rsa::aws::AwsKey;

/// The first `count` keys of a folder; those that are missing are made.
pub fn take(folder: &Path, count: usize, threads: usize) -> Result<Vec<AwsKey>> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let missing: Vec<PathBuf> =
        (0..count).map(|number| path(folder, number)).filter(|path| !path.exists()).collect();
    if !missing.is_empty() {
        eprintln!("making {} keys in {}", missing.len(), folder.display());
    }
    let next = AtomicUsize::new(0);
    thread::scope(|scope| -> Result<()> {
        let share = || -> Result<()> {
            while let Some(path) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                make(path)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(share)).collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow!("a thread that makes keys failed"))??;
        }
        Ok(())
    })?;
    (0..count).map(|number| read(&path(folder, number))).collect()
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:05}.der"))
}

/// Written under another name first, so that a run that was broken off leaves no half of a key.
fn make(path: &Path) -> Result<()> {
    let key = AwsKey::generate().map_err(|fault| anyhow!("{fault}"))?;
    let der = key.to_pkcs1_der().map_err(|fault| anyhow!("{fault}"))?;
    let half = path.with_extension("half");
    fs::write(&half, &*der).with_context(|| half.display().to_string())?;
    fs::rename(&half, path).with_context(|| path.display().to_string())
}

fn read(path: &Path) -> Result<AwsKey> {
    let der = fs::read(path).with_context(|| path.display().to_string())?;
    AwsKey::from_pkcs1_der(&der).map_err(|fault| anyhow!("{}: {fault}", path.display()))
}
