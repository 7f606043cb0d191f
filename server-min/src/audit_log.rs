//! What a running server does with its audit log: it signs the head, and copies records to the log file.
//!
//! Records come from the store and not from who wrote them, so that those of commands in other processes are among them.
//! A record is copied after it was committed, and noted as copied after it is on disk: after a crash it may be there
//! twice, and is never missing.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use troodon_core::rsa::aws::AwsKey;

use crate::limits::{AUDIT_LOG_SECONDS, AUDIT_SIGN_SECONDS, PAGE};
use crate::model::audit::Record;
use crate::orgs::Orgs;
use crate::store::setting::Setting;
use crate::store::{Store, StoreError};

/// The name that Velociraptor gives it.
const FILE: &str = "VelociraptorAudit_info.log";

/// Follows the audit logs of all organisations.
pub struct AuditLog {
    orgs: Arc<Orgs>,
    key: AwsKey,
    folder: Option<PathBuf>,
}

impl AuditLog {
    /// Signs with `key`; copies to a file in `folder` unless that is empty.
    pub fn new(orgs: Arc<Orgs>, key: AwsKey, folder: &str) -> Self {
        let folder = (!folder.is_empty()).then(|| PathBuf::from(folder));
        Self { orgs, key, folder }
    }

    /// Goes on until the process ends.
    pub fn run(&self) {
        let mut was_well = true;
        for second in 0_u64.. {
            let sign = second.checked_rem(AUDIT_SIGN_SECONDS) == Some(0);
            let done = self.orgs.each(|org| {
                if sign {
                    org.store.sign_audit(&self.key)?;
                }
                self.folder.as_ref().map_or(Ok(()), |folder| copy_to(folder, &org.store))
            });
            if let Err(error) = &done
                && was_well
            {
                tracing::error!(%error, "the audit log cannot be signed, or not be copied to Logging.output_directory");
            }
            was_well = done.is_ok();
            std::thread::sleep(Duration::from_secs(AUDIT_LOG_SECONDS));
        }
    }
}

/// Copies what of one organisation is not yet in the file.
fn copy_to(folder: &Path, store: &Store) -> Result<(), StoreError> {
    loop {
        let copied = store.setting(Setting::AuditCopied)?;
        let copied = copied.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let records = store.audit_records(copied, PAGE)?;
        let Some((last, _)) = records.last() else { return Ok(()) };
        let mut lines = String::new();
        for (_, record) in &records {
            lines.push_str(&line(record));
            lines.push('\n');
        }
        // Opened anew each time, so that whoever rotates logs may move it away.
        let mut file = open(folder)?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
        store.set_setting(Setting::AuditCopied, last.to_be_bytes().to_vec())?;
    }
}

fn open(folder: &Path) -> Result<File, std::io::Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join(FILE))
}

/// One line. JSON escapes control characters, so that no name can begin a line of its own.
fn line(record: &Record) -> String {
    json!({
        "level": "info",
        "msg": record.operation,
        "operation": record.operation,
        "principal": record.principal,
        "org": record.org.as_str(),
        "allowed": record.allowed,
        "details": record.details,
        "time": record.server_time(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::OrgId;
    use serde_json::Value;

    #[test]
    fn each_record_is_one_line_of_the_log_file_and_restarts_repeat_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).unwrap();
        let logs = folder.path().join("logs");
        let copy = || {
            copy_to(&logs, &store).unwrap();
            let text = std::fs::read_to_string(logs.join(FILE)).unwrap_or_default();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        };
        assert!(copy().is_empty());
        let record = |principal: &str| Record {
            time_us: 1_000_000,
            org: OrgId::root(),
            principal: principal.into(),
            operation: "Login".into(),
            allowed: false,
            details: json!({"remote": "x\r\n{\"operation\":\"forged\"}"}),
        };
        store.audit(record("ann\nroot \u{1b}[2J")).unwrap();
        store.audit(record("bob")).unwrap();
        let lines = copy();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["principal"], "ann\nroot \u{1b}[2J");
        assert_eq!(lines[0]["time"], "1970-01-01T00:00:01Z");
        let raw = std::fs::read(logs.join(FILE)).unwrap();
        assert!(raw.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()));
        store.audit(record("eve")).unwrap();
        assert_eq!(copy().len(), 3);
        assert_eq!(copy().len(), 3);
    }
}
