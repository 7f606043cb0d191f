//! Certificates from an authority that speaks ACME (RFC 8555): got, renewed and shown without a restart.
//!
//! Authorities count how often they are asked, and shut out for days who asks too often. So each attempt is on disk before
//! it is made, pauses double from an hour to a day, a pause that the authority names is kept, and where the disk cannot be
//! written nobody is asked at all.

mod answers;
mod attempts;
mod hook;
mod order;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::config::{ConfigError, write_private};
use crate::frontend::{FrontendError, Shown};
use crate::limits;
use crate::pki;
use crate::store::now_us;

pub use answers::{Answers, Plain};
pub use attempts::{Attempts, Pace};
use order::{Issued, Named};

/// Which certificate, from whom.
#[derive(Debug)]
pub struct Settings {
    /// `autocert_cert_cache`: where account, certificate and attempts are kept.
    pub folder: PathBuf,
    /// Where the authority describes itself.
    pub directory: String,
    /// For which names.
    pub names: Vec<String>,
    /// Addresses that the authority may write to, as `mailto:`.
    pub contact: Vec<String>,
    /// How it is shown whose the names are.
    pub challenge: Challenge,
    /// Whose certificates the authority itself may have.
    pub tls: Arc<ClientConfig>,
    /// How often it is asked.
    pub pace: Pace,
}

/// How it is shown whose a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// At port 80.
    Http,
    /// In a handshake at port 443.
    TlsAlpn,
    /// By a record in DNS.
    Dns {
        /// The program that writes it.
        hook: PathBuf,
    },
}

impl Settings {
    fn account_file(&self) -> PathBuf {
        self.folder.join("account.json")
    }

    /// Another authority, or other names, are another wish.
    fn wanted(&self) -> String {
        format!("{} {}", self.directory, self.names.join(" "))
    }
}

/// Looks after one certificate.
pub struct Keeper {
    settings: Settings,
    shown: Arc<Shown>,
    answers: Arc<Answers>,
    /// As it was at the last look.
    report: Mutex<Report>,
}

/// How it goes.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// There is a certificate of the authority.
    pub is_there: bool,
    /// When there is another attempt, in microseconds since 1970.
    pub next_us: u64,
    /// What has been tried.
    pub attempts: Attempts,
}

impl Keeper {
    /// Shows the certificate that is kept, if there is one for these names; else what `until_then` shows.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(settings: Settings, until_then: Shown) -> Result<Self, ConfigError> {
        let folder = &settings.folder;
        std::fs::create_dir_all(folder)
            .map_err(|cause| ConfigError::File { path: folder.clone(), cause })?;
        let (shown, answers) = (Arc::new(until_then), Arc::default());
        let keeper = Self { settings, shown, answers, report: Mutex::default() };
        if let Some(kept) = keeper.kept()? {
            let replaced = keeper.shown.replace(&kept.chain, &kept.key);
            if let Err(error) = replaced {
                tracing::error!(%error, "the certificate that is kept cannot be shown");
            }
        }
        keeper.look()?;
        Ok(keeper)
    }

    /// What TLS shows.
    #[must_use]
    pub const fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// What the authority is answered.
    #[must_use]
    pub const fn answers(&self) -> &Arc<Answers> {
        &self.answers
    }

    /// How it goes.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets and renews, until `stop` holds `true` or its sender is gone.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let pause = match self.look() {
                // What is on disk decides, and somebody may have changed it.
                Ok(due) => Duration::from_micros(due.saturating_sub(now_us())),
                Err(error) => {
                    tracing::error!(%error, "no certificate is asked for");
                    Duration::MAX
                }
            };
            let work = async {
                tokio::time::sleep(pause.min(Duration::from_secs(limits::ACME_LOOK_SECONDS))).await;
                if pause <= Duration::from_secs(limits::ACME_LOOK_SECONDS)
                    && let Err(error) = self.attempt().await
                {
                    tracing::error!(%error, "no certificate is asked for");
                }
            };
            tokio::select! {
                () = work => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
    }

    /// One attempt, whether it is time or not.
    ///
    /// # Errors
    /// It cannot be kept that there is an attempt: then there is none.
    pub async fn attempt(&self) -> Result<(), ConfigError> {
        let (path, pace) = (self.attempts_file(), &self.settings.pace);
        let before = Attempts::load(&path, &self.settings.wanted())?;
        before.begun(pace, now_us()).save(&path)?;
        let named = Arc::<Named>::default();
        let patience = Duration::from_secs(limits::ACME_ORDER_SECONDS);
        let asked = order::get(&self.settings, &self.answers, &named);
        let got = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(issued)) => self.take(&issued).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the authority takes too long".to_owned()),
        };
        let after = match got {
            Ok(()) => {
                tracing::info!(names = %self.settings.names.join(" "), "TLS shows a new certificate");
                before.succeeded(pace, now_us())
            }
            Err(why) => {
                let after = before.failed(pace, now_us(), why, named.take());
                let pause = after.not_before_us.saturating_sub(now_us()) / 60_000_000;
                tracing::error!(why = %after.why, "no certificate; the next attempt is in {pause} minutes");
                after
            }
        };
        after.save(&path)?;
        self.look().map(drop)
    }

    /// Keeps a certificate, then shows it.
    fn take(&self, issued: &Issued) -> Result<(), TakeError> {
        // What cannot be shown is not kept either.
        Shown::new(&issued.chain, &issued.key)?;
        let text = Zeroizing::new(format!("{}{}", *issued.key, issued.chain));
        write_private(&self.certificate_file(), text)?;
        self.shown.replace(&issued.chain, &issued.key)?;
        Ok(())
    }

    /// When the next attempt is due.
    fn look(&self) -> Result<u64, ConfigError> {
        let attempts = Attempts::load(&self.attempts_file(), &self.settings.wanted())?;
        let validity = self.kept()?.and_then(|kept| validity(&kept.chain));
        let next_us = attempts.due_us(validity);
        let report = Report { is_there: validity.is_some(), next_us, attempts };
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        Ok(next_us)
    }

    /// The certificate on disk, if it is for these names.
    fn kept(&self) -> Result<Option<Issued>, ConfigError> {
        let path = self.certificate_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(ConfigError::File { path, cause }),
        };
        let is_for_all = CertificateDer::from_pem_slice(text.as_bytes())
            .is_ok_and(|first| self.settings.names.iter().all(|name| is_for(&first, name)));
        // Readers of either skip the other.
        Ok(is_for_all.then(|| Issued { chain: text.to_string(), key: text }))
    }

    fn certificate_file(&self) -> PathBuf {
        self.settings.folder.join("certificate.pem")
    }

    fn attempts_file(&self) -> PathBuf {
        self.settings.folder.join("attempts.json")
    }
}

/// Why a certificate of the authority is of no use.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("what the authority sent: {0}")]
    Certificate(#[from] FrontendError),
}

/// Whether a certificate is for a name, or for all names of a kind.
fn is_for(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let one = name.replacen('*', "one", 1);
    let (Ok(certificate), Ok(one)) =
        (ParsedCertificate::try_from(certificate), ServerName::try_from(one))
    else {
        return false;
    };
    verify_server_name(&certificate, &one).is_ok()
}

fn validity(chain: &str) -> Option<(u64, u64)> {
    pki::validity_us(&CertificateDer::from_pem_slice(chain.as_bytes()).ok()?)
}
