//! What the authority's key is needed for after the first day: rotation, reissue, API clients.

use crate::pki::Authority;

use super::{ApiClientConfig, Config, ConfigError};

fn authority(config: &Config) -> Result<Authority, ConfigError> {
    Ok(Authority::load(&config.client.ca_certificate, &config.ca.private_key)?)
}

/// Gives frontend and gateway new keys and certificates. Agents follow by themselves: they fetch the certificate
/// again when the server stops understanding them, and verify it with the authority's.
pub fn rotate_keys(config: &mut Config, days: Option<u64>) -> Result<(), ConfigError> {
    let authority = authority(config)?;
    let days = days.unwrap_or(config.security.validity_days());
    let server = authority.issue(config.client.server_name(), days)?;
    let gateway = authority.issue(config.api.gateway_name(), days)?;
    config.frontend.certificate = server.certificate;
    config.frontend.private_key = server.private_key;
    config.gui.gw_certificate = gateway.certificate;
    config.gui.gw_private_key = gateway.private_key;
    Ok(())
}

/// Gives frontend and gateway new certificates for the keys that they have.
pub fn reissue_certificates(config: &mut Config, days: Option<u64>) -> Result<(), ConfigError> {
    let authority = authority(config)?;
    let days = days.unwrap_or(config.security.validity_days());
    let name = config.client.server_name();
    let key = &config.frontend.private_key;
    let server = authority.reissue(name, days, "Frontend.private_key", key)?;
    let name = config.api.gateway_name();
    let key = &config.gui.gw_private_key;
    config.gui.gw_certificate = authority.reissue(name, days, "GUI.gw_private_key", key)?;
    config.frontend.certificate = server;
    Ok(())
}

/// The file of an API client named `name`. Names of the server's own certificates are refused: whoever holds such a
/// certificate could speak as the server.
pub fn api_client(config: &Config, name: &str) -> Result<ApiClientConfig, ConfigError> {
    for reserved in [config.client.server_name(), config.api.gateway_name()] {
        if reserved.eq_ignore_ascii_case(name) {
            let problem = format!("`{reserved}` is the server's own name; choose another one");
            return Err(ConfigError::invalid("--name", problem));
        }
    }
    let issued = authority(config)?.issue(name, config.security.validity_days())?;
    Ok(ApiClientConfig {
        ca_certificate: config.client.ca_certificate.clone(),
        client_cert: issued.certificate,
        client_private_key: issued.private_key,
        api_connection_string: config.api.connection_string(),
        name: name.to_owned(),
        pinned_server_name: config.client.pinned_server_name.clone(),
        ..ApiClientConfig::default()
    })
}
