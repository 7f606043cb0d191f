//! Who asks: the name in the certificate that opened the connection.

use std::sync::Arc;

use tonic::metadata::MetadataValue;
use tonic::{Request, Status};
use troodon_vql::Permission;

use super::here;
use crate::acl::Principal;
use crate::actor::{ActError, Actor};
use crate::model::decision::Standing;
use crate::model::id::{OrgId, UserName};
use crate::orgs::Org;
use crate::pki;
use crate::services::Services;

/// The holder of the certificate of a connection. Only [`name_in`] makes one, and only from a certificate that TLS has
/// verified.
#[derive(Debug, Clone)]
pub(super) struct Holder(UserName);

#[cfg(test)]
impl Holder {
    /// Of a connection that tests make up.
    pub(super) const fn made_up(name: UserName) -> Self {
        Self(name)
    }
}

/// The name in a verified certificate; `None` when it has none that a user could have.
pub(super) fn name_in(certificate: &[u8]) -> Option<Holder> {
    pki::common_name(certificate)?.parse().ok().map(Holder)
}

/// Who asks, whatever they may do.
pub(super) fn named<T>(request: &Request<T>) -> Result<Principal, Status> {
    match request.extensions().get::<Holder>() {
        Some(Holder(name)) => Ok(Principal::User { name: name.clone() }),
        None => Err(Status::unauthenticated("the certificate names no user")),
    }
}

/// Who asks, in the organisation that the request names. A holder without any rights there is refused: such certificates
/// open the frontend to agents.
pub(super) fn of<T>(
    request: &Request<T>,
    services: &Services,
    org: &str,
) -> Result<Principal, Status> {
    let principal = named(request)?;
    let org = named_org(org)?;
    if has_rights(services, &principal, &org) { Ok(principal) } else { Err(refused(&principal)) }
}

/// Who asks, with rights in some organisation.
pub(super) fn anywhere<T>(request: &Request<T>, services: &Services) -> Result<Principal, Status> {
    let principal = named(request)?;
    let listed = services.orgs.list().map_err(|error| here::stored(&error))?;
    match listed.iter().any(|org| has_rights(services, &principal, &org.id)) {
        true => Ok(principal),
        false => Err(refused(&principal)),
    }
}

/// The organisation that the metadata name, for calls whose messages name none.
pub(super) fn org_of<T>(request: &Request<T>) -> Result<String, Status> {
    match request.metadata().get("orgid").map(MetadataValue::to_str) {
        None => Ok(String::new()),
        Some(Ok(org)) => Ok(org.to_owned()),
        Some(Err(_)) => Err(Status::invalid_argument("orgid is none")),
    }
}

fn has_rights(services: &Services, principal: &Principal, org: &OrgId) -> bool {
    let standing = services.acl.standing(principal, org);
    matches!(standing, Standing::Holds(rights) if !rights.is_empty())
}

fn refused(principal: &Principal) -> Status {
    let name = principal.name();
    tracing::warn!(user = name, "a certificate without rights was shown to the API");
    Status::permission_denied(format!("Permission denied: User {name} has no rights here"))
}

fn named_org(text: &str) -> Result<OrgId, Status> {
    text.parse().map_err(|_| Status::invalid_argument("org_id is none"))
}

/// The organisation that a caller names. What it may do there is asked at the doors.
pub(super) fn org(services: &Services, caller: &Principal, org: &str) -> Result<Arc<Org>, Status> {
    let found = services.orgs.of_caller(caller, &named_org(org)?);
    found.map_err(|error| status(caller.name(), &[Permission::ReadResults], &error))
}

/// The caller as it acts in an organisation.
pub(super) fn actor(services: &Services, caller: Principal, org: &Org) -> Actor {
    Actor::new(org.store.clone(), services.acl.clone(), caller)
}

/// How a refusal is said.
pub(super) fn status(caller: &str, needs: &[Permission], error: &ActError) -> Status {
    match error {
        ActError::Denied(why) => {
            let needs = needs.iter().map(|one| one.name()).collect::<Vec<_>>().join(" ");
            let text =
                format!("Permission denied: User {caller} requires permission {needs} ({why})");
            Status::permission_denied(text)
        }
        ActError::Wrong(why) => Status::invalid_argument(why.clone()),
        ActError::Store(error) => here::stored(error),
    }
}
