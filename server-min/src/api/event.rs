//! Events that programs send.

use tonic::Status;
use troodon_vql::Permission;

use super::caller;
use super::generated::PushEventRequest;
use crate::acl::Principal;
use crate::events;
use crate::model::id::ArtifactName;
use crate::services::Services;

/// Keeps the rows of a request. Its right is a list of queues in the policy of whoever sends them.
pub(super) fn keep(
    services: &Services,
    principal: Principal,
    sent: &PushEventRequest,
) -> Result<(), Status> {
    // What a client saw comes from the client: nobody else can say it.
    if !matches!(sent.client_id.as_str(), "" | "server") {
        return Err(Status::invalid_argument("events of clients come from clients"));
    }
    let org = caller::org(services, &principal, &sent.org_id)?;
    let actor = caller::actor(services, principal, &org);
    let queue: ArtifactName =
        sent.artifact.parse().map_err(|_| Status::invalid_argument("no name of an artifact"))?;
    match events::send(&actor, &queue, &sent.jsonl) {
        Ok(_) => Ok(()),
        Err(error) => {
            let name = actor.principal().name();
            Err(caller::status(name, &[Permission::Publish], &error))
        }
    }
}
