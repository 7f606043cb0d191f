//! The `Frontend` section: where agents arrive.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ProxyConfig, Secret};
use crate::model::quota::Quotas;

/// The `Frontend` section (docs/protocol.md section 1.5).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrontendConfig {
    /// The public name.
    pub hostname: String,
    /// The address to listen on.
    pub bind_address: String,
    /// The port to listen on.
    pub bind_port: u16,
    /// PEM: opens and signs messages, and serves TLS unless files are given.
    pub certificate: String,
    /// PEM (PKCS#1) of its key.
    pub private_key: Secret,
    /// The older name of `hostname`.
    pub dns_name: String,
    /// A dynamic DNS service to keep up to date.
    pub dyn_dns: Option<DynDns>,
    /// The header in which a trusted proxy names the agent's address.
    pub proxy_header: String,
    /// Event artifacts of the first monitoring table.
    pub default_client_monitoring_artifacts: Vec<String>,
    /// Event artifacts of the first server monitoring table.
    pub default_server_monitoring_artifacts: Vec<String>,
    /// Artifacts that run once, on the first start.
    pub initial_server_artifacts: Vec<String>,
    /// A folder with further artifact definitions.
    pub artifact_definitions_directory: String,
    /// The system account under which server commands must run.
    pub run_as_user: String,
    /// Kept, not used.
    #[serde(rename = "GRPC_pool_max_size")]
    pub grpc_pool_max_size: u64,
    /// Kept, not used.
    #[serde(rename = "GRPC_pool_max_wait")]
    pub grpc_pool_max_wait: u64,
    /// Serve HTTP: a proxy in front ends TLS.
    pub use_plain_http: bool,
    /// Goes before every path.
    pub base_path: String,
    /// Ignored, as in the original.
    pub do_not_redirect: bool,
    /// Limits.
    pub resources: FrontendResources,
    /// A certificate from elsewhere for TLS.
    pub tls_certificate_filename: String,
    /// Its key.
    pub tls_private_key_filename: String,
    /// Agents must show a certificate of the internal authority.
    pub require_client_certificates: bool,
    /// Send the names of queries as they are.
    pub do_not_compress_artifacts: bool,
    /// A log line that matches marks the collection as failed.
    pub collection_error_regex: String,
    /// Kept, not used.
    pub is_minion: bool,
    /// A web proxy for what the server fetches.
    pub proxy: String,
    /// The same, in detail.
    pub proxy_config: Option<ProxyConfig>,
}

impl FrontendConfig {
    /// The port to listen on: 8000 unless set.
    pub fn port(&self) -> u16 {
        if self.bind_port == 0 { 8000 } else { self.bind_port }
    }
}

/// Limits of the frontend. 0 stands for the number in the comment.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrontendResources {
    /// 100.
    pub connections_per_second: u64,
    /// 30.
    pub notifications_per_second: u64,
    /// 100.
    pub enrollments_per_second: u64,
    /// Twice the number of cores.
    pub concurrency: u64,
    /// Kept, not used.
    pub target_heap_size: u64,
    /// Bytes of one post: 100 MiB.
    pub max_upload_size: u64,
    /// Sessions that are kept ready: 10,000.
    pub expected_clients: u64,
    /// Rows and log lines of one collection; 0 for the limit of the program.
    pub max_collection_rows: u64,
    /// Bytes of them, before compression; 0 for the limit of the program.
    pub max_collection_bytes: u64,
    /// Bytes of event rows of one client, before compression; 0 for the limit of the program.
    pub max_client_event_bytes: u64,
    /// Event rows of one client in a day; 0 for the limit of the program.
    pub max_client_event_rows_per_day: u64,
    /// Bytes in a second; 0 for no limit.
    pub per_client_upload_rate: u64,
    /// Bytes in a second; 0 for no limit.
    pub global_upload_rate: u64,
    /// Seconds.
    pub client_event_max_wait: u64,
    /// Seconds: 600.
    pub concurrency_timeout: u64,
    /// Kept, not used.
    pub minion_batch_wait_time_ms: u64,
    /// Kept, not used.
    pub index_snapshot_frequency: u64,
    /// Kept, not used.
    pub client_info_lru_ttl: u64,
    /// Kept, not used.
    pub max_journal_buffer_size: u64,
    /// Kept, not used.
    pub client_info_sync_time: u64,
    /// Kept, not used.
    pub client_info_write_time: u64,
    /// Seconds: 2.
    pub default_log_batch_time: u64,
    /// Seconds.
    pub default_monitoring_log_batch_time: u64,
    /// Kept, not used.
    pub disable_file_buffering: bool,
}

/// A dynamic DNS service.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DynDns {
    /// `noip` or `cloudflare`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name to keep up to date.
    pub hostname: String,
    /// For noip.
    pub ddns_username: String,
    /// For noip.
    pub ddns_password: Secret,
    /// For cloudflare.
    pub zone_name: String,
    /// For cloudflare.
    pub api_token: Secret,
    /// Seconds between updates.
    pub frequency: u64,
    /// How the own address is found: kept, not used.
    pub checkip_url: Option<Value>,
    /// Kept, not used.
    pub dns_server: Option<Value>,
}

impl FrontendResources {
    /// How much one client may have stored.
    pub fn quotas(&self) -> Quotas {
        Quotas {
            collection_rows: self.max_collection_rows,
            collection_bytes: self.max_collection_bytes,
            event_bytes: self.max_client_event_bytes,
            event_rows_a_day: self.max_client_event_rows_per_day,
        }
        .configured()
    }
}
