//! Keys of Velociraptor's configuration that this server knows and does not do.
//!
//! A key that asks for protection, or without which agents do not find the server, is refused: to start would be less
//! than what the configuration promises. Of other keys the start says that they have no effect.

use super::{Config, ConfigError};

impl Config {
    /// Refuses what this server cannot give.
    pub(super) fn check_supported(&self) -> Result<(), ConfigError> {
        let Self { frontend, .. } = self;
        let asked = [
            (
                "Frontend.dyn_dns",
                frontend.dyn_dns.as_ref().is_some_and(|service| !service.kind.is_empty()),
                "let another program keep the DNS name up to date (ddclient, for example), and remove this key",
            ),
            (
                "Frontend.run_as_user",
                !frontend.run_as_user.is_empty(),
                "let the service manager choose the account (User= of systemd), and remove this key",
            ),
        ];
        match asked.into_iter().find(|(_, is_asked, _)| *is_asked) {
            Some((key, _, advice)) => {
                Err(ConfigError::invalid(key, format!("this server does not support it; {advice}")))
            }
            None => Ok(()),
        }
    }

    /// What is set without effect, or so that agents cannot come: a sentence each, for the log.
    pub fn warnings(&self) -> Vec<String> {
        let Self { client, frontend, gui, .. } = self;
        let certificate = client.crypto.as_ref().map_or("", |crypto| &crypto.client_certificate);
        let authenticator = gui.authenticator.as_ref();
        let set = [
            (
                frontend.require_client_certificates && certificate.is_empty(),
                "Frontend.require_client_certificates is set, and Client.Crypto.client_certificate is \
                 not: agents with this configuration cannot connect",
            ),
            (
                authenticator.is_some_and(|chosen| chosen.disable_email_to_sub_pin),
                "GUI.authenticator.disable_email_to_sub_pin has no effect: a user is always tied to one identity",
            ),
            (
                authenticator.is_some_and(|chosen| chosen.oidc_debug),
                "GUI.authenticator.oidc_debug has no effect: claims are not written to logs",
            ),
            (
                self.sign_on().is_ok_and(|chosen| chosen.trusts_unverified_addresses()),
                "GUI.authenticator.claims.allow_unverified_email: the provider lets people claim addresses of others",
            ),
            (
                self.asks_at_443() && frontend.port() != 443,
                "autocert: the authority asks at port 443, which has to lead to Frontend.bind_port",
            ),
            (!gui.reverse_proxy.is_empty(), "GUI.reverse_proxy has no effect"),
            (
                !frontend.initial_server_artifacts.is_empty(),
                "Frontend.initial_server_artifacts has no effect: collect them once the server runs",
            ),
            (
                frontend.resources.per_client_upload_rate > 0
                    || frontend.resources.global_upload_rate > 0,
                "Frontend.resources: upload rates have no effect",
            ),
        ];
        set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, DynDns};

    #[test]
    fn what_is_refused_is_named_with_what_to_do() {
        let dyn_dns = Some(DynDns { kind: "noip".into(), ..DynDns::default() });
        let mut config = Config::default();
        config.frontend.dyn_dns = dyn_dns;
        let error = config.check_supported().unwrap_err().to_string();
        assert!(error.starts_with("Frontend.dyn_dns: this server does not"), "{error}");
        assert!(error.contains("ddclient"), "{error}");
        config.frontend.dyn_dns = Some(DynDns::default());
        config.check_supported().unwrap();
    }

    #[test]
    fn a_key_without_effect_is_no_secret() {
        assert!(Config::default().warnings().is_empty());
        let mut config = Config::default();
        config.frontend.require_client_certificates = true;
        assert!(config.warnings()[0].contains("Client.Crypto.client_certificate"));
    }
}
