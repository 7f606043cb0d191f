//! What an agent is told about its deployment: the `Client` section of Velociraptor's configuration.
//!
//! Only the shape is here. Hosts read it from YAML, boards from a provisioned blob. A zero, an empty text and an empty list
//! mean the same as an absent key.

mod secret;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use secret::Secret;

/// The name that the server's certificate bears unless `Client.pinned_server_name` says otherwise.
const PINNED_SERVER_NAME: &str = "VelociraptorServer";

/// The `Client` section (docs/protocol.md section 1.5).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// Labels that the agent reports.
    pub labels: Vec<String>,
    /// Where the server is; each ends in `/`. Schemes http, https, ws, wss.
    pub server_urls: Vec<String>,
    /// PEM of the internal authority: the root of all trust.
    pub ca_certificate: String,
    /// A text that the server expects from every agent; it also tells the organisation.
    pub nonce: String,
    /// The state file on Linux.
    pub writeback_linux: String,
    /// The state file on macOS.
    pub writeback_darwin: String,
    /// The state file on Windows.
    pub writeback_windows: String,
    /// The second state file is the first one's path with this suffix.
    pub level2_writeback_suffix: String,
    /// A folder for temporary files.
    pub tempdir_windows: String,
    /// The same on Linux.
    pub tempdir_linux: String,
    /// The same on macOS.
    pub tempdir_darwin: String,
    /// Seconds between polls at least.
    pub min_poll: u64,
    /// Seconds between polls at most.
    pub max_poll: u64,
    /// Seconds of jitter.
    pub max_poll_std: u64,
    /// Seconds of silence after which a websocket is dropped.
    pub ws_ping_wait_sec: u64,
    /// Seconds without contact after which the agent restarts itself.
    pub nanny_max_connection_delay: u64,
    /// Trust the internal authority for TLS, and nothing else.
    pub use_self_signed_ssl: bool,
    /// See [`ClientConfig::server_name`].
    pub pinned_server_name: String,
    /// Bytes of one post.
    pub max_upload_size: u64,
    /// What is kept while the server is away.
    pub local_buffer: Option<LocalBuffer>,
    /// Flows at a time; 0 means 2.
    pub concurrency: u64,
    /// Seconds for each step of a connection.
    pub connection_timeout: u64,
    /// Further trust, and the certificate of mutual TLS.
    #[serde(rename = "Crypto")]
    pub crypto: Option<CryptoConfig>,
    /// Do not compress messages.
    pub disable_compression: bool,
    /// Seconds between progress reports.
    pub default_server_flow_stats_update: u64,
    /// Seconds between reports about the agent itself; -1 turns them off.
    pub client_info_update_time: i64,
    /// What to dial when a `host:port` cannot be reached.
    pub fallback_addresses: BTreeMap<String, String>,
    /// Do not record running flows in the state file.
    pub disable_checkpoints: bool,
    /// Event artifacts that the agent starts by itself.
    pub additional_event_artifacts: Vec<String>,
    /// A web proxy.
    pub proxy: String,
    /// A web proxy, in detail.
    pub proxy_config: Option<ProxyConfig>,
    /// Seconds for which rows are gathered.
    pub default_max_wait: u64,
    /// Bytes of memory after which the agent restarts itself.
    pub max_memory_hard_limit: u64,
    /// How the service is installed on Windows.
    pub windows_installer: Option<Installer>,
    /// How the service is installed on macOS.
    pub darwin_installer: Option<Installer>,
    /// The agent's own build.
    pub version: Option<Version>,
    /// The server that made this configuration.
    pub server_version: Option<Version>,
}

impl ClientConfig {
    /// The name that the server's certificate must bear.
    pub fn server_name(&self) -> &str {
        if self.pinned_server_name.is_empty() {
            PINNED_SERVER_NAME
        } else {
            &self.pinned_server_name
        }
    }
}

/// What a Velociraptor client keeps while the server is away.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalBuffer {
    /// Bytes.
    pub memory_size: u64,
    /// Bytes.
    pub disk_size: u64,
    /// The file on Linux.
    pub filename_linux: String,
    /// The file on Windows.
    pub filename_windows: String,
    /// The file on macOS.
    pub filename_darwin: String,
}

/// Further trust for TLS (docs/protocol.md section 4.4).
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CryptoConfig {
    /// PEM of further authorities, such as an inspecting proxy's.
    pub root_certs: String,
    /// SHA-256 of accepted certificates, in hex.
    pub certificate_thumbprints: Vec<String>,
    /// `PKI`, `PKI_OR_THUMBPRINT` or `THUMBPRINT_ONLY`.
    pub certificate_verification_mode: String,
    /// Accept TLS below 1.2.
    pub allow_weak_tls_server: bool,
    /// PEM of the certificate that the agent shows.
    pub client_certificate: String,
    /// PEM of its key.
    pub client_certificate_private_key: Secret,
}

/// A web proxy, in detail.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// For https.
    pub https: String,
    /// For http.
    pub http: String,
    /// URL pattern to proxy.
    pub proxy_url_regexp: BTreeMap<String, String>,
    /// Address of a proxy script.
    pub pac: String,
    /// Ignore the environment variables.
    pub ignore_environment: bool,
}

/// How Velociraptor's own client is installed as a service: kept, not used.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Installer {
    /// The name of the service.
    pub service_name: String,
    /// Where the program goes.
    pub install_path: String,
    /// What the service manager shows.
    pub service_description: String,
}

/// The program that wrote a configuration, or the build of an agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Version {
    pub name: String,
    pub description: String,
    pub version: String,
    pub commit: String,
    pub build_time: String,
    pub ci_build_url: String,
    pub compiler: String,
    /// Seconds since 1970.
    pub install_time: u64,
    pub system: String,
    pub architecture: String,
}
