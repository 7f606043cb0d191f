//! The questions of `config generate -i`.
//!
//! Input and output are arguments, so that a test can be the person who answers.

use std::io::{self, BufRead, Write};

use sha2::{Digest, Sha256};

use super::autocert::is_public;
use super::generate::{DATA_FOLDER, defaults};
use super::{Authenticator, AutocertConfig, Config, ConfigError, InitialUser, Secret};
use crate::limits::{WIZARD_TRIES, WIZARD_USERS};

/// Asks on `output`, reads lines from `input`.
pub struct Wizard<R, W> {
    input: R,
    output: W,
}

/// The answers.
pub struct WizardOutcome {
    /// Without keys: see [`super::generate`].
    pub config: Config,
    /// Where to write it.
    pub path: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Deployment {
    /// Agents trust the internal authority and nobody else.
    SelfSigned,
    /// TLS has a certificate of a public authority, which the server gets and renews.
    Autocert,
    /// TLS has a certificate of a public authority, which another program renews.
    GivenCertificate,
    /// The same, and people sign in through an identity provider.
    SingleSignOn,
}

impl<R: BufRead, W: Write> Wizard<R, W> {
    /// A wizard that speaks through the two.
    pub fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Asks everything.
    pub fn run(mut self) -> Result<WizardOutcome, ConfigError> {
        let mut config = defaults();
        let deployment = self.server(&mut config)?;
        self.network(&mut config, deployment)?;
        if deployment == Deployment::SingleSignOn {
            self.provider(&mut config)?;
        }
        self.people(&mut config, deployment)?;
        let path = self.text("Where to write the configuration", "./server.config.yaml", any)?;
        Ok(WizardOutcome { config, path })
    }

    fn server(&mut self, config: &mut Config) -> Result<Deployment, ConfigError> {
        self.say(
            "self_signed: agents trust an authority of their own, and nobody else.\n\
             autocert: TLS shows a certificate of Let's Encrypt, which the server gets and renews; you agree to the terms \
             of <https://letsencrypt.org/repository/>.\n\
             given_certificate: TLS shows a certificate of a public authority, which another program gets and renews.\n\
             oauth_sso: one of these two, and people sign in through an identity provider.\n",
        )?;
        let types = ["self_signed", "autocert", "given_certificate", "oauth_sso"];
        let deployment = match self.choice("Type of deployment", &types)? {
            1 => Deployment::Autocert,
            2 => Deployment::GivenCertificate,
            3 => Deployment::SingleSignOn,
            _ => Deployment::SelfSigned,
        };
        let systems = ["linux", "windows", "darwin"];
        let system = self.choice("Operating system of the server", &systems)?;
        config.server_type = systems.get(system).copied().unwrap_or("linux").to_owned();
        let data = self.text("Folder for the data", DATA_FOLDER, any)?;
        let logs = self.text("Folder for the logs", &format!("{data}/logs"), any)?;
        let years =
            match self.choice("Certificates are valid for", &["1 year", "2 years", "10 years"])? {
                0 => 1,
                1 => 2,
                _ => 10,
            };
        config.security.certificate_validity_days = 365 * years;
        if self.yes("Keep the state of Windows agents in the registry")? {
            config.client.writeback_windows = "HKLM\\SOFTWARE\\Velocidex\\Velociraptor".into();
        }
        config.datastore.filestore_directory.clone_from(&data);
        config.datastore.location = data;
        config.logging.output_directory = logs;
        Ok(deployment)
    }

    fn network(&mut self, config: &mut Config, deployment: Deployment) -> Result<(), ConfigError> {
        let host = match deployment {
            Deployment::Autocert => self.text("Public DNS name of the server", "", public_name)?,
            _ => self.text("Public DNS name of the server", "localhost", dns_name)?,
        };
        let scheme = if self.yes("Use websockets")? { "wss" } else { "https" };
        let usual = if deployment == Deployment::SelfSigned { 8000 } else { 443 };
        let frontend = self.port("Port for agents", usual)?;
        let usual = if deployment == Deployment::Autocert { 443 } else { 8889 };
        let gui = self.port("Port for the web pages", usual)?;
        if gui == frontend {
            // One listener for agents and people.
            config.gui.bind_address.clone_from(&config.frontend.bind_address);
        }
        if deployment != Deployment::SelfSigned {
            config.client.use_self_signed_ssl = false;
            self.certificate(config, deployment, &host)?;
        }
        config.client.server_urls = vec![format!("{scheme}://{host}{}/", shown_port(frontend))];
        config.gui.public_url = format!("https://{host}{}/app/index.html", shown_port(gui));
        config.frontend.bind_port = frontend;
        config.gui.bind_port = gui;
        config.frontend.hostname = host;
        Ok(())
    }

    fn certificate(
        &mut self,
        config: &mut Config,
        deployment: Deployment,
        host: &str,
    ) -> Result<(), ConfigError> {
        let is_own = match deployment {
            Deployment::Autocert => true,
            Deployment::SingleSignOn if is_public(host) => {
                self.choice("The certificate comes from", &["files", "autocert"])? == 1
            }
            _ => false,
        };
        if !is_own {
            let frontend = &mut config.frontend;
            frontend.tls_certificate_filename =
                self.text("File of the certificate", "", readable)?;
            frontend.tls_private_key_filename =
                self.text("File of its private key", "", readable)?;
            return Ok(());
        }
        self.say(
            "tls-alpn-01: the authority connects to port 443 of this server, and nothing else is needed.\n\
             http-01: it connects to port 80.\n\
             dns-01: it looks into DNS, where a program of yours writes what it looks for.\n",
        )?;
        let challenges = ["tls-alpn-01", "http-01", "dns-01"];
        let chosen = self.choice("How the authority sees whose name it is", &challenges)?;
        let challenge = challenges.get(chosen).copied().unwrap_or_default().to_owned();
        let mut autocert = AutocertConfig { challenge, ..AutocertConfig::default() };
        if autocert.challenge == "dns-01" {
            autocert.hook = self.text("Program that writes into DNS", "", needed)?;
        }
        let mail = self.text("Mail address for the authority (empty for none)", "", any)?;
        autocert.contact =
            if mail.is_empty() { Vec::new() } else { vec![format!("mailto:{mail}")] };
        // A section without anything in it would only keep Velociraptor from reading the file.
        let is_usual = autocert.challenge == "tls-alpn-01" && autocert.contact.is_empty();
        config.autocert = (!is_usual).then_some(autocert);
        config.autocert_cert_cache = format!("{}/acme", config.datastore.location);
        Ok(())
    }

    fn provider(&mut self, config: &mut Config) -> Result<(), ConfigError> {
        let kinds = ["google", "github", "azure", "oidc"];
        let chosen = self.choice("Identity provider", &kinds)?;
        let kind = kinds.get(chosen).copied().unwrap_or_default();
        let base = config.gui.public_url.trim_end_matches("/app/index.html");
        let redirect = format!("  Register {base}/auth/{kind}/callback there.\n");
        self.say(&redirect)?;
        let mut authenticator = Authenticator { kind: kind.to_owned(), ..Default::default() };
        authenticator.oauth_client_id = self.text("Client id", "", needed)?;
        authenticator.oauth_client_secret = Secret::new(self.text("Client secret", "", needed)?);
        match kind {
            "azure" => authenticator.tenant = self.text("Id of the tenant", "", needed)?,
            "oidc" => authenticator.oidc_issuer = self.text("Issuer", "", issuer)?,
            _ => {}
        }
        config.gui.authenticator = Some(authenticator);
        // The provider sends people here, from wherever they are.
        config.gui.bind_address = "0.0.0.0".into();
        Ok(())
    }

    fn people(&mut self, config: &mut Config, deployment: Deployment) -> Result<(), ConfigError> {
        for _ in 0..WIZARD_USERS {
            let name = self.text("Name of an administrator (empty to end)", "", user_name)?;
            if name.is_empty() {
                break;
            }
            if deployment == Deployment::SingleSignOn {
                config.gui.initial_users.push(InitialUser { name, ..InitialUser::default() });
                continue;
            }
            let password = Secret::new(self.text("Password", "", needed)?);
            config.gui.initial_users.push(initial_user(name, &password)?);
        }
        Ok(())
    }

    fn yes(&mut self, question: &str) -> Result<bool, ConfigError> {
        Ok(self.choice(question, &["no", "yes"])? == 1)
    }

    fn port(&mut self, question: &str, usual: u16) -> Result<u16, ConfigError> {
        let answer = self.text(question, &usual.to_string(), port_number)?;
        answer.parse().map_err(|_| ConfigError::invalid(question, "is no port"))
    }

    /// The index of the chosen one. An answer is the name or, counted from 1, its number; the first is the default.
    fn choice(&mut self, question: &str, names: &[&str]) -> Result<usize, ConfigError> {
        let usual = names.first().copied().unwrap_or_default();
        let asked = format!("{question} [{}]", names.join(", "));
        let pick = |answer: &str| {
            let by_name = names.iter().position(|name| name.eq_ignore_ascii_case(answer));
            let by_number = answer.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            by_name.or(by_number.filter(|&n| n < names.len()))
        };
        let check = |answer: &str| match pick(answer) {
            Some(_) => Ok(()),
            None => Err("answer with one of the names, or with its number"),
        };
        let answer = self.text(&asked, usual, check)?;
        pick(&answer).ok_or_else(|| ConfigError::invalid(question, "no such choice"))
    }

    fn text(
        &mut self,
        question: &str,
        usual: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Result<String, ConfigError> {
        for _ in 0..WIZARD_TRIES {
            let hint = if usual.is_empty() { String::new() } else { format!(" ({usual})") };
            self.say(&format!("{question}{hint}: "))?;
            let mut line = String::new();
            let read = self.input.read_line(&mut line).map_err(terminal)?;
            if read == 0 {
                return Err(ConfigError::invalid(question, "no answer: the input ended"));
            }
            let answer = match line.trim() {
                "" => usual,
                typed => typed,
            };
            match check(answer) {
                Ok(()) => return Ok(answer.to_owned()),
                Err(advice) => self.say(&format!("  {advice}\n"))?,
            }
        }
        Err(ConfigError::invalid(question, format!("no usable answer in {WIZARD_TRIES} tries")))
    }

    fn say(&mut self, text: &str) -> Result<(), ConfigError> {
        self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush()).map_err(terminal)
    }
}

fn terminal(cause: io::Error) -> ConfigError {
    ConfigError::File { path: "terminal".into(), cause }
}

fn shown_port(port: u16) -> String {
    if port == 443 { String::new() } else { format!(":{port}") }
}

/// The form that Velociraptor reads: SHA-256 of salt and password.
fn initial_user(name: String, password: &Secret) -> Result<InitialUser, ConfigError> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|error| ConfigError::invalid("password_salt", error.to_string()))?;
    let hash = Sha256::new().chain_update(salt).chain_update(password.expose()).finalize();
    Ok(InitialUser {
        name,
        password_hash: Secret::new(hex::encode(hash)),
        password_salt: Secret::new(hex::encode(salt)),
    })
}

fn any(_: &str) -> Result<(), &'static str> {
    Ok(())
}

fn needed(answer: &str) -> Result<(), &'static str> {
    if answer.is_empty() { Err("an answer is needed") } else { Ok(()) }
}

fn dns_name(answer: &str) -> Result<(), &'static str> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    if answer.bytes().all(sound) { Ok(()) } else { Err("use letters, digits, dots and hyphens") }
}

fn public_name(answer: &str) -> Result<(), &'static str> {
    if is_public(answer) {
        Ok(())
    } else {
        Err("a name that others find in DNS, as troodon.example.org")
    }
}

fn issuer(answer: &str) -> Result<(), &'static str> {
    match super::is_safe(answer) && !answer.ends_with('/') {
        true => Ok(()),
        false => Err("an address with https://, without a slash at the end"),
    }
}

fn user_name(answer: &str) -> Result<(), &'static str> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"@.-_#+".contains(&b);
    if answer.bytes().all(sound) { Ok(()) } else { Err("use letters, digits and @ . - _ # +") }
}

/// The server reads the file when it starts: better to hear of a mistake here.
fn readable(answer: &str) -> Result<(), &'static str> {
    match std::fs::read_to_string(answer) {
        Ok(text) if text.contains("-----BEGIN ") => Ok(()),
        Ok(_) => Err("that is no PEM file"),
        Err(_) => Err("there is no such file that can be read"),
    }
}

fn port_number(answer: &str) -> Result<(), &'static str> {
    match answer.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err("a port is a number from 1 to 65535"),
    }
}
