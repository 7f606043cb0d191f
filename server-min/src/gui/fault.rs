//! Why a page is not shown, and what is shown instead.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::page::{self, Problem};
use crate::actor::ActError;
use crate::launcher::LaunchError;
use crate::store::StoreError;

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
    /// It is our fault; the log has the details.
    Failed,
}

impl Fault {
    fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a page failed");
        Self::Failed
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoClient(_) | StoreError::NoFlow { .. } => Self::Missing(error.to_string()),
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
            Self::Failed => {
                let text = "The server could not do this. Its log says why.".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "Something failed", text)
            }
        };
        page::html(status, &Problem { title, text: &text })
    }
}
