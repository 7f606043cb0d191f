//! The sections of the smaller services: API, authority, data store, logs, metrics; and the API client's own file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::read_limited;
use super::yaml::from_yaml;
use super::{ConfigError, Secret};

/// The `API` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// What API clients dial; the bind address unless set.
    pub hostname: String,
    /// The address to listen on.
    pub bind_address: String,
    /// The port to listen on.
    pub bind_port: u16,
    /// `tcp` or `unix`.
    pub bind_scheme: String,
    /// The name in the gateway's certificate.
    pub pinned_gw_name: String,
}

impl ApiConfig {
    /// The name in the gateway's certificate: `GRPC_GW` unless set.
    pub fn gateway_name(&self) -> &str {
        if self.pinned_gw_name.is_empty() { "GRPC_GW" } else { &self.pinned_gw_name }
    }

    /// The port to listen on: 8001 unless set.
    pub fn port(&self) -> u16 {
        if self.bind_port == 0 { 8001 } else { self.bind_port }
    }

    /// What API clients dial.
    pub fn connection_string(&self) -> String {
        let host = [&self.hostname, &self.bind_address].into_iter().find(|host| !host.is_empty());
        let port = self.port();
        let host = match host.map(String::as_str) {
            None | Some("0.0.0.0" | "::") => "127.0.0.1",
            Some(host) => host,
        };
        format!("{host}:{port}")
    }
}

/// The `CA` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaConfig {
    /// PEM (PKCS#1). Needed to issue certificates only; keep it offline.
    pub private_key: Secret,
}

/// The `Datastore` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatastoreConfig {
    /// Velociraptor's `FileBaseDataStore` stands for the embedded data base.
    pub implementation: String,
    /// The folder of the data base.
    pub location: String,
    /// The folder of uploaded files.
    pub filestore_directory: String,
    /// `zlib` or `none`: whether agents may compress rows and uploads.
    pub compression: String,
}

/// The `Logging` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// The folder of the log files.
    pub output_directory: String,
    /// One file for each part of the server.
    pub separate_logs_per_component: bool,
    /// Seconds after which a file is closed.
    pub rotation_time: u64,
    /// Seconds after which a file is removed.
    pub max_age: u64,
    /// Lines of level debug.
    pub debug: Option<Retention>,
    /// Lines of level info.
    pub info: Option<Retention>,
    /// Lines of level error.
    pub error: Option<Retention>,
    /// `host` or `host:port`.
    pub remote_syslog_server: String,
    /// `udp`, `tcp` or `tls`.
    pub remote_syslog_protocol: String,
    /// Which parts are sent; empty means the audit log.
    pub remote_syslog_components: Vec<String>,
}

/// How long log files are kept.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Seconds after which a file is closed.
    pub rotation_time: u64,
    /// Seconds after which a file is removed.
    pub max_age: u64,
    /// Not written at all.
    pub disabled: bool,
}

/// The `Mail` section.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The sender.
    pub from: String,
    /// Who takes the mail over (SMTP).
    pub server: String,
    /// Its port: 587 unless set; at 465 TLS comes first.
    pub server_port: u16,
    /// Who sends. A password goes over TLS only.
    pub auth_username: String,
    /// The password.
    pub auth_password: Secret,
    /// Trust any certificate.
    pub skip_verify: bool,
}

/// The `Monitoring` section: where figures for a monitoring system are.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitoringConfig {
    /// The address to listen on: this machine's own unless set.
    pub bind_address: String,
    /// The port to listen on; 0: none.
    pub bind_port: u16,
}

/// The file of an API client, as `pyvelociraptor` reads it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiClientConfig {
    /// PEM of the internal authority.
    pub ca_certificate: String,
    /// PEM of the client's certificate.
    pub client_cert: String,
    /// PEM (PKCS#1) of its key.
    pub client_private_key: Secret,
    /// `host:port`.
    pub api_connection_string: String,
    /// The user that the certificate names.
    pub name: String,
    /// The name in the server's certificate.
    pub pinned_server_name: String,
    /// Bytes of one answer.
    pub max_grpc_recv_size: u64,
}

impl ApiClientConfig {
    /// Reads the file, which another server may have made.
    ///
    /// # Errors
    /// It cannot be read, is no such file, or lacks something without which there is no connection.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file: Self = from_yaml(&read_limited(path)?, &path.display().to_string())?;
        let missing = [
            ("ca_certificate", file.ca_certificate.is_empty()),
            ("client_cert", file.client_cert.is_empty()),
            ("client_private_key", file.client_private_key.expose().is_empty()),
            ("api_connection_string", file.api_connection_string.is_empty()),
        ];
        match missing.into_iter().find(|(_, is_missing)| *is_missing) {
            Some((key, _)) => Err(ConfigError::invalid(
                key,
                format!("is missing in {}: is it a file of an API client?", path.display()),
            )),
            None => Ok(file),
        }
    }
}
