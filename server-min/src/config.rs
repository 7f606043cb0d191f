//! The configuration: one YAML file with Velociraptor's key names (docs/protocol.md section 1.5).
//!
//! Reading is strict: an unknown key is an error that names key, line and column. As in the messages from which the
//! key names come, a zero, an empty string and an empty list mean the same as an absent key; what an absent key
//! stands for is said by the methods of the section that holds it.

mod autocert;
mod file;
mod frontend;
mod generate;
mod gui;
mod issue;
mod legacy;
mod policy;
mod services;
mod sign_on;
mod support;
mod validate;
mod wizard;
mod yaml;

pub use autocert::{Autocert, AutocertConfig};
pub use file::write_private;
pub use frontend::{DynDns, FrontendConfig, FrontendResources};
pub use generate::{apply_merge, defaults, generate};
pub use gui::{Authenticator, GuiConfig, InitialOrg, InitialUser, OidcClaims, OidcRole};
pub use issue::{api_client, reissue_certificates, rotate_keys};
pub use policy::{Defaults, Security};
pub use services::{
    ApiClientConfig, ApiConfig, CaConfig, DatastoreConfig, LoggingConfig, MailConfig,
    MonitoringConfig, Retention,
};
pub(crate) use sign_on::is_safe;
pub use sign_on::{ProviderConfig, ProviderKind, SignOnConfig};
pub use troodon_core::config::{
    ClientConfig, CryptoConfig, LocalBuffer, ProxyConfig, Secret, Version,
};
pub use wizard::{Wizard, WizardOutcome};
pub(crate) use yaml::absent;
pub use yaml::{from_yaml, to_yaml};

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything that can be wrong with a configuration. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The text is no YAML, or holds a key or a type that does not belong there.
    #[error("{name}:{line}:{column}: {problem}")]
    Syntax {
        /// The file, or what else the text came from.
        name: String,
        /// Counted from 1; 0 when unknown.
        line: u64,
        /// Counted from 1; 0 when unknown.
        column: u64,
        /// What is wrong.
        problem: String,
    },
    /// A key is missing, or has a value that cannot work.
    #[error("{key}: {problem}")]
    Invalid {
        /// The key, as a path with dots.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Keys and certificates could not be made or read.
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
}

impl ConfigError {
    pub(crate) fn invalid(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { key: key.into(), problem: problem.into() }
    }
}

/// The whole file. Sections are capitalised, other keys are not.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The program that wrote the file.
    pub version: Option<Version>,
    /// What agents get to know: this section alone becomes their configuration.
    #[serde(rename = "Client", deserialize_with = "absent")]
    pub client: ClientConfig,
    /// The gRPC API.
    #[serde(rename = "API", deserialize_with = "absent")]
    pub api: ApiConfig,
    /// The web pages.
    #[serde(rename = "GUI", deserialize_with = "absent")]
    pub gui: GuiConfig,
    /// The internal authority. Its key may be kept elsewhere.
    #[serde(rename = "CA", deserialize_with = "absent")]
    pub ca: CaConfig,
    /// Where agents arrive.
    #[serde(rename = "Frontend", deserialize_with = "absent")]
    pub frontend: FrontendConfig,
    /// Further frontends of a Velociraptor cluster: kept, not used.
    #[serde(rename = "ExtraFrontends", deserialize_with = "absent")]
    pub extra_frontends: Vec<Value>,
    /// A Velociraptor minion: kept, not used.
    #[serde(rename = "Minion")]
    pub minion: Option<Value>,
    /// Where data is stored.
    #[serde(rename = "Datastore", deserialize_with = "absent")]
    pub datastore: DatastoreConfig,
    /// The state file of a Velociraptor client: kept, not used.
    #[serde(rename = "Writeback")]
    pub writeback: Option<Value>,
    /// Outgoing mail.
    #[serde(rename = "Mail", deserialize_with = "absent")]
    pub mail: MailConfig,
    /// Log files and forwarding.
    #[serde(rename = "Logging", deserialize_with = "absent")]
    pub logging: LoggingConfig,
    /// Metrics.
    #[serde(rename = "Monitoring", deserialize_with = "absent")]
    pub monitoring: MonitoringConfig,
    /// An embedded API client configuration: kept, not used.
    pub api_config: Option<Value>,
    /// A command line that a repacked binary runs: kept, not used.
    pub autoexec: Option<Value>,
    /// The operating system of the server, as the wizard heard it.
    pub server_type: String,
    /// A folder in which certificates from an ACME authority are kept; set means: get them.
    pub autocert_cert_cache: String,
    /// From whom, for which names, and how; a section of this server alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autocert: Option<AutocertConfig>,
    /// From this the key is derived that hides the names of artifacts from agents.
    pub obfuscation_nonce: String,
    /// Denies, to everybody, what changes the deployment.
    pub lockdown: bool,
    /// Numbers that tune the server.
    #[serde(deserialize_with = "absent")]
    pub defaults: Defaults,
    /// What queries may do on the server.
    #[serde(deserialize_with = "absent")]
    pub security: Security,
    /// A saved disk that is analysed in place of the live system: kept, not used.
    pub analysis_target: String,
    /// How paths of such a disk are mapped: kept, not used.
    #[serde(deserialize_with = "absent")]
    pub remappings: Vec<Value>,
    /// The organisation: set only inside the server.
    pub org_id: String,
    /// Its display name.
    pub org_name: String,
    /// Which services of a Velociraptor server run: kept, not used.
    pub services: Option<Value>,
    /// More log lines.
    pub verbose: bool,
    /// Diagnostics for developers of the original: kept, not used.
    pub debug_mode: bool,
    /// The file from which all this was read: queries must not reach it.
    #[serde(skip)]
    pub source: Option<PathBuf>,
}

/// This program, as it signs what it writes.
fn this_program() -> Version {
    Version {
        name: "troodon".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        system: std::env::consts::OS.into(),
        architecture: std::env::consts::ARCH.into(),
        ..Version::default()
    }
}

/// What an agent's configuration file holds.
#[derive(Serialize)]
struct ClientFile<'a> {
    version: &'a Option<Version>,
    #[serde(rename = "Client")]
    client: &'a ClientConfig,
    autoexec: &'a Option<Value>,
}

impl Config {
    /// Reads a file of [`limits::CONFIG_BYTES`](crate::limits::CONFIG_BYTES) at most. Nothing is required of it yet:
    /// see [`Config::check_server`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = file::read_limited(path)?;
        let mut config: Self =
            from_yaml(&text, &path.display().to_string()).map(legacy::migrate)?;
        config.source = Some(path.to_owned());
        Ok(config)
    }

    /// Reads a text; `name` stands for it in errors.
    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        from_yaml(text, name).map(legacy::migrate)
    }

    /// The text of the whole file, secrets included.
    pub fn to_yaml(&self) -> Result<String, ConfigError> {
        to_yaml(self)
    }

    /// The text of an agent's file: nothing but `version`, `Client` and `autoexec`.
    pub fn client_yaml(&self) -> Result<String, ConfigError> {
        self.check_client()?;
        let Self { version, client, autoexec, .. } = self;
        to_yaml(&ClientFile { version, client, autoexec })
    }
}
