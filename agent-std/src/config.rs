//! The client configuration: the YAML that `troodon config client`, or a Velociraptor server, writes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;
use troodon_core::config::{ClientConfig, Version};

use crate::limits::CONFIG_LEN_MAX;
use crate::yaml::{self, YamlFault};

/// What an agent's file holds. Unknown keys are an error: a key that was meant to protect must not be passed over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(rename = "Client")]
    client: ClientConfig,
    /// The program that wrote the file; an agent has a version of its own.
    #[serde(rename = "version", default)]
    _version: Option<Version>,
    /// What Velociraptor's program does without arguments; ours takes arguments.
    #[serde(rename = "autoexec", default)]
    _autoexec: Option<IgnoredAny>,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum ConfigFault {
    /// The file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is longer than a configuration can be.
    #[error("{0}: longer than {CONFIG_LEN_MAX} bytes; this is no configuration")]
    TooLong(PathBuf),
    /// The text is not what it should be.
    #[error("{path}:{}:{}: {}", .fault.line, .fault.column, .fault.problem)]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: YamlFault,
    },
    /// A key that every deployment has is missing.
    #[error("{path}: Client.{key} is missing; take the file that `troodon config client` writes")]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// A URL to which nothing can be appended.
    #[error("{path}: Client.server_urls: {url:?} must begin with a scheme and end in `/`")]
    BadUrl {
        /// Which file.
        path: PathBuf,
        /// The URL.
        url: String,
    },
}

/// Reads and checks a client configuration.
///
/// # Errors
///
/// [`ConfigFault`] names the file, and the key or the line.
pub fn load(path: &Path) -> Result<ClientConfig, ConfigFault> {
    let text = read(path)?;
    let file: ConfigFile = parse(path, &text)?;
    check(path, &file.client)?;
    Ok(file.client)
}

fn read(path: &Path) -> Result<String, ConfigFault> {
    let unreadable = |error| ConfigFault::Unreadable { path: path.to_owned(), error };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let length = file.take(CONFIG_LEN_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > CONFIG_LEN_MAX {
        return Err(ConfigFault::TooLong(path.to_owned()));
    }
    Ok(text)
}

/// Reads YAML strictly and says in one line where it is wrong.
pub(crate) fn parse<'a, T: Deserialize<'a>>(path: &Path, text: &'a str) -> Result<T, ConfigFault> {
    yaml::from_str(text).map_err(|fault| ConfigFault::Malformed { path: path.to_owned(), fault })
}

fn check(path: &Path, client: &ClientConfig) -> Result<(), ConfigFault> {
    let required = [
        ("server_urls", client.server_urls.is_empty()),
        ("ca_certificate", client.ca_certificate.is_empty()),
        ("nonce", client.nonce.is_empty()),
        ("writeback_linux", client.writeback_linux.is_empty()),
    ];
    if let Some((key, _)) = required.into_iter().find(|(_, is_missing)| *is_missing) {
        return Err(ConfigFault::Missing { path: path.to_owned(), key });
    }
    let is_base = |url: &String| url.contains("://") && url.ends_with('/');
    match client.server_urls.iter().find(|url| !is_base(url)) {
        Some(url) => Err(ConfigFault::BadUrl { path: path.to_owned(), url: url.clone() }),
        None => Ok(()),
    }
}
