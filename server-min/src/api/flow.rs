//! Collections that programs start, end and look at.

use serde_json::json;
use tonic::Status;
use troodon_proto::VqlEnv;
use zeroize::Zeroizing;

use super::generated::artifact_collector_context::State;
use super::generated::{
    ApiFlowRequest, ArtifactCollectorArgs, ArtifactCollectorContext, ArtifactCollectorResponse,
    ArtifactParameters, ArtifactSpec, CreateDownloadRequest, CreateDownloadResponse, FlowDetails,
    StartFlowResponse,
};
use super::here::{Here, id, site};
use crate::export::{self, Wishes};
use crate::flows;
use crate::launcher::{Collect, Limits, Spec};
use crate::model::door::Door;
use crate::model::flow::{Flow, FlowState};
use crate::store::now_us;

/// Starts a collection. What says who asks, or what runs in place of the artifacts, does not count.
pub(super) fn collect(
    here: &Here,
    args: ArtifactCollectorArgs,
) -> Result<ArtifactCollectorResponse, Status> {
    let (site, principal) = (site(&args.client_id)?, here.actor.principal());
    let launched = here.org.launcher.launch(principal, site, &wanted(&args));
    let launched = launched.map_err(|error| here.refusal(Door::of_collecting(site), error))?;
    let flow_id = launched.as_str().to_owned();
    let request = ArtifactCollectorArgs { creator: principal.name().to_owned(), ..args };
    Ok(ArtifactCollectorResponse { flow_id, request: Some(request) })
}

/// Ends a collection.
pub(super) fn cancel(here: &Here, wanted: &ApiFlowRequest) -> Result<StartFlowResponse, Status> {
    let site = site(&wanted.client_id)?;
    flows::cancel(&here.actor, site, &id("flow_id", &wanted.flow_id)?)
        .map_err(|error| here.refusal(Door::of_cancelling(site), error))?;
    Ok(StartFlowResponse { flow_id: wanted.flow_id.clone() })
}

/// How far a collection is.
pub(super) fn details(here: &Here, wanted: &ApiFlowRequest) -> Result<FlowDetails, Status> {
    let about = json!({"client_id": wanted.client_id, "flow_id": wanted.flow_id});
    here.enter(Door::Results, about)?;
    let (site, id) = (site(&wanted.client_id)?, id("flow_id", &wanted.flow_id)?);
    let flow = here.org.store.flow(site, &id);
    let flow = flow.map_err(|error| here.refusal(Door::Results, error))?;
    Ok(FlowDetails { context: Some(context(&flow)) })
}

/// Makes one file of a collection or of a hunt.
pub(super) fn download(
    here: &Here,
    wanted: CreateDownloadRequest,
) -> Result<CreateDownloadResponse, Status> {
    let password = Some(Zeroizing::new(wanted.password)).filter(|password| !password.is_empty());
    let wishes = Wishes { password };
    let made = match wanted.hunt_id.as_str() {
        "" => {
            let (site, flow) = (site(&wanted.client_id)?, id("flow_id", &wanted.flow_id)?);
            export::flow_download(&here.actor, site, &flow, &wishes)
        }
        hunt => export::hunt_download(&here.actor, &id("hunt_id", hunt)?, &wishes),
    };
    let made = made.map_err(|error| here.refusal(Door::Export, error))?;
    Ok(CreateDownloadResponse { vfs_path: made.join("/") })
}

/// The artifacts in their order, each with the first spec of its name.
pub(super) fn wanted(args: &ArtifactCollectorArgs) -> Collect {
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
        ..Collect::default()
    }
}

/// The other way.
pub(super) fn asked(spec: &serde_json::Value) -> ArtifactCollectorArgs {
    let collect = Collect::read(spec).unwrap_or_default();
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
        urgent: collect.urgent,
        artifacts: collect.specs.iter().map(|spec| spec.artifact.clone()).collect(),
        specs: specs.collect(),
        timeout: collect.limits.timeout,
        ops_per_second: collect.limits.ops_per_second,
        cpu_limit: collect.limits.cpu_limit,
        iops_limit: collect.limits.iops_limit,
        max_rows: collect.limits.max_rows,
        max_upload_bytes: collect.limits.max_upload_bytes,
        ..ArtifactCollectorArgs::default()
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
        request: Some(ArtifactCollectorArgs {
            creator: flow.creator.clone(),
            client_id: flow.site.to_string(),
            urgent: flow.urgent,
            ..asked(&flow.spec)
        }),
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
