//! A configuration with our defaults and freshly made keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::pki::{Authority, PkiError};

use super::{
    ApiConfig, ClientConfig, Config, ConfigError, DatastoreConfig, Defaults, FrontendConfig,
    FrontendResources, GuiConfig, LocalBuffer, LoggingConfig, MonitoringConfig, Retention,
    Security,
};

/// Where data lies unless the configuration says otherwise.
pub(super) const DATA_FOLDER: &str = "/opt/troodon";

/// Bytes of randomness in a nonce. It is no secret among agents; it only tells deployments apart.
const NONCE_BYTES: usize = 8;

/// What a new configuration says before keys are made, for a deployment with an authority of its own.
pub fn defaults() -> Config {
    Config {
        version: Some(super::this_program()),
        client: default_client(),
        api: ApiConfig {
            bind_address: "127.0.0.1".into(),
            bind_port: 8001,
            bind_scheme: "tcp".into(),
            ..ApiConfig::default()
        },
        gui: GuiConfig {
            bind_address: "127.0.0.1".into(),
            bind_port: 8889,
            public_url: "https://localhost:8889/app/index.html".into(),
            authenticator: Some(super::Authenticator {
                kind: "Basic".into(),
                ..Default::default()
            }),
            ..GuiConfig::default()
        },
        frontend: default_frontend(),
        datastore: DatastoreConfig {
            implementation: "FileBaseDataStore".into(),
            location: DATA_FOLDER.into(),
            filestore_directory: DATA_FOLDER.into(),
            compression: "zlib".into(),
        },
        logging: default_logging(),
        monitoring: MonitoringConfig { bind_address: "127.0.0.1".into(), bind_port: 0 },
        server_type: "linux".into(),
        defaults: Defaults {
            hunt_expiry_hours: 168,
            notebook_cell_timeout_min: 10,
            ..Defaults::default()
        },
        security: Security { certificate_validity_days: 365, ..Security::default() },
        ..Config::default()
    }
}

fn default_client() -> ClientConfig {
    ClientConfig {
        server_urls: vec!["https://localhost:8000/".into()],
        use_self_signed_ssl: true,
        writeback_linux: "/etc/velociraptor.writeback.yaml".into(),
        writeback_darwin: "/etc/velociraptor.writeback.yaml".into(),
        writeback_windows: "$ProgramFiles\\Velociraptor\\velociraptor.writeback.yaml".into(),
        level2_writeback_suffix: ".bak".into(),
        max_poll: 60,
        nanny_max_connection_delay: 600,
        max_upload_size: 5 << 20,
        local_buffer: Some(LocalBuffer {
            memory_size: 50 << 20,
            disk_size: 1 << 30,
            filename_linux: "/var/tmp/Velociraptor_Buffer.bin".into(),
            filename_darwin: "/var/tmp/Velociraptor_Buffer.bin".into(),
            filename_windows: "$TEMP/Velociraptor_Buffer.bin".into(),
        }),
        server_version: Some(super::this_program()),
        ..ClientConfig::default()
    }
}

fn default_frontend() -> FrontendConfig {
    FrontendConfig {
        hostname: "localhost".into(),
        bind_address: "0.0.0.0".into(),
        bind_port: 8000,
        default_client_monitoring_artifacts: vec!["Generic.Client.Stats".into()],
        resources: FrontendResources {
            connections_per_second: 100,
            notifications_per_second: 30,
            max_upload_size: 100 << 20,
            expected_clients: 30_000,
            ..FrontendResources::default()
        },
        ..FrontendConfig::default()
    }
}

fn default_logging() -> LoggingConfig {
    const WEEK: u64 = 7 * 24 * 3600;
    const YEAR: u64 = 365 * 24 * 3600;
    let kept = || Some(Retention { rotation_time: WEEK, max_age: YEAR, disabled: false });
    LoggingConfig {
        output_directory: format!("{DATA_FOLDER}/logs"),
        separate_logs_per_component: true,
        debug: Some(Retention { disabled: true, ..Retention::default() }),
        info: kept(),
        error: kept(),
        ..LoggingConfig::default()
    }
}

/// Makes authority, certificates and nonces for `config`, in place of those that it may hold.
pub fn generate(mut config: Config) -> Result<Config, ConfigError> {
    let (authority, own) = Authority::generate()?;
    let days = config.security.validity_days();
    let server = authority.issue(config.client.server_name(), days)?;
    let gateway = authority.issue(config.api.gateway_name(), days)?;
    config.client.ca_certificate = own.certificate;
    config.ca.private_key = own.private_key;
    config.frontend.certificate = server.certificate;
    config.frontend.private_key = server.private_key;
    config.gui.gw_certificate = gateway.certificate;
    config.gui.gw_private_key = gateway.private_key;
    config.client.nonce = nonce()?;
    config.obfuscation_nonce = nonce()?;
    Ok(config)
}

fn nonce() -> Result<String, PkiError> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| PkiError::Making(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

/// Applies a JSON merge patch (RFC 7396) to `config`. `name` stands for the patch in errors.
pub fn apply_merge(config: &Config, patch: &str, name: &str) -> Result<Config, ConfigError> {
    let syntax = |error: &serde_json::Error, problem: String| ConfigError::Syntax {
        name: name.to_owned(),
        line: error.line() as u64,
        column: error.column() as u64,
        problem,
    };
    let patch: Value =
        serde_json::from_str(patch).map_err(|error| syntax(&error, format!("no JSON: {error}")))?;
    if !patch.is_object() {
        return Err(ConfigError::invalid(
            name,
            "the merge is no JSON object such as {\"Client\":{}}",
        ));
    }
    let unreadable = |error: serde_json::Error| ConfigError::invalid(name, error.to_string());
    let mut tree = serde_json::to_value(config).map_err(unreadable)?;
    merge(&mut tree, patch);
    serde_json::from_value(tree).map_err(unreadable).map(super::legacy::migrate)
}

/// RFC 7396 section 2. Null takes the key away.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(&key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{apply_merge, defaults};

    #[test]
    fn a_merge_replaces_lists_and_keeps_other_keys() {
        let patch =
            r#"{"Client":{"server_urls":["https://a/"],"local_buffer":{"disk_size":null}}}"#;
        let merged = apply_merge(&defaults(), patch, "--merge").unwrap();
        assert_eq!(merged.client.server_urls, ["https://a/"]);
        assert_eq!(merged.client.max_poll, 60);
        let buffer = merged.client.local_buffer.unwrap();
        assert_eq!((buffer.disk_size, buffer.memory_size), (0, 50 << 20));
    }

    #[test]
    fn a_merge_with_an_unknown_key_is_refused() {
        let error = apply_merge(&defaults(), r#"{"Client":{"server_url":"x"}}"#, "--merge");
        assert!(error.unwrap_err().to_string().contains("server_url"));
        let error = apply_merge(&defaults(), "[1", "--merge").unwrap_err().to_string();
        assert!(error.starts_with("--merge:1:2: no JSON"), "{error}");
    }
}
