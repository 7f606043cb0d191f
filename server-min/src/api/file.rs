//! Files that collections brought, a part at a time.

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde_json::json;
use tonic::Status;

use super::caller;
use super::generated::VfsFileBuffer;
use crate::acl::Principal;
use crate::limits;
use crate::model::door::Door;
use crate::model::id::{FlowId, HuntId};
use crate::model::site::Site;
use crate::services::Services;
use crate::store::{Store, StoreError};

/// A stored file, as its parts name it: never a path on this host.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Upload { client: Site, flow: FlowId, upload: u64 },
    FlowDownload(Site, FlowId),
    HuntDownload(HuntId),
}

/// Reads a part; no bytes at the end.
pub(super) fn read(
    services: &Services,
    principal: Principal,
    wanted: VfsFileBuffer,
) -> Result<VfsFileBuffer, Status> {
    let org = caller::org(services, &principal, &wanted.org_id)?;
    let actor = caller::actor(services, principal, &org);
    let door = Door::Uploads;
    let details = json!({"components": wanted.components});
    let record = actor.enter(door, details);
    let name = actor.principal().name();
    let record = record.map_err(|error| caller::status(name, door.permissions(), &error))?;
    let Some(place) = place(&wanted.components) else {
        return Err(Status::not_found("there is no such file"));
    };
    let (file, size) = open(&org.store, &place).map_err(|error| {
        tracing::debug!(%error, "a file that is not there was asked for");
        Status::not_found("there is no such file")
    })?;
    if wanted.offset == 0 {
        // Once for a file, and not for each of its parts.
        org.store.audit(record).map_err(|_| Status::internal("the store cannot be used"))?;
    }
    let left = size.saturating_sub(wanted.offset);
    let length = left.min(u64::from(wanted.length)).min(limits::API_PART_BYTES);
    let mut data = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut data, wanted.offset)
        .map_err(|_| Status::data_loss("the file is cut off in the store"))?;
    Ok(VfsFileBuffer { data, ..wanted })
}

/// The file, and how many of its bytes count.
fn open(store: &Store, place: &Place) -> Result<(File, u64), StoreError> {
    let path = match place {
        Place::Upload { client, flow, upload } => {
            let files = store.uploads(client, flow)?;
            let found = files.into_iter().find(|one| one.number == *upload);
            let stored = found.ok_or(StoreError::Damaged("the name of a file"))?.stored;
            return Ok((store.open_upload(client, flow, *upload)?, stored));
        }
        Place::FlowDownload(client, flow) => store.flow_download(client, flow)?,
        Place::HuntDownload(hunt) => store.hunt_download(hunt)?,
    };
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// What `uploads()`, `create_flow_download()` and `create_hunt_download()` give as components.
fn place(components: &[String]) -> Option<Place> {
    let parts: Vec<&str> =
        components.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["clients", client, "collections", flow, "uploads", file] => {
            let number = file.split_once('-').map_or(*file, |(number, _)| number);
            let (client, flow) = (client.parse().ok()?, flow.parse().ok()?);
            Some(Place::Upload { client, flow, upload: number.parse().ok()? })
        }
        ["downloads", "hunts", hunt, _] => Some(Place::HuntDownload(hunt.parse().ok()?)),
        ["downloads", client, flow, _] => {
            Some(Place::FlowDownload(client.parse().ok()?, flow.parse().ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<u64> {
        let components: Vec<String> = path.split('/').map(str::to_owned).collect();
        match place(&components)? {
            Place::Upload { upload, .. } => Some(upload),
            Place::FlowDownload(..) => Some(1000),
            Place::HuntDownload(_) => Some(2000),
        }
    }

    #[test]
    fn a_file_is_named_by_client_collection_and_number() {
        let known = "/clients/C.0123456789abcdef/collections/F.ABC/uploads/7-passwd";
        assert_eq!(found(known), Some(7));
        assert_eq!(found("clients/C.0123456789abcdef/collections/F.ABC/uploads/7"), Some(7));
        assert_eq!(found("clients/server/collections/F.ABC/uploads/7-passwd"), Some(7));
        assert_eq!(found("/downloads/C.0123456789abcdef/F.ABC/x.zip"), Some(1000));
        assert_eq!(found("downloads/hunts/H.ABC/H.ABC.zip"), Some(2000));
        for other in [
            "downloads/../F.ABC/x.zip",
            "downloads/hunts/../x.zip",
            "clients/C.0123456789abcdef/collections/F.ABC/uploads/passwd",
            "clients/../collections/F.ABC/uploads/7",
            "clients/C.0123456789abcdef/collections/F.ABC/uploads/7/x",
            "etc/passwd",
            "",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
