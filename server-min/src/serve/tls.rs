//! Which certificates the server shows and takes, and who shares an address.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::ServeError;
use crate::acme::{Keeper, Plain};
use crate::certificates::{Certificates, Files};
use crate::config::{Config, ConfigError};
use crate::frontend::{Callers, Settings, Shown};
use crate::pki;

/// Where the certificate of TLS comes from, when it is not the internal one.
#[derive(Default)]
pub(super) struct Source {
    files: Option<Files>,
    pub(super) keeper: Option<Arc<Keeper>>,
    /// Where an authority asks over HTTP.
    plain: Option<SocketAddr>,
}

impl Source {
    /// What the configuration says.
    pub(super) fn of(config: &Config) -> Result<Self, ServeError> {
        let frontend = &config.frontend;
        let mut source = Self::default();
        if !frontend.tls_certificate_filename.is_empty() {
            let key = frontend.tls_private_key_filename.clone().into();
            let files = Files::open(frontend.tls_certificate_filename.clone().into(), key)?;
            source.files = Some(files);
        }
        if let Some(autocert) = config.autocert()? {
            // What is shown until the authority has given one.
            let own = Shown::new(&frontend.certificate, frontend.private_key.expose())?;
            source.keeper = Some(Arc::new(Keeper::open(autocert.settings, own)?));
            source.plain = autocert.plain;
        }
        Ok(source)
    }

    /// Lets the frontend show it.
    pub(super) fn show_in(&self, settings: &mut Settings) {
        settings.tls = self.files.as_ref().map(|files| Arc::clone(files.shown()));
        if let Some(keeper) = &self.keeper {
            settings.tls = Some(Arc::clone(keeper.shown()));
            settings.answers = Some(Arc::clone(keeper.answers()));
        }
    }

    /// Follows files, gets and renews, until the server stops.
    pub(super) async fn follow(
        self,
        config: &Config,
        told: &watch::Receiver<bool>,
    ) -> Result<(), ServeError> {
        if let Some(files) = self.files {
            tokio::spawn(files.follow(told.clone()));
        }
        let Some(keeper) = self.keeper else { return Ok(()) };
        if let Some(address) = self.plain {
            let elsewhere = match config.gui.public_url.as_str() {
                "" => format!("https://{}/", config.frontend.hostname),
                public => public.to_owned(),
            };
            let bound = Plain::bind(address, Arc::clone(keeper.answers()), elsewhere).await;
            let bound = bound.map_err(|cause| ServeError::Plain { address, cause })?;
            tokio::spawn(bound.serve(told.clone()));
        }
        tokio::spawn(keeper.run(told.clone()));
        Ok(())
    }
}

/// The certificates that people look after. One that cannot be read has been complained about before.
pub(super) fn certificates(config: &Config, frontend: &Settings) -> Certificates {
    let all = [
        ("the internal authority (Client.ca_certificate)", config.client.ca_certificate.as_str()),
        ("the server (Frontend.certificate)", config.frontend.certificate.as_str()),
    ];
    let fixed = all.into_iter().filter_map(|(what, pem)| Some((what, pki::end_us(pem)?))).collect();
    let shown = frontend.tls.as_ref();
    let what = match config.autocert_cert_cache.is_empty() {
        true => "TLS (Frontend.tls_certificate_filename)",
        false => "TLS (autocert_cert_cache)",
    };
    let shown = shown.map(|shown| (what, Arc::clone(shown)));
    Certificates { fixed, shown }
}

/// Whose certificates agents have to show, if they have to: the internal authority's, and those of
/// `Client.Crypto.root_certs` (docs/protocol.md section 4.5).
pub(super) fn agents(config: &Config) -> Result<Option<Callers>, ConfigError> {
    let client = &config.client;
    let further = client.crypto.as_ref().map_or("", |crypto| &crypto.root_certs);
    let roots = format!("{}\n{further}", client.ca_certificate);
    let callers = Callers { roots, may_have_none: false, revoked: config.security.revoked()? };
    Ok(config.frontend.require_client_certificates.then_some(callers))
}

/// Whose certificates programs and people show: the internal authority's, and nobody else's.
pub(super) fn programs_and_people(config: &Config) -> Result<Callers, ConfigError> {
    let (roots, revoked) = (config.client.ca_certificate.clone(), config.security.revoked()?);
    Ok(Callers { roots, may_have_none: false, revoked })
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
        () if config.sign_on()?.newcomers_by_certificate.is_some() => {
            "is the port of agents too, who are not asked for certificates as people are (GUI.authenticator.type Certs): \
             choose another port"
        }
        () => return Ok(true),
    };
    Err(ConfigError::invalid("GUI.bind_port", problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authenticator;

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
        let certs = Authenticator { kind: "certs".into(), ..Authenticator::default() };
        config.gui.authenticator = Some(certs);
        let error = is(&config, "0.0.0.0:443", "0.0.0.0:443").unwrap_err();
        assert!(error.contains("Certs"), "{error}");
        config.gui.authenticator = None;
        config.gui.use_plain_http = true;
        let error = is(&config, "0.0.0.0:443", "0.0.0.0:443").unwrap_err();
        assert!(error.contains("use_plain_http"), "{error}");
    }
}
