//! `collect_client()` and `cancel_flow()`.

use troodon_vql::{
    Arg, Args, Availability, Context, Fault, Function, Kind, Permission, Scope, Value, json,
};

use super::flow::micros;
use super::json::dict;
use super::{backend, fault};
use crate::actor::ActError;
use crate::flows;
use crate::launcher::{Collect, LaunchError, Limits, Spec};
use crate::model::site::Site;

pub(super) const FUNCTIONS: &[&Function] = &[&COLLECT_CLIENT, &CANCEL_FLOW];

static COLLECT_CLIENT: Function = Function::new(
    "collect_client",
    "Queues a collection for a client; answers with its flow_id. Takes COLLECT_CLIENT and what the artifacts require, \
     or COLLECT_BASIC for artifacts that are basic. On `server`, SERVER artifacts run with the caller's rights; that takes \
     COLLECT_SERVER.",
    &[
        Arg::required("client_id", Kind::String, "Which client, or `server`."),
        Arg::required("artifacts", Kind::List, "Names of artifacts."),
        Arg::optional("env", Kind::Dict, "Parameters of all of them."),
        Arg::optional(
            "spec",
            Kind::Dict,
            "Parameters of each: a dict of dicts, by the artifact's name.",
        ),
        Arg::optional("timeout", Kind::Int, "Seconds that a query may run."),
        Arg::optional("ops_per_second", Kind::Float, "Steps in a second."),
        Arg::optional("cpu_limit", Kind::Float, "Percent of the processor."),
        Arg::optional("iops_limit", Kind::Float, "Operations in a second."),
        Arg::optional("max_rows", Kind::Int, "Rows after which the collection ends."),
        Arg::optional("max_bytes", Kind::Int, "Bytes of files after which the collection ends."),
        Arg::optional("urgent", Kind::Bool, "Overtakes other collections."),
        Arg::optional(
            "expires",
            Kind::Any,
            "When it is not begun any more: a time or seconds since 1970. Without it, it waits as long as it takes.",
        ),
    ],
    collect_client,
)
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn collect_client(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let client: Site = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let expires = args.value("expires").map_or(Ok(0), micros)? / 1_000_000;
    let wanted = Collect { expires, ..wanted(args) };
    let flow = backend.launcher.launch(backend.token.principal(), client, &wanted);
    let flow = flow.map_err(refused)?;
    Ok(Value::Dict(dict([
        ("flow_id", Value::from(flow.as_str())),
        ("client_id", Value::from(client.as_str())),
    ])))
}

/// Who may not hears of it as at every other door, and the query goes on.
pub(super) fn refused(error: LaunchError) -> Fault {
    match error {
        LaunchError::Denied(_) => Fault::note(error.to_string()),
        other => fault(other),
    }
}

/// What the arguments of `collect_client()` and `hunt()` ask a client for.
pub(super) fn wanted(args: &Args) -> Collect {
    let names = texts(args, "artifacts").into_iter();
    let specs = names.map(|artifact| Spec { parameters: parameters(args, &artifact), artifact });
    let count = |name: &str| args.int(name).map_or(0, |n| u64::try_from(n).unwrap_or_default());
    #[expect(clippy::cast_possible_truncation, reason = "rates have no use for more digits")]
    let rate = |name: &str| args.float(name).unwrap_or_default() as f32;
    Collect {
        specs: specs.collect(),
        limits: Limits {
            timeout: count("timeout"),
            ops_per_second: rate("ops_per_second"),
            cpu_limit: rate("cpu_limit"),
            iops_limit: rate("iops_limit"),
            max_rows: count("max_rows"),
            max_upload_bytes: count("max_bytes"),
            ..Limits::default()
        },
        urgent: args.flag("urgent"),
        ..Collect::default()
    }
}

/// The texts in a list.
pub(super) fn texts(args: &Args, name: &str) -> Vec<String> {
    let items = args.list(name).into_iter().flat_map(|list| list.iter());
    items.filter_map(|item| item.as_text().map(|text| text.to_str_lossy().into_owned())).collect()
}

/// What `env` says, and what `spec` says for this artifact. All values travel as texts.
fn parameters(args: &Args, artifact: &str) -> Vec<(String, String)> {
    let own = args.dict("spec").and_then(|all| all.get(artifact.as_bytes()));
    let dicts = args.dict("env").into_iter().chain(own.and_then(Value::as_dict));
    let pairs = dicts.flat_map(|dict| dict.iter());
    pairs.map(|(name, value)| (name.to_str_lossy().into_owned(), text(value))).collect()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_str_lossy().into_owned(),
        Value::Bool(true) => "Y".into(),
        Value::Bool(false) => "N".into(),
        other => json::to_string(other),
    }
}

static CANCEL_FLOW: Function = Function::new(
    "cancel_flow",
    "Ends a collection, on the agent as well. Takes COLLECT_CLIENT, or COLLECT_SERVER for one of the server.",
    &[
        Arg::required("client_id", Kind::String, "Which client, or `server`."),
        Arg::required("flow_id", Kind::String, "Which collection."),
    ],
    cancel_flow,
)
.needs(&[Permission::AnyQuery])
.on(Availability::Server);

fn cancel_flow(cx: &mut Context, _: &Scope, args: &Args) -> Result<Value, Fault> {
    let backend = backend(cx)?;
    let site: Site = args.string("client_id").unwrap_or_default().parse().map_err(fault)?;
    let flow = args.string("flow_id").unwrap_or_default().parse().map_err(fault)?;
    let cancelled = flows::cancel(&backend.actor(), site, &flow).map_err(|error| match error {
        ActError::Denied(_) => Fault::note(error.to_string()),
        other => fault(other),
    })?;
    Ok(Value::Dict(dict([
        ("flow_id", Value::from(flow.as_str())),
        ("cancelled", Value::Bool(cancelled)),
    ])))
}
