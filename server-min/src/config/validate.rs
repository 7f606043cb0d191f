//! What a configuration must hold before a program starts with it.

use super::{Config, ConfigError};

const GENERATE: &str = "make a configuration with `troodon config generate`";

impl Config {
    /// Checks what an agent needs.
    pub fn check_client(&self) -> Result<(), ConfigError> {
        let client = &self.client;
        required("Client.ca_certificate", &client.ca_certificate, GENERATE)?;
        required("Client.nonce", &client.nonce, GENERATE)?;
        if client.server_urls.is_empty() {
            let problem = "missing; list where agents find the server, as `https://host:8000/`";
            return Err(ConfigError::invalid("Client.server_urls", problem));
        }
        client.server_urls.iter().try_for_each(|url| check_url(url))?;
        if let Some(crypto) = &client.crypto {
            let mode = crypto.certificate_verification_mode.as_str();
            one_of(
                "Client.Crypto.certificate_verification_mode",
                mode,
                &["", "PKI", "PKI_OR_THUMBPRINT", "THUMBPRINT_ONLY"],
            )?;
        }
        Ok(())
    }

    /// Checks what the server needs, agents' part included.
    pub fn check_server(&self) -> Result<(), ConfigError> {
        self.check_client()?;
        required("Frontend.certificate", &self.frontend.certificate, GENERATE)?;
        required("Frontend.private_key", self.frontend.private_key.expose(), GENERATE)?;
        required(
            "Datastore.location",
            &self.datastore.location,
            "name a folder that the server may write",
        )?;
        one_of("Datastore.compression", &self.datastore.compression, &["", "zlib", "none"])?;
        base_path("Frontend.base_path", &self.frontend.base_path)?;
        base_path("GUI.base_path", &self.gui.base_path)?;
        let public = &self.gui.public_url;
        if !public.is_empty() && !public.ends_with("/app/index.html") {
            let problem = format!("`{public}` does not end in `/app/index.html`; add it");
            return Err(ConfigError::invalid("GUI.public_url", problem));
        }
        self.gui.allowed()?;
        self.sign_on()?;
        self.autocert()?;
        self.security.revoked()?;
        one_of(
            "Logging.remote_syslog_protocol",
            &self.logging.remote_syslog_protocol,
            &["", "udp", "tcp", "tls"],
        )?;
        tls_files(self)?;
        client_certificates(self)?;
        self.check_supported()
    }
}

fn required(key: &str, value: &str, advice: &str) -> Result<(), ConfigError> {
    if value.is_empty() {
        return Err(ConfigError::invalid(key, format!("missing; {advice}")));
    }
    Ok(())
}

fn one_of(key: &str, value: &str, allowed: &[&str]) -> Result<(), ConfigError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let known = allowed.iter().filter(|name| !name.is_empty()).copied().collect::<Vec<_>>();
    Err(ConfigError::invalid(key, format!("`{value}` is none of {}", known.join(", "))))
}

fn check_url(url: &str) -> Result<(), ConfigError> {
    let key = "Client.server_urls";
    let host = ["https://", "http://", "wss://", "ws://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
        .ok_or_else(|| {
            let problem = format!("`{url}` begins with none of https://, http://, wss://, ws://");
            ConfigError::invalid(key, problem)
        })?;
    if !url.ends_with('/') {
        return Err(ConfigError::invalid(key, format!("`{url}` does not end in `/`; add it")));
    }
    if host.starts_with('/') {
        return Err(ConfigError::invalid(key, format!("`{url}` names no host")));
    }
    Ok(())
}

/// A base path is one or more components, each after a slash, of letters, digits, `_` and `-`.
fn base_path(key: &str, path: &str) -> Result<(), ConfigError> {
    let sound = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    match path.strip_prefix('/') {
        _ if path.is_empty() => Ok(()),
        Some(rest) if rest.split('/').all(sound) => Ok(()),
        _ => {
            let problem =
                format!("`{path}` is no path such as `/troodon`, without a slash at the end");
            Err(ConfigError::invalid(key, problem))
        }
    }
}

fn tls_files(config: &Config) -> Result<(), ConfigError> {
    let frontend = &config.frontend;
    match (
        frontend.tls_certificate_filename.is_empty(),
        frontend.tls_private_key_filename.is_empty(),
    ) {
        (true, false) => Err(ConfigError::invalid(
            "Frontend.tls_certificate_filename",
            "missing, although tls_private_key_filename is set; set both or none",
        )),
        (false, true) => Err(ConfigError::invalid(
            "Frontend.tls_private_key_filename",
            "missing, although tls_certificate_filename is set; set both or none",
        )),
        _ => Ok(()),
    }
}

/// Whoever ends TLS is the only one who sees an agent's certificate.
fn client_certificates(config: &Config) -> Result<(), ConfigError> {
    if config.frontend.require_client_certificates && config.frontend.use_plain_http {
        let problem = "cannot be checked while Frontend.use_plain_http is set; let the proxy that ends TLS ask for \
                       certificates, or remove one of the two";
        return Err(ConfigError::invalid("Frontend.require_client_certificates", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{base_path, check_url};

    #[test]
    fn addresses_of_the_server_are_checked() {
        for good in ["https://a/", "wss://a:8000/", "http://127.0.0.1:8000/base/"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in ["https://a", "a:8000/", "https:///", ""] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn base_paths_begin_with_a_slash_and_end_without() {
        assert!(base_path("k", "").is_ok());
        assert!(base_path("k", "/a/b-c").is_ok());
        for bad in ["a", "/", "/a/", "/a b", "/a//b"] {
            assert!(base_path("k", bad).is_err(), "{bad}");
        }
    }
}
