//! What of the configuration goes into requests.

use troodon_proto::flow_request::Compression;

use super::request::Limits;
use crate::config::Config;

/// Bytes of uploads of one collection unless artifact or caller say otherwise.
pub(super) const MAX_UPLOAD_BYTES: u64 = 1 << 30;
/// Seconds for which log lines are gathered.
const LOG_BATCH_SECONDS: u64 = 2;
/// Seconds for which event rows are gathered.
const EVENT_WAIT_SECONDS: u64 = 120;

/// Values for all requests.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) compression: Compression,
    pub(super) max_logs: u64,
    pub(super) batch: Limits,
    pub(super) log_batch_time: u64,
    pub(super) log_error_regex: String,
    pub(super) event_wait: u64,
    pub(super) server_events: Vec<String>,
}

impl Settings {
    pub(super) fn of(config: &Config) -> Self {
        let Config { frontend, defaults, datastore, .. } = config;
        let or = |value: u64, usual: u64| if value == 0 { usual } else { value };
        Self {
            compression: if datastore.compression == "none" {
                Compression::None
            } else {
                Compression::Zlib
            },
            max_logs: defaults.max_logs,
            batch: Limits {
                max_batch_rows: defaults.max_rows,
                max_batch_rows_buffer: defaults.max_row_buffer_size,
                max_batch_wait: defaults.max_batch_wait,
                ..Limits::default()
            },
            log_batch_time: or(frontend.resources.default_log_batch_time, LOG_BATCH_SECONDS),
            log_error_regex: frontend.collection_error_regex.clone(),
            event_wait: or(defaults.event_max_wait, EVENT_WAIT_SECONDS),
            server_events: frontend.default_server_monitoring_artifacts.clone(),
        }
    }
}
