//! The sections `defaults` and `security`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ConfigError;

/// The `defaults` section. Lists that `security` holds today are accepted here, and move there when read.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defaults {
    /// Hours; 0 means 168.
    pub hunt_expiry_hours: u64,
    /// Minutes.
    pub notebook_cell_timeout_min: u64,
    /// Seconds; 0 means 300.
    pub acl_lru_timeout_sec: u64,
    /// User names are ASCII.
    pub disable_unicode_usernames: bool,
    /// Metadata keys that searches find.
    pub indexed_client_metadata: Vec<String>,
    /// Seconds for which event rows are gathered; 0 means 120.
    pub event_max_wait: u64,
    /// Seconds.
    pub event_max_wait_jitter: u64,
    /// Tell every agent at once when the table changes.
    pub event_change_notify_all_clients: bool,
    /// Seconds; 0 means 10.
    pub unauthenticated_lru_timeout_sec: u64,
    /// Rows of one packet; 0 means 1000.
    pub max_rows: u64,
    /// Bytes.
    pub max_row_buffer_size: u64,
    /// Seconds.
    pub max_batch_wait: u64,
    /// Log lines of one collection.
    pub max_logs: u64,
    /// Do not ask agents about flows that went silent.
    pub disable_active_inflight_checks: bool,
    /// Seconds; 0 means 60.
    pub inflight_check_time: u64,
    /// Moved to `security`.
    pub certificate_validity_days: u64,
    /// Moved to `security`.
    pub allowed_plugins: Vec<String>,
    /// Moved to `security`.
    pub allowed_functions: Vec<String>,
    /// Moved to `security`.
    pub allowed_accessors: Vec<String>,
    /// Moved to `security`.
    pub denied_plugins: Vec<String>,
    /// Moved to `security`.
    pub denied_functions: Vec<String>,
    /// Moved to `security`.
    pub denied_accessors: Vec<String>,
    /// Moved to `security`.
    pub lockdown_denied_permissions: Vec<String>,
}

/// The `security` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Days that issued certificates are valid; 0 means 365.
    pub certificate_validity_days: u64,
    /// Not empty: other plugins do not exist.
    pub allowed_plugins: Vec<String>,
    /// Not empty: other functions do not exist.
    pub allowed_functions: Vec<String>,
    /// Not empty: other accessors do not exist.
    pub allowed_accessors: Vec<String>,
    /// Do not exist.
    pub denied_plugins: Vec<String>,
    /// Do not exist.
    pub denied_functions: Vec<String>,
    /// Do not exist.
    pub denied_accessors: Vec<String>,
    /// Path prefixes of the `file` accessor.
    pub allowed_file_accessor_prefix: Vec<String>,
    /// Path prefixes of the `file` accessor.
    pub denied_file_accessor_prefix: Vec<String>,
    /// Path prefixes of the `fs` accessor.
    pub allowed_fs_accessor_prefix: Vec<String>,
    /// Path prefixes of the `fs` accessor.
    pub denied_fs_accessor_prefix: Vec<String>,
    /// What lockdown denies, in place of the built-in list.
    pub lockdown_denied_permissions: Vec<String>,
    /// Minutes for which two administrators together may leave lockdown; 0 means that nobody may. Of Troodon alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub lockdown_exit_minutes: u64,
    /// Serial numbers in hex of certificates of the internal authority that count no more. Of Troodon alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked_certificates: Vec<String>,
    /// Kept, not used.
    pub disable_inventory_service_external_access: bool,
    /// Kept, not used.
    pub secrets_dek: Option<Value>,
    /// Queries may use credentials by name only.
    pub vql_must_use_secrets: bool,
    /// Environment variables that queries do not see.
    pub shadowed_env_vars: Vec<String>,
    /// Kept, not used.
    pub allow_ancient_clients: bool,
}

/// Velociraptor does not know the key: it is written only when it says something.
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Security {
    /// The numbers of `revoked_certificates`, without zeros at their beginning.
    ///
    /// # Errors
    /// One of them is none.
    pub fn revoked(&self) -> Result<BTreeSet<Vec<u8>>, ConfigError> {
        let number = |text: &String| {
            let digits: String = text.chars().filter(|c| *c != ':').collect();
            let padded = if digits.len().is_multiple_of(2) { digits } else { format!("0{digits}") };
            let bytes =
                hex::decode(&padded).ok().filter(|bytes| bytes.iter().any(|byte| *byte != 0));
            let bytes = bytes.ok_or_else(|| {
                let problem = format!(
                    "`{text}` is no serial number in hex, as `openssl x509 -serial` prints it"
                );
                ConfigError::invalid("security.revoked_certificates", problem)
            })?;
            Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
        };
        self.revoked_certificates.iter().map(number).collect()
    }

    /// Days that issued certificates are valid.
    pub fn validity_days(&self) -> u64 {
        match self.certificate_validity_days {
            0 => 365,
            days => days,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_read_as_openssl_prints_them() {
        let numbers = |text: &str| {
            let revoked_certificates = vec![text.to_owned()];
            Security { revoked_certificates, ..Security::default() }.revoked()
        };
        for good in ["0A0b", "a0b", "00:0a:0b"] {
            assert_eq!(numbers(good).unwrap(), [vec![0x0a, 0x0b]].into(), "{good}");
        }
        for bad in ["", "0", "x", "serial=0A", "é"] {
            let error = numbers(bad).unwrap_err().to_string();
            assert!(error.starts_with("security.revoked_certificates: "), "{error}");
        }
    }
}
