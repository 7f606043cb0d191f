//! Collections that programs start, end and look at.

use tonic::Status;
use troodon_proto::VqlEnv;

use super::caller;
use super::generated::artifact_collector_context::State;
use super::generated::{
    ApiFlowRequest, ArtifactCollectorArgs, ArtifactCollectorContext, ArtifactCollectorResponse,
    ArtifactParameters, ArtifactSpec, FlowDetails, StartFlowResponse,
};
use crate::acl::Principal;
use crate::actor::ActError;
use crate::flows;
use crate::launcher::{Collect, LaunchError, Limits, Spec};
use crate::model::door::Door;
use crate::model::flow::{Flow, FlowState};
use crate::model::id::FlowId;
use crate::model::site::Site;
use crate::services::Services;
use crate::store::{StoreError, now_us};

/// Starts a collection. What says who asks, or what runs in place of the artifacts, does not count.
pub(super) fn collect(
    services: &Services,
    principal: &Principal,
    org: &str,
    args: ArtifactCollectorArgs,
) -> Result<ArtifactCollectorResponse, Status> {
    let org = caller::org(services, principal, org)?;
    let launched = org.launcher.launch(principal, site(&args.client_id)?, &wanted(&args));
    let flow_id = launched.map_err(|error| refusal(&error))?.as_str().to_owned();
    let request = ArtifactCollectorArgs { creator: principal.name().to_owned(), ..args };
    Ok(ArtifactCollectorResponse { flow_id, request: Some(request) })
}

/// Ends a collection.
pub(super) fn cancel(
    services: &Services,
    principal: Principal,
    org: &str,
    wanted: &ApiFlowRequest,
) -> Result<StartFlowResponse, Status> {
    let org = caller::org(services, &principal, org)?;
    let (site, id) = (site(&wanted.client_id)?, flow_id(&wanted.flow_id)?);
    let actor = caller::actor(services, principal, &org);
    flows::cancel(&actor, site, &id).map_err(|error| match error {
        ActError::Store(error) => refusal(&error.into()),
        other => {
            let needs = Door::of_cancelling(site).permissions();
            caller::status(actor.principal().name(), needs, &other)
        }
    })?;
    Ok(StartFlowResponse { flow_id: id.as_str().to_owned() })
}

/// How far a collection is.
pub(super) fn details(
    services: &Services,
    principal: Principal,
    org: &str,
    wanted: &ApiFlowRequest,
) -> Result<FlowDetails, Status> {
    let org = caller::org(services, &principal, org)?;
    let actor = caller::actor(services, principal, &org);
    let about = serde_json::json!({"client_id": wanted.client_id, "flow_id": wanted.flow_id});
    actor.enter(Door::Results, about).map_err(|error| {
        caller::status(actor.principal().name(), Door::Results.permissions(), &error)
    })?;
    let (site, id) = (site(&wanted.client_id)?, flow_id(&wanted.flow_id)?);
    let flow = org.store.flow(site, &id).map_err(|error| refusal(&error.into()))?;
    Ok(FlowDetails { context: Some(context(&flow)) })
}

fn site(text: &str) -> Result<Site, Status> {
    text.parse().map_err(|_| Status::invalid_argument("client_id is none"))
}

fn flow_id(text: &str) -> Result<FlowId, Status> {
    text.parse().map_err(|_| Status::invalid_argument("flow_id is none"))
}

/// The artifacts in their order, each with the first spec of its name.
fn wanted(args: &ArtifactCollectorArgs) -> Collect {
    let spec = |name: &String| {
        let own = args.specs.iter().find(|spec| spec.artifact == *name);
        let given = own.and_then(|spec| spec.parameters.as_ref()).into_iter();
        let given = given.flat_map(|parameters| &parameters.env);
        let parameters = given.map(|one| (one.key.clone(), one.value.clone()));
        Spec { artifact: name.clone(), parameters: parameters.collect() }
    };
    Collect {
        specs: args.artifacts.iter().map(spec).collect(),
        limits: Limits {
            timeout: args.timeout,
            ops_per_second: args.ops_per_second,
            cpu_limit: args.cpu_limit,
            iops_limit: args.iops_limit,
            max_rows: args.max_rows,
            max_upload_bytes: args.max_upload_bytes,
            ..Limits::default()
        },
        urgent: args.urgent,
    }
}

/// The other way.
fn asked(flow: &Flow) -> ArtifactCollectorArgs {
    let collect = Collect::read(&flow.spec).unwrap_or_default();
    let specs = collect.specs.iter().map(|spec| {
        let given = spec.parameters.iter();
        let env = given.map(|(key, value)| VqlEnv {
            key: key.clone(),
            value: value.clone(),
            ..VqlEnv::default()
        });
        let parameters = Some(ArtifactParameters { env: env.collect() });
        ArtifactSpec { artifact: spec.artifact.clone(), parameters }
    });
    ArtifactCollectorArgs {
        creator: flow.creator.clone(),
        client_id: flow.site.to_string(),
        urgent: flow.urgent,
        artifacts: collect.specs.iter().map(|spec| spec.artifact.clone()).collect(),
        specs: specs.collect(),
        timeout: collect.limits.timeout,
        ops_per_second: collect.limits.ops_per_second,
        cpu_limit: collect.limits.cpu_limit,
        iops_limit: collect.limits.iops_limit,
        max_rows: collect.limits.max_rows,
        max_upload_bytes: collect.limits.max_upload_bytes,
    }
}

fn context(flow: &Flow) -> ArtifactCollectorContext {
    let totals = flow.totals();
    let queries = flow.stats.query_status.iter();
    let state = match flow.state(now_us()) {
        FlowState::Running => State::Running,
        FlowState::Finished => State::Finished,
        FlowState::Error => State::Error,
        FlowState::InProgress => State::InProgress,
        FlowState::Unresponsive => State::Unresponsive,
        FlowState::Waiting => State::Waiting,
    };
    ArtifactCollectorContext {
        client_id: flow.site.to_string(),
        session_id: flow.id.as_str().to_owned(),
        request: Some(asked(flow)),
        create_time: flow.created_us,
        start_time: flow.delivered_us,
        active_time: flow.active_us,
        total_uploaded_files: totals.uploaded_files,
        total_expected_uploaded_bytes: totals.expected_bytes,
        total_uploaded_bytes: totals.uploaded_bytes,
        total_collected_rows: totals.rows,
        total_logs: totals.logs,
        execution_duration: i64::try_from(totals.duration_ns).unwrap_or(i64::MAX),
        state: state.into(),
        status: flow.status().to_owned(),
        artifacts_with_results: queries.flat_map(|one| one.names_with_response.clone()).collect(),
    }
}

/// How a refusal is said.
fn refusal(error: &LaunchError) -> Status {
    match error {
        LaunchError::Denied(_) => Status::permission_denied(error.to_string()),
        LaunchError::Compile(_) | LaunchError::Name(_) => {
            Status::invalid_argument(error.to_string())
        }
        LaunchError::Store(StoreError::NoClient(_) | StoreError::NoFlow { .. }) => {
            Status::not_found(error.to_string())
        }
        LaunchError::Store(StoreError::Limit(..)) => Status::resource_exhausted(error.to_string()),
        LaunchError::Store(_) | LaunchError::Random(_) => {
            tracing::error!(%error, "a collection is not started");
            Status::internal("the store cannot be used")
        }
    }
}
