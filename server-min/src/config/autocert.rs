//! The section `autocert`: certificates from an authority that speaks ACME.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};
use crate::acme::{Challenge, Pace, Settings};
use crate::syslog;

/// Let's Encrypt.
const USUAL: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The `autocert` section, which only this server knows. It counts when `autocert_cert_cache` names a folder.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutocertConfig {
    /// Where the authority describes itself; Let's Encrypt when it is empty.
    pub directory: String,
    /// PEM of authorities that the directory's own certificate may be of; those of the operating system when empty.
    pub root_certs: String,
    /// Names of the server; `Frontend.hostname` when there are none.
    pub names: Vec<String>,
    /// Addresses that the authority may write to, as `mailto:soc@example.org`.
    pub contact: Vec<String>,
    /// `tls-alpn-01` (at port 443), `http-01` (at port 80) or `dns-01`; the first when it is empty.
    pub challenge: String,
    /// For `http-01`: the address to listen on, 0.0.0.0:80 when it is empty.
    pub http_address: String,
    /// For `dns-01`: a program that is run as `HOOK add NAME TEXT` and `HOOK remove NAME TEXT`.
    pub hook: String,
}

/// What `autocert_cert_cache` asks for.
#[derive(Debug)]
pub struct Autocert {
    /// Which certificate, from whom.
    pub settings: Settings,
    /// Where the authority asks over HTTP, for `http-01`.
    pub plain: Option<SocketAddr>,
}

impl Config {
    /// The certificate that this server gets by itself, if it does.
    ///
    /// # Errors
    /// A key is missing, cannot work, or contradicts another.
    pub fn autocert(&self) -> Result<Option<Autocert>, ConfigError> {
        if self.autocert_cert_cache.is_empty() {
            return match &self.autocert {
                Some(_) => Err(ConfigError::invalid(
                    "autocert",
                    "autocert_cert_cache is missing; name a folder there",
                )),
                None => Ok(None),
            };
        }
        let usual = AutocertConfig::default();
        let asked = self.autocert.as_ref().unwrap_or(&usual);
        self.check_alone()?;
        let (challenge, plain) = asked.challenge()?;
        let directory = if asked.directory.is_empty() { USUAL } else { &asked.directory };
        if !directory.starts_with("https://") {
            return Err(wrong("directory", "has to begin with https://"));
        }
        if let Some(bad) = asked.contact.iter().find(|one| !one.starts_with("mailto:")) {
            return Err(wrong("contact", &format!("`{bad}` does not begin with mailto:")));
        }
        Ok(Some(Autocert {
            settings: Settings {
                folder: PathBuf::from(&self.autocert_cert_cache),
                directory: directory.to_owned(),
                names: self.autocert_names(asked, &challenge)?,
                contact: asked.contact.clone(),
                challenge,
                tls: syslog::tls(&asked.root_certs)
                    .map_err(|error| wrong("root_certs", &error.to_string()))?,
                pace: Pace::default(),
            },
            plain,
        }))
    }

    /// Whether an authority has to reach the agents' address from outside.
    pub(super) fn asks_at_443(&self) -> bool {
        self.autocert().is_ok_and(|found| {
            found.is_some_and(|found| found.settings.challenge == Challenge::TlsAlpn)
        })
    }

    fn check_alone(&self) -> Result<(), ConfigError> {
        let frontend = &self.frontend;
        let problem = match () {
            () if frontend.use_plain_http => {
                "nobody would see the certificate while Frontend.use_plain_http is set; remove one of the two"
            }
            () if !frontend.tls_certificate_filename.is_empty() => {
                "contradicts Frontend.tls_certificate_filename; remove one of the two"
            }
            () => return Ok(()),
        };
        Err(ConfigError::invalid("autocert_cert_cache", problem))
    }

    fn autocert_names(
        &self,
        asked: &AutocertConfig,
        challenge: &Challenge,
    ) -> Result<Vec<String>, ConfigError> {
        let own = [self.frontend.hostname.clone()];
        let (key, names) = match asked.names.as_slice() {
            [] => ("Frontend.hostname", own.as_slice()),
            names => ("autocert.names", names),
        };
        let is_dns = matches!(challenge, Challenge::Dns { .. });
        for name in names {
            let bare = if is_dns { name.strip_prefix("*.").unwrap_or(name) } else { name };
            if !is_public(bare) {
                let problem = format!(
                    "`{name}` is no name that an authority could look for, such as troodon.example.org"
                );
                return Err(ConfigError::invalid(key, problem));
            }
        }
        Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }
}

impl AutocertConfig {
    fn challenge(&self) -> Result<(Challenge, Option<SocketAddr>), ConfigError> {
        let address = || {
            let text = if self.http_address.is_empty() { "0.0.0.0:80" } else { &self.http_address };
            text.parse().map_err(|_| {
                wrong("http_address", &format!("`{text}` is no address such as 0.0.0.0:80"))
            })
        };
        let (found, key, unused) = match self.challenge.as_str() {
            "" | "tls-alpn-01" => ((Challenge::TlsAlpn, None), "http_address", &self.http_address),
            "http-01" => ((Challenge::Http, Some(address()?)), "hook", &self.hook),
            "dns-01" if self.hook.is_empty() => {
                return Err(wrong(
                    "hook",
                    "missing; name the program that writes records into DNS",
                ));
            }
            "dns-01" => (
                (Challenge::Dns { hook: self.hook.clone().into() }, None),
                "http_address",
                &self.http_address,
            ),
            other => {
                let problem = format!("`{other}` is none of tls-alpn-01, http-01, dns-01");
                return Err(wrong("challenge", &problem));
            }
        };
        if unused.is_empty() {
            Ok(found)
        } else {
            Err(wrong(key, "has no effect with this challenge; remove it"))
        }
    }
}

/// Whether others could find a name in DNS: labels with a dot between them, and no address.
pub(super) fn is_public(name: &str) -> bool {
    let sound = |label: &str| {
        let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&label.len())
            && inside
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels: Vec<_> = name.split('.').collect();
    let is_address = labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    labels.len() > 1 && name.len() <= 253 && labels.iter().all(|label| sound(label)) && !is_address
}

fn wrong(key: &str, problem: &str) -> ConfigError {
    ConfigError::invalid(format!("autocert.{key}"), problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(autocert: &str) -> Config {
        let text = format!(
            "autocert_cert_cache: /srv/acme\nFrontend: {{hostname: Troodon.example.org}}\nautocert: {autocert}\n"
        );
        Config::parse(&text, "test").unwrap()
    }

    fn error(autocert: &str) -> String {
        config(autocert).autocert().unwrap_err().to_string()
    }

    #[test]
    fn a_folder_is_all_that_is_needed() {
        assert!(Config::default().autocert().unwrap().is_none());
        let found = config("{}").autocert().unwrap().unwrap();
        assert_eq!(found.settings.directory, USUAL);
        assert_eq!(found.settings.names, ["troodon.example.org"]);
        assert_eq!((found.settings.challenge, found.plain), (Challenge::TlsAlpn, None));
        let found = config("{challenge: http-01}").autocert().unwrap().unwrap();
        assert_eq!(found.plain, Some("0.0.0.0:80".parse().unwrap()));
        let found =
            config("{challenge: dns-01, hook: /bin/x, names: ['*.example.org']}").autocert();
        assert_eq!(found.unwrap().unwrap().settings.names, ["*.example.org"]);
    }

    #[test]
    fn what_cannot_work_is_refused_before_an_authority_is_asked() {
        for (text, said) in [
            ("{challenge: x}", "autocert.challenge: `x` is none"),
            ("{challenge: dns-01}", "autocert.hook: missing"),
            ("{challenge: http-01, hook: /x}", "autocert.hook: has no effect"),
            ("{http_address: '0.0.0.0:80'}", "autocert.http_address: has no effect"),
            ("{challenge: http-01, http_address: x}", "autocert.http_address: `x`"),
            ("{directory: 'http://a/'}", "autocert.directory: has to begin"),
            ("{contact: [a@b]}", "autocert.contact: `a@b`"),
            ("{names: [localhost]}", "autocert.names: `localhost`"),
            ("{names: ['192.0.2.1']}", "autocert.names: `192.0.2.1`"),
            ("{names: ['*.example.org']}", "autocert.names: `*.example.org`"),
            ("{names: ['-a.example']}", "autocert.names"),
            ("{root_certs: '-----BEGIN CERTIFICATE-----'}", "autocert.root_certs"),
        ] {
            let found = error(text);
            assert!(found.starts_with(said), "{text}: {found}");
        }
        let mut config = config("{}");
        config.frontend.tls_certificate_filename = "/x".into();
        assert!(config.autocert().unwrap_err().to_string().contains("contradicts"));
        config.frontend.tls_certificate_filename.clear();
        config.frontend.use_plain_http = true;
        assert!(config.autocert().unwrap_err().to_string().contains("use_plain_http"));
        config.autocert_cert_cache.clear();
        assert!(
            config.autocert().unwrap_err().to_string().contains("autocert_cert_cache is missing")
        );
    }
}
