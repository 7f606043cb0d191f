//! Notices what is queued, whoever queued it: a hook, the administration, or a command in another process.

use std::sync::Arc;
use std::time::Duration;

use super::{FrontendError, Shared};
use crate::limits;
use crate::store::StoreError;
use crate::store::setting::Setting;

/// Wakes the polls of clients for which something was queued. Runs on a thread of its own until the frontend stops.
pub(super) fn start(shared: Arc<Shared>) -> Result<(), FrontendError> {
    std::thread::Builder::new().name("queue-watch".into()).spawn(move || {
        while let Err(error) = run(&shared) {
            tracing::error!(%error, "cannot watch the queue");
            std::thread::sleep(Duration::from_millis(limits::WATCH_MS));
            if *shared.stop.borrow() {
                return;
            }
        }
    })?;
    Ok(())
}

fn run(shared: &Shared) -> Result<(), StoreError> {
    let watcher = shared.store.reader()?;
    let mut commits = -1;
    let mut task = 0;
    let mut round = shared.store.hunt_round()?;
    let mut watched = shared.store.setting(Setting::EventTable)?;
    while !*shared.stop.borrow() {
        // A number in shared memory: cheap enough to be looked at often.
        let latest = shared.store.commits(&watcher)?;
        if latest != commits {
            commits = latest;
            let (clients, number) = shared.store.queued_since(task)?;
            task = number;
            let latest = shared.store.hunt_round()?;
            if latest != round {
                round = latest;
                shared.polls.wake_all();
            }
            let list = shared.store.setting(Setting::EventTable)?;
            if list != watched {
                watched = list;
                shared.polls.wake_all();
            }
            clients.iter().for_each(|client| shared.polls.wake(client));
        }
        shared.store.wait_for_commit(Duration::from_millis(limits::WATCH_MS));
    }
    Ok(())
}
