//! Why a page is not shown, and what is shown instead.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::page::{self, Problem};
use crate::account::{AccountError, SignInError};
use crate::actor::ActError;
use crate::artifacts::ArtifactsError;
use crate::hunts::HuntError;
use crate::launcher::LaunchError;
use crate::lockdown::LockdownError;
use crate::model::unlock::ExitFault;
use crate::monitoring::MonitoringError;
use crate::notebooks::NotebookError;
use crate::password::PasswordFault;
use crate::server_monitoring::ServerMonitoringError;
use crate::store::StoreError;

/// For programs alone: browsers are led to the page for signing in, and never ask for a password themselves.
const CHALLENGE: &str = "Basic realm=\"Troodon\", charset=\"UTF-8\"";

/// Why a page is not shown.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody is signed in: there is the sign-in page, and then this one.
    SignedOut {
        /// Goes before every path.
        base: String,
    },
    /// The rights of the visitor, lockdown, or a form from elsewhere.
    Denied(String),
    /// There is no such thing.
    Missing(String),
    /// A form or an address that makes no sense.
    Wrong(String),
    /// A program showed a name and a password that do not open anything.
    NoTool,
    /// Too many wrong passwords or codes from this address.
    TooMany,
    /// It is our fault; the log has the details.
    Failed,
}

impl Fault {
    pub(super) fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a page failed");
        Self::Failed
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoClient(_)
            | StoreError::NoFlow { .. }
            | StoreError::NoHunt(_)
            | StoreError::NoNotebook(_)
            | StoreError::NoCell(..) => Self::Missing(error.to_string()),
            StoreError::Limit(..) => Self::Wrong(error.to_string()),
            other => Self::failed(&other),
        }
    }
}

impl From<ActError> for Fault {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Denied(why) => Self::Denied(why),
            ActError::Wrong(why) => Self::Wrong(why),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<LaunchError> for Fault {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Denied(why) => Self::Denied(why),
            LaunchError::Store(error) => error.into(),
            LaunchError::Compile(fault) => Self::Wrong(fault.to_string()),
            LaunchError::Name(fault) => Self::Wrong(fault.to_string()),
            LaunchError::Random(error) => Self::failed(&error),
        }
    }
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Denied(why) => Self::Denied(why),
            AccountError::Store(error) => error.into(),
            AccountError::Password(PasswordFault::Hash(why)) => Self::failed(&why),
            AccountError::Unknown(_) => Self::Missing(error.to_string()),
            AccountError::Reserved(_) | AccountError::Exists(_) | AccountError::Password(_) => {
                Self::Wrong(error.to_string())
            }
        }
    }
}

impl From<ArtifactsError> for Fault {
    fn from(error: ArtifactsError) -> Self {
        match error {
            ArtifactsError::Act(error) => error.into(),
            ArtifactsError::Definition(error) => Self::Wrong(error.to_string()),
            ArtifactsError::Store(error) => error.into(),
        }
    }
}

impl From<LockdownError> for Fault {
    fn from(error: LockdownError) -> Self {
        match error {
            LockdownError::Act(error) => error.into(),
            LockdownError::Exit(ExitFault::Alone) => Self::Denied(error.to_string()),
            LockdownError::Exit(fault) => Self::Wrong(fault.to_string()),
            LockdownError::SignIn(SignInError::Store(error)) | LockdownError::Store(error) => {
                error.into()
            }
            LockdownError::SignIn(fault) => Self::Denied(fault.to_string()),
        }
    }
}

impl From<HuntError> for Fault {
    fn from(error: HuntError) -> Self {
        match error {
            HuntError::Act(error) => error.into(),
            HuntError::Launch(error) => error.into(),
            HuntError::Store(error) => error.into(),
            HuntError::Random(error) => Self::failed(&error),
        }
    }
}

impl From<MonitoringError> for Fault {
    fn from(error: MonitoringError) -> Self {
        match error {
            MonitoringError::Launch(error) => error.into(),
            MonitoringError::Compile(fault) => Self::Wrong(fault.to_string()),
            MonitoringError::Store(error) => error.into(),
        }
    }
}

impl From<NotebookError> for Fault {
    fn from(error: NotebookError) -> Self {
        match error {
            NotebookError::Act(error) => error.into(),
            NotebookError::Launch(error) => error.into(),
            NotebookError::Compile(fault) => Self::Wrong(fault.to_string()),
            NotebookError::Store(error) => error.into(),
            NotebookError::Random(error) => Self::failed(&error),
            NotebookError::Output(error) => Self::failed(&error),
        }
    }
}

impl From<ServerMonitoringError> for Fault {
    fn from(error: ServerMonitoringError) -> Self {
        match error {
            ServerMonitoringError::Act(error) => error.into(),
            ServerMonitoringError::Launch(error) => error.into(),
            ServerMonitoringError::Store(error) => error.into(),
            ServerMonitoringError::Absent(_) => Self::Missing(error.to_string()),
            ServerMonitoringError::Compile(_) => Self::Wrong(error.to_string()),
        }
    }
}

impl From<askama::Error> for Fault {
    fn from(error: askama::Error) -> Self {
        Self::failed(&error)
    }
}

impl From<tokio::task::JoinError> for Fault {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::failed(&error)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, title, text) = match self {
            Self::SignedOut { base } => {
                return Redirect::to(&format!("{base}/sign-in")).into_response();
            }
            Self::Denied(why) => (StatusCode::FORBIDDEN, "Not permitted", why),
            Self::Missing(what) => (StatusCode::NOT_FOUND, "Not found", what),
            Self::Wrong(why) => (StatusCode::BAD_REQUEST, "That does not work", why),
            Self::NoTool => {
                let text = "The key, or name and password, are wrong or count no more, or the account has a second factor: \
                            then make a key on the page of the account.";
                let page =
                    page::html(StatusCode::UNAUTHORIZED, &Problem { title: "Not signed in", text });
                return ([(header::WWW_AUTHENTICATE, CHALLENGE)], page).into_response();
            }
            Self::TooMany => {
                let text =
                    "There were too many attempts from your address. Try again in ten minutes.";
                (StatusCode::TOO_MANY_REQUESTS, "Too many attempts", text.to_owned())
            }
            Self::Failed => {
                let text = "The server could not do this. Its log says why.".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "Something failed", text)
            }
        };
        page::html(status, &Problem { title, text: &text })
    }
}
