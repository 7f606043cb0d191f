//! Queries of programs: on a thread of their own, until they end or nobody listens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::Status;
use troodon_proto::VqlCollectorArgs;
use troodon_vql::{Interrupt, Level, LogSink, json as vql_json};

use super::rows::{Batches, Shape};
use super::{Answers, caller};
use crate::acl::Principal;
use crate::limits;
use crate::model::door::Door;
use crate::query::{self, Backend};
use crate::services::Services;
use crate::store::now_us;

/// What a query says while it runs.
pub(super) enum Said {
    /// The columns of a row, and the row as JSON.
    Row(Vec<String>, Vec<u8>),
    /// A line of its log, with the time in microseconds since 1970.
    Log(u64, String),
}

/// Checks and records a query, and starts it. Its answers end when it does; dropping them stops it.
pub(super) async fn start(
    services: Services,
    principal: Principal,
    wanted: VqlCollectorArgs,
    turn: OwnedSemaphorePermit,
) -> Result<Answers, Status> {
    let name = principal.name().to_owned();
    let statements: Vec<String> = wanted.query.iter().map(|query| query.vql.clone()).collect();
    let (asked, org_id) = (json!({"query": statements, "api": true}), wanted.org_id.clone());
    let Services { registry, .. } = services.clone();
    let admitted = tokio::task::spawn_blocking(move || {
        let org = caller::org(&services, &principal, &org_id)?;
        let actor = caller::actor(&services, principal.clone(), &org);
        let entered = actor.enter(Door::Query, asked);
        entered
            .and_then(|record| Ok(org.store.audit(record)?))
            .map_err(|error| caller::status(&name, Door::Query.permissions(), &error))?;
        Ok::<_, Status>(Backend::new(&services.orgs, &org, &services.acl, principal))
    });
    let admitted = admitted.await.map_err(|_| Status::internal("the server is ending"))?;
    let backend = Arc::new(admitted?);
    let variables: Vec<(String, String)> =
        wanted.env.iter().map(|one| (one.key.clone(), one.value.clone())).collect();
    let (sender, receiver) = channel(limits::API_WAITING_ROWS);
    let interrupt = Interrupt::new();
    let shape = Shape::of(&wanted);
    let switch = interrupt.clone();
    let run = move || {
        let _turn = turn;
        run(&statements.join("\n"), &variables, backend, registry, &sender, interrupt);
    };
    std::thread::Builder::new()
        .name("api-query".into())
        .spawn(run)
        .map_err(|_| Status::resource_exhausted("no thread can be started"))?;
    let limit = (wanted.timeout > 0).then(|| Duration::from_secs(wanted.timeout));
    Ok(Box::pin(Batches::new(Heard { receiver, switch }, shape, limit)))
}

/// What a running query says. Dropping it stops the query.
pub(super) struct Heard {
    pub(super) receiver: Receiver<Said>,
    switch: Interrupt,
}

impl Heard {
    /// Stops the query at its next step.
    pub(super) fn stop(&self) {
        self.switch.set();
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.switch.set();
    }
}

fn run(
    text: &str,
    variables: &[(String, String)],
    backend: Arc<Backend>,
    registry: Arc<troodon_vql::Registry>,
    sender: &Sender<Said>,
    interrupt: Interrupt,
) {
    let log = Box::new(Log(sender.clone()));
    let done = query::run(text, variables, backend, registry, log, interrupt, |row| {
        let columns = row.iter().map(|(name, _)| name.to_str_lossy().into_owned()).collect();
        let mut line = Vec::new();
        vql_json::write_row(&row, &mut line);
        let gone = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        sender.blocking_send(Said::Row(columns, line)).map_err(gone)
    });
    if let Err(error) = done {
        // Nobody may be left to hear it.
        drop(sender.blocking_send(Said::Log(now_us(), format!("VQL Error: {error}"))));
    }
}

struct Log(Sender<Said>);

impl LogSink for Log {
    fn log(&mut self, level: Level, message: &str) {
        let line = format!("{}:{message}", level.name());
        // The query goes on to its next row, where it notices that nobody listens.
        drop(self.0.blocking_send(Said::Log(now_us(), line)));
    }
}
