//! Which certificates the server shows and takes, and who shares an address.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::certificates::{Certificates, Files, FilesError};
use crate::config::{ClientConfig, Config, ConfigError};
use crate::frontend::Settings;
use crate::pki;

/// The certificate from files, when there is one.
pub(super) fn files(config: &Config) -> Result<Option<Files>, FilesError> {
    let frontend = &config.frontend;
    if frontend.tls_certificate_filename.is_empty() {
        return Ok(None);
    }
    let key = frontend.tls_private_key_filename.clone().into();
    Files::open(frontend.tls_certificate_filename.clone().into(), key).map(Some)
}

/// The certificates that people look after. One that cannot be read has been complained about before.
pub(super) fn certificates(config: &Config, frontend: &Settings) -> Certificates {
    let all = [
        ("the internal authority (Client.ca_certificate)", config.client.ca_certificate.as_str()),
        ("the server (Frontend.certificate)", config.frontend.certificate.as_str()),
    ];
    let fixed = all.into_iter().filter_map(|(what, pem)| Some((what, pki::end_us(pem)?))).collect();
    let shown = frontend.tls.as_ref();
    let shown = shown.map(|shown| ("TLS (Frontend.tls_certificate_filename)", Arc::clone(shown)));
    Certificates { fixed, shown }
}

/// Whose certificates agents may show: the internal authority's, and those of `Client.Crypto.root_certs`
/// (docs/protocol.md section 4.5).
pub(super) fn client_roots(client: &ClientConfig) -> String {
    let further = client.crypto.as_ref().map_or("", |crypto| &crypto.root_certs);
    format!("{}\n{further}", client.ca_certificate)
}

/// Whether agents and people come to one address.
///
/// # Errors
/// They have one port, and not one address or not one kind of connection.
pub(super) fn is_shared(
    config: &Config,
    agents: SocketAddr,
    people: SocketAddr,
) -> Result<bool, ConfigError> {
    let overlap =
        agents.ip() == people.ip() || agents.ip().is_unspecified() || people.ip().is_unspecified();
    if agents.port() != people.port() || !overlap {
        return Ok(false);
    }
    let problem = match () {
        () if agents.ip() != people.ip() => {
            "is the port of agents too: make GUI.bind_address and Frontend.bind_address the same, or choose another port"
        }
        () if config.gui.use_plain_http != config.frontend.use_plain_http => {
            "is the port of agents too: set GUI.use_plain_http and Frontend.use_plain_http both or none, or choose \
             another port"
        }
        () => return Ok(true),
    };
    Err(ConfigError::invalid("GUI.bind_port", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_one_address_with_one_kind_of_connection() {
        let mut config = Config::default();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let is = |config: &Config, agents: &str, people: &str| {
            is_shared(config, at(agents), at(people)).map_err(|error| error.to_string())
        };
        assert_eq!(is(&config, "0.0.0.0:443", "0.0.0.0:443"), Ok(true));
        assert_eq!(is(&config, "0.0.0.0:443", "0.0.0.0:444"), Ok(false));
        assert_eq!(is(&config, "192.0.2.1:443", "192.0.2.2:443"), Ok(false));
        let error = is(&config, "0.0.0.0:443", "127.0.0.1:443").unwrap_err();
        assert!(error.starts_with("GUI.bind_port: ") && error.contains("GUI.bind_address"));
        config.gui.use_plain_http = true;
        let error = is(&config, "0.0.0.0:443", "0.0.0.0:443").unwrap_err();
        assert!(error.contains("use_plain_http"), "{error}");
    }
}
