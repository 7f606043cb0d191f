//! Notices what is queued, whoever queued it: a hook, the administration, or a command in another process.

use std::sync::Arc;
use std::time::Duration;

use super::realm::Desk;
use crate::limits;
use crate::store::StoreError;
use crate::store::setting::Setting;

/// Wakes the polls of clients for which something was queued. Runs on a thread of its own until the frontend stops, or
/// the organisation is gone.
pub(super) fn start(desk: Arc<Desk>) -> Result<(), StoreError> {
    std::thread::Builder::new().name("queue-watch".into()).spawn(move || {
        while let Err(error) = run(&desk) {
            tracing::error!(%error, "cannot watch the queue");
            std::thread::sleep(Duration::from_millis(limits::WATCH_MS));
            if *desk.shared.stop.borrow() || !desk.is_served() {
                return;
            }
        }
    })?;
    Ok(())
}

fn run(desk: &Desk) -> Result<(), StoreError> {
    let watcher = desk.store.reader()?;
    let mut commits = -1;
    let mut task = 0;
    let mut round = desk.store.hunt_round()?;
    let mut watched = desk.store.setting(Setting::EventTable)?;
    let is_root = desk.store.org().is_root();
    while !*desk.shared.stop.borrow() && desk.is_served() {
        // A number in shared memory: cheap enough to be looked at often.
        let latest = desk.store.commits(&watcher)?;
        if latest != commits {
            commits = latest;
            if is_root {
                // The list of organisations may be shorter.
                desk.shared.realms.tidy()?;
            }
            let (clients, number) = desk.store.queued_since(task)?;
            task = number;
            let latest = desk.store.hunt_round()?;
            if latest != round {
                round = latest;
                desk.polls.wake_all();
            }
            let list = desk.store.setting(Setting::EventTable)?;
            if list != watched {
                watched = list;
                desk.polls.wake_all();
            }
            clients.iter().for_each(|client| desk.polls.wake(client));
        }
        desk.store.wait_for_commit(Duration::from_millis(limits::WATCH_MS));
    }
    Ok(())
}
