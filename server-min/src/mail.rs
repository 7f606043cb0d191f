//! Outgoing mail: the server of the configuration's `Mail` section takes it over.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::config::{Config, MailConfig, Secret};
use crate::limits;

/// Where TLS comes before SMTP (RFC 8314 section 3.3).
const SUBMISSIONS: u16 = 465;
/// Where mail is handed in otherwise (RFC 6409).
const SUBMISSION: u16 = 587;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Nothing says where mail goes.
    #[error("Mail.server is not set in the configuration")]
    NoServer,
    /// It would come too soon after the last one.
    #[error("Send too fast, suppressing.")]
    TooSoon,
    /// There are too many recipients.
    #[error("a mail goes to {} recipients at most", limits::MAIL_RECIPIENTS)]
    TooMany,
    /// An address is none.
    #[error("`{address}` is no address: {cause}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        cause: lettre::address::AddressError,
    },
    /// The mail cannot be written.
    #[error(transparent)]
    Content(#[from] lettre::error::Error),
    /// The server does not take it.
    #[error(transparent)]
    Server(#[from] lettre::transport::smtp::Error),
}

/// One mail.
#[derive(Debug, Default)]
pub struct Letter {
    /// The sender; that of the configuration when it is empty.
    pub from: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Who gets it as well.
    pub cc: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// The text.
    pub body: String,
    /// The time since the last mail before which this one is not sent.
    pub period: Duration,
}

/// A server that takes mail.
#[derive(Debug)]
pub struct Place {
    /// Its name.
    pub server: String,
    /// Its port; 0 for the usual one.
    pub port: u16,
    /// Who sends; nobody in particular when it is empty.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// Trust any certificate.
    pub skip_verify: bool,
}

/// Outgoing mail of this server.
pub struct Mailer {
    from: String,
    usual: Option<Place>,
    /// When the last one went out.
    last: Mutex<Option<Instant>>,
}

impl Mailer {
    /// As the configuration says.
    pub fn of(config: &Config) -> Self {
        let MailConfig { from, server, server_port, auth_username, auth_password, skip_verify } =
            &config.mail;
        let usual = (!server.is_empty()).then(|| Place {
            server: server.clone(),
            port: *server_port,
            user: auth_username.clone(),
            password: Secret::new(auth_password.expose().to_owned()),
            skip_verify: *skip_verify,
        });
        Self { from: from.clone(), usual, last: Mutex::default() }
    }

    /// Sends a mail: to the server of the configuration, unless another one is named.
    ///
    /// # Errors
    /// It comes too soon, cannot be written, or is not taken.
    pub fn send(&self, letter: &Letter, place: Option<&Place>) -> Result<(), MailError> {
        let place = place.or(self.usual.as_ref()).ok_or(MailError::NoServer)?;
        let message = self.written(letter)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < letter.period) {
            return Err(MailError::TooSoon);
        }
        *last = Some(Instant::now());
        drop(last);
        transport(place)?.send(&message)?;
        Ok(())
    }

    fn written(&self, letter: &Letter) -> Result<Message, MailError> {
        if letter.to.len().saturating_add(letter.cc.len()) > limits::MAIL_RECIPIENTS {
            return Err(MailError::TooMany);
        }
        let from = if letter.from.is_empty() { &self.from } else { &letter.from };
        let mut builder = Message::builder().from(mailbox(from)?).subject(letter.subject.as_str());
        for to in &letter.to {
            builder = builder.to(mailbox(to)?);
        }
        for cc in &letter.cc {
            builder = builder.cc(mailbox(cc)?);
        }
        Ok(builder.header(ContentType::TEXT_PLAIN).body(letter.body.clone())?)
    }
}

fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    address.parse().map_err(|cause| MailError::Address { address: address.to_owned(), cause })
}

/// A password goes over TLS only; without one, TLS is used where the server offers it.
fn transport(place: &Place) -> Result<SmtpTransport, MailError> {
    let port = if place.port == 0 { SUBMISSION } else { place.port };
    let parameters = TlsParameters::builder(place.server.clone())
        .dangerous_accept_invalid_certs(place.skip_verify)
        .dangerous_accept_invalid_hostnames(place.skip_verify)
        .build_rustls()?;
    let tls = match (port, place.user.is_empty()) {
        (SUBMISSIONS, _) => Tls::Wrapper(parameters),
        (_, false) => Tls::Required(parameters),
        (_, true) => Tls::Opportunistic(parameters),
    };
    let mut builder = SmtpTransport::builder_dangerous(&place.server)
        .port(port)
        .tls(tls)
        .timeout(Some(Duration::from_secs(limits::MAIL_SECONDS)));
    if !place.user.is_empty() {
        let password = place.password.expose().to_owned();
        builder = builder.credentials(Credentials::new(place.user.clone(), password));
    }
    Ok(builder.build())
}
