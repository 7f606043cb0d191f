//! Every call, in the right and in the wrong organisation, and what in a request says nothing about its sender.

mod calls;
mod work;

use std::sync::Arc;

use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::{Code, Request, Status};
use troodon_proto::{VqlCollectorArgs, VqlRequest};

use super::caller::{self, Holder};
use super::generated::artifact_collector_context::State;
use super::generated::{
    ApiFlowRequest, ArtifactCollectorArgs, FlowDetails, PushEventRequest, VfsFileBuffer,
};
use super::here::Here;
use super::{event, file, flow, query};
use crate::account::{Accounts, Grant};
use crate::acl::{Acl, Principal};
use crate::artifact::Repository;
use crate::config::Config;
use crate::model::id::{OrgId, UserName};
use crate::model::policy::Policy;
use crate::model::role::Role;
use crate::orgs::{NewOrg, Orgs};
use crate::services::Services;
use crate::store::Store;

const QUEUE: &str = "Server.Test";
const CLIENT: &str = "C.0123456789abcdef";

struct Bench {
    services: Services,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// With organisations OA and OB; each role has a user in OA, and in no other organisation.
    fn new(lockdown: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { lockdown, ..Config::default() };
        config.client.nonce = "root".to_owned();
        config.datastore.location = folder.path().to_str().unwrap().to_owned();
        let store = Store::open(folder.path()).unwrap();
        let repository = Arc::new(Repository::built_in().unwrap());
        let open = Config::default();
        let acl = Acl::new(&open, store.clone()).unwrap();
        let orgs = Orgs::of(&config, Arc::clone(&repository), store.clone(), acl.clone());
        let server = Principal::Server { name: "VelociraptorServer".into() };
        for id in ["OA", "OB"] {
            let id = Some(id.parse().unwrap());
            orgs.create(&server, NewOrg { name: "x".into(), id, nonce: None }).unwrap();
        }
        let accounts = Accounts::new(acl, server, org("OA"));
        for role in Role::ALL {
            let policy = Policy::of([role]);
            accounts.grant(&name(role), policy, Grant::Replace).unwrap();
        }
        let policy = Policy::parse(&format!(r#"{{"publish_queues":["{QUEUE}"]}}"#)).unwrap();
        accounts.grant(&"publisher".parse().unwrap(), policy, Grant::Replace).unwrap();
        let acl = Acl::new(&config, store.clone()).unwrap();
        let orgs = Arc::new(Orgs::of(&config, repository, store, acl.clone()));
        let registry = Arc::new(crate::query::registry(&config).unwrap());
        Self { services: Services { orgs, acl, registry }, _folder: folder }
    }

    fn query(&self, user: &UserName, wanted: VqlCollectorArgs) -> Result<(), Status> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let turn = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
            let caller = of(self, user, &wanted.org_id)?;
            query::start(self.services.clone(), caller, wanted, turn).await.map(drop)
        })
    }

    fn read(&self, user: &UserName, org: &str) -> Result<(), Status> {
        let wanted = VfsFileBuffer { org_id: org.to_owned(), ..VfsFileBuffer::default() };
        let caller = of(self, user, org)?;
        file::read(&self.services, caller, wanted).map(drop)
    }

    fn push(&self, user: &UserName, org: &str) -> Result<(), Status> {
        let sent = PushEventRequest {
            artifact: QUEUE.to_owned(),
            jsonl: b"{\"a\":1}\n".to_vec(),
            org_id: org.to_owned(),
            ..PushEventRequest::default()
        };
        event::keep(&self.services, Principal::User { name: user.clone() }, &sent)
    }

    fn here(&self, user: &UserName, org: &str) -> Result<Here, Status> {
        Here::new(self.services.clone(), of(self, user, org)?, org)
    }

    fn collect(&self, user: &UserName, org: &str, client: &str) -> Result<String, Status> {
        let args = ArtifactCollectorArgs {
            client_id: client.to_owned(),
            artifacts: vec!["Generic.Client.Info".to_owned()],
            creator: "VelociraptorServer".to_owned(),
            ..ArtifactCollectorArgs::default()
        };
        flow::collect(&self.here(user, org)?, args).map(|made| made.flow_id)
    }

    fn cancel(&self, user: &UserName, org: &str, id: &str) -> Result<(), Status> {
        flow::cancel(&self.here(user, org)?, &of_client(id)).map(drop)
    }

    fn details(&self, user: &UserName, org: &str, id: &str) -> Result<FlowDetails, Status> {
        flow::details(&self.here(user, org)?, &of_client(id))
    }

    /// A client of an organisation.
    fn enrol(&self, at: &str) {
        let org = self.services.orgs.find(&org(at)).unwrap().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(org.store.enrol(CLIENT.parse().unwrap(), vec![1])).unwrap();
    }

    fn refusals(&self, org: &OrgId) -> usize {
        let org = self.services.orgs.find(org).unwrap().unwrap();
        let records = org.store.audit_records(0, usize::MAX).unwrap();
        records.iter().filter(|(_, record)| !record.allowed).count()
    }
}

fn of_client(id: &str) -> ApiFlowRequest {
    ApiFlowRequest { client_id: CLIENT.to_owned(), flow_id: id.to_owned() }
}

fn of(bench: &Bench, user: &UserName, org: &str) -> Result<Principal, Status> {
    caller::of(&request(user, ()), &bench.services, org)
}

fn request<T>(user: &UserName, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Holder::made_up(user.clone()));
    request
}

fn name(role: Role) -> UserName {
    role.name().parse().unwrap()
}

fn org(id: &str) -> OrgId {
    id.parse().unwrap()
}

fn ask(org: &str) -> VqlCollectorArgs {
    let vql = "SELECT whoami() FROM scope()".to_owned();
    let query = vec![VqlRequest { vql, ..VqlRequest::default() }];
    VqlCollectorArgs { query, org_id: org.to_owned(), ..VqlCollectorArgs::default() }
}

#[test]
fn every_call_of_the_api_is_decided_in_the_organisation_that_it_names() {
    let mut tried = 0;
    for lockdown in [false, true] {
        let bench = Bench::new(lockdown);
        for role in Role::ALL {
            let user = name(role);
            // None of these calls needs what lockdown denies.
            let queries =
                [Role::Administrator, Role::Analyst, Role::Investigator, Role::Api].contains(&role);
            let reads = queries || role == Role::Reader;
            let publishes = role == Role::Administrator && !lockdown;
            for place in ["OA", "OB", "root", "", "ONONE", "../OA", "OA/../OB"] {
                let is_here = place == "OA";
                let refused = bench.refusals(&org("OA"));
                let asked = bench.query(&user, ask(place));
                assert_eq!(asked.is_ok(), is_here && queries, "Query {role} {place} {asked:?}");
                let read = bench.read(&user, place);
                // There is no such file; who may not read does not hear that.
                let heard = read.as_ref().is_err_and(|status| status.code() == Code::NotFound);
                assert_eq!(heard, is_here && reads, "VFSGetBuffer {role} {place} {read:?}");
                let pushed = bench.push(&user, place);
                assert_eq!(pushed.is_ok(), is_here && publishes, "PushEvents {role} {place}");
                if is_here && !publishes && role != Role::OrgAdmin {
                    assert!(bench.refusals(&org("OA")) > refused, "{role}: nothing on record");
                }
                tried += 3;
            }
        }
        let publisher: UserName = "publisher".parse().unwrap();
        assert!(bench.push(&publisher, "OA").is_ok());
        for place in ["OB", "root", "", "ONONE"] {
            assert!(bench.push(&publisher, place).is_err(), "{place}");
        }
    }
    println!("{tried} calls");
}

#[test]
fn collections_are_started_ended_and_shown_to_whom_they_are_everywhere() {
    let mut made_any = false;
    for lockdown in [false, true] {
        let bench = Bench::new(lockdown);
        ["OA", "OB"].iter().for_each(|at| bench.enrol(at));
        for role in Role::ALL {
            let user = name(role);
            let collects = [Role::Administrator, Role::Investigator].contains(&role) && !lockdown;
            let reads = ![Role::OrgAdmin, Role::ArtifactWriter].contains(&role);
            for place in ["OA", "OB", "root", "ONONE"] {
                let is_here = place == "OA";
                let made = bench.collect(&user, place, CLIENT);
                assert_eq!(made.is_ok(), is_here && collects, "{role} {place} {made:?}");
                // For a client there is an artifact, and for the server it is of another type.
                let on_server = bench.collect(&user, place, "server").unwrap_err();
                let may = is_here && role == Role::Administrator && !lockdown;
                assert_eq!(on_server.code() == Code::InvalidArgument, may, "{role} {on_server:?}");
                let id = made.as_deref().unwrap_or("F.GONE");
                let shown = bench.details(&user, place, id);
                let heard = shown.as_ref().is_err_and(|status| status.code() == Code::NotFound);
                assert_eq!(heard || shown.is_ok(), is_here && reads, "{role} {place} {shown:?}");
                if let Ok(details) = shown {
                    let context = details.context.unwrap();
                    assert_eq!(context.state(), State::Running);
                    let asked = context.request.unwrap();
                    assert_eq!((asked.creator.as_str(), asked.artifacts.len()), (user.as_str(), 1));
                    made_any = true;
                }
                let ended = bench.cancel(&user, place, id);
                let heard = ended.as_ref().is_err_and(|status| status.code() == Code::NotFound);
                assert_eq!(heard || ended.is_ok(), is_here && collects, "{role} {place} {ended:?}");
            }
        }
    }
    assert!(made_any);
}

#[test]
fn no_header_changes_who_asks() {
    const NAMES: [&str; 14] = [
        "user",
        "username",
        "grpc-metadata-user",
        "x-forwarded-user",
        "x-remote-user",
        "authorization",
        "cookie",
        "orgid",
        "grpc-metadata-orgid",
        "x-user",
        "from",
        "x-ssl-client-cn",
        "forwarded",
        "via",
    ];
    const VALUES: [&str; 6] =
        ["administrator", "VelociraptorServer", "{\"name\":\"administrator\"}", "OB", "root", ""];
    let reader = name(Role::Reader);
    for header in NAMES {
        for value in VALUES {
            let key: MetadataKey<Ascii> = header.parse().unwrap();
            let value: MetadataValue<Ascii> = value.parse().unwrap();
            let mut with = request(&reader, ());
            with.metadata_mut().insert(key.clone(), value.clone());
            assert_eq!(caller::named(&with).unwrap(), Principal::User { name: reader.clone() });
            let mut without = Request::new(());
            without.metadata_mut().insert(key, value);
            let refused = caller::named(&without).unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{header}");
        }
    }
}

#[test]
fn fields_that_are_not_for_callers_change_nothing() {
    let bench = Bench::new(false);
    for role in [Role::Reader, Role::Api] {
        let user = name(role);
        let wanted = VqlCollectorArgs {
            principal: "administrator".into(),
            effective_principal: "VelociraptorServer".into(),
            ..ask("OA")
        };
        assert_eq!(bench.query(&user, wanted).is_ok(), role == Role::Api);
        let store = &bench.services.orgs.find(&org("OA")).unwrap().unwrap().store;
        let records = store.audit_records(0, usize::MAX).unwrap();
        let (_, last) = records.last().unwrap();
        assert_eq!(last.principal, user.as_str());
        assert_eq!(last.operation, "Query");
    }
}
