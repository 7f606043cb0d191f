//! A caller in the organisation that its call names, and how what it cannot have is said.

use std::sync::Arc;

use serde_json::Value;
use tonic::Status;

use super::caller;
use crate::acl::Principal;
use crate::actor::{ActError, Actor};
use crate::export::ExportError;
use crate::hunts::HuntError;
use crate::launcher::LaunchError;
use crate::model::audit::Record;
use crate::model::door::Door;
use crate::model::site::Site;
use crate::notebooks::NotebookError;
use crate::orgs::Org;
use crate::query::Backend;
use crate::services::Services;
use crate::store::StoreError;

/// A caller, where it is.
pub(super) struct Here {
    pub(super) services: Services,
    pub(super) org: Arc<Org>,
    pub(super) actor: Actor,
}

impl Here {
    /// Finds the organisation. What the caller may do in it is asked at the doors.
    pub(super) fn new(services: Services, caller: Principal, org: &str) -> Result<Self, Status> {
        let org = caller::org(&services, &caller, org)?;
        let actor = caller::actor(&services, caller, &org);
        Ok(Self { services, org, actor })
    }

    /// The same caller, for another thread.
    pub(super) fn again(&self) -> Self {
        let (services, org) = (self.services.clone(), Arc::clone(&self.org));
        let actor = caller::actor(&services, self.actor.principal().clone(), &org);
        Self { services, org, actor }
    }

    /// Passes a door.
    pub(super) fn enter(&self, door: Door, about: Value) -> Result<Record, Status> {
        self.actor.enter(door, about).map_err(|error| self.refusal(door, error))
    }

    /// What the caller's queries work with.
    pub(super) fn backend(&self) -> Backend {
        let Services { orgs, acl, .. } = &self.services;
        Backend::new(orgs, &self.org, acl, self.actor.principal().clone())
    }

    /// How is said that something behind a door is not to be had.
    pub(super) fn refusal(&self, door: Door, why: impl Into<Why>) -> Status {
        match why.into() {
            Why::Act(ActError::Store(error)) | Why::Store(error) => stored(&error),
            Why::Act(error) => {
                caller::status(self.actor.principal().name(), door.permissions(), &error)
            }
            Why::Launch(error) => launched(&error),
            Why::Failed(text) => failed(&text),
        }
    }
}

/// Why a call is refused or has failed.
pub(super) enum Why {
    Act(ActError),
    Launch(LaunchError),
    Store(StoreError),
    /// The machine fails, and not the caller.
    Failed(String),
}

impl From<ActError> for Why {
    fn from(error: ActError) -> Self {
        Self::Act(error)
    }
}

impl From<LaunchError> for Why {
    fn from(error: LaunchError) -> Self {
        Self::Launch(error)
    }
}

impl From<StoreError> for Why {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<HuntError> for Why {
    fn from(error: HuntError) -> Self {
        match error {
            HuntError::Act(error) => Self::Act(error),
            HuntError::Launch(error) => Self::Launch(error),
            HuntError::Store(error) => Self::Store(error),
            HuntError::Random(error) => Self::Failed(error.to_string()),
        }
    }
}

impl From<NotebookError> for Why {
    fn from(error: NotebookError) -> Self {
        match error {
            NotebookError::Act(error) => Self::Act(error),
            NotebookError::Launch(error) => Self::Launch(error),
            NotebookError::Compile(error) => Self::Launch(error.into()),
            NotebookError::Store(error) => Self::Store(error),
            NotebookError::Random(error) => Self::Failed(error.to_string()),
            NotebookError::Output(error) => Self::Failed(error.to_string()),
        }
    }
}

impl From<ExportError> for Why {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Act(error) => Self::Act(error),
            ExportError::Store(error) => Self::Store(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

fn launched(error: &LaunchError) -> Status {
    match error {
        LaunchError::Denied(_) => Status::permission_denied(error.to_string()),
        LaunchError::Compile(_) | LaunchError::Name(_) => {
            Status::invalid_argument(error.to_string())
        }
        LaunchError::Store(error) => stored(error),
        LaunchError::Random(_) => failed(&error.to_string()),
    }
}

/// How a refusal of the store is said.
pub(super) fn stored(error: &StoreError) -> Status {
    match error {
        StoreError::NoClient(_)
        | StoreError::NoFlow { .. }
        | StoreError::NoHunt(_)
        | StoreError::NoNotebook(_)
        | StoreError::NoCell(..) => Status::not_found(error.to_string()),
        StoreError::Limit(..) => Status::resource_exhausted(error.to_string()),
        _ => failed(&error.to_string()),
    }
}

fn failed(error: &str) -> Status {
    tracing::error!(error, "a call cannot be answered");
    Status::internal("the store cannot be used")
}

/// Reads an id of a request.
pub(super) fn id<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Status> {
    text.parse().map_err(|_| Status::invalid_argument(format!("{field} is none")))
}

/// The client or the server of a request.
pub(super) fn site(text: &str) -> Result<Site, Status> {
    id("client_id", text)
}
