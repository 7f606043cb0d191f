//! The first page: what is going on, and whether all is well.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::chart::Chart;
use super::clients::Summary;
use super::fault::Fault;
use super::hunts;
use super::page::{self, Frame};
use super::visitor::Visitor;
use crate::activity::{self, Sample};
use crate::model::door::Door;
use crate::model::hunt::HuntState;
use crate::store::now_us;
use crate::store::statistics::Disk;

/// Hours that the charts show.
const HOURS: u64 = 24;
/// Collections and hunts that are listed.
const LATEST: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Show {
    frame: Frame,
    now: Sample,
    charts: Vec<Chart>,
    flows: Vec<Summary>,
    hunts: Vec<hunts::Line>,
    disk: Option<Disk>,
    version: &'static str,
}

pub(super) async fn show(visitor: Visitor) -> Result<Response, Fault> {
    let work = move || {
        visitor.look(Door::ShowClients)?;
        let store = visitor.store();
        let samples = activity::samples(store)?;
        let now = samples.last().copied().unwrap_or_default();
        let flows = store.latest_flows(LATEST)?.into_iter().map(Summary::of).collect();
        let hunts = hunts::lines(store, store.hunts(0, LATEST)?)?;
        let show = Show {
            charts: charts(&samples, now.time),
            now,
            flows,
            hunts,
            // A file system that does not say is no reason to show nothing.
            disk: store.disk().ok(),
            version: env!("CARGO_PKG_VERSION"),
            frame: Frame::of(&visitor),
        };
        Ok::<_, Fault>(page::html(StatusCode::OK, &show))
    };
    tokio::task::spawn_blocking(work).await?
}

fn charts(samples: &[Sample], now: u64) -> Vec<Chart> {
    let halves = (now, 1_800, HOURS * 2);
    let hours = (now, 3_600, HOURS);
    let online = activity::peaks(samples, |sample| sample.online, halves);
    let collections = activity::rises(samples, |sample| sample.collections, hours);
    let events = activity::rises(samples, |sample| sample.events, hours);
    let until = now_us();
    vec![
        Chart::of("Clients online", false, &online, until),
        Chart::of("Collections an hour", true, &collections, until),
        Chart::of("Messages with events an hour", true, &events, until),
    ]
}

/// Bytes as people read them.
pub(super) fn bytes(count: &u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let power = (count.checked_ilog2().unwrap_or_default() / 10).min(5);
    let whole = count >> (power * 10);
    // One more digit where it says something.
    let rest =
        count.checked_shr((power * 10).saturating_sub(10)).unwrap_or_default() % 1024 * 10 / 1024;
    let unit = UNITS.get(power as usize).unwrap_or(&"");
    if power > 0 && whole < 10 {
        format!("{whole}.{rest} {unit}")
    } else {
        format!("{whole} {unit}")
    }
}

impl Show {
    fn is_running(line: &hunts::Line) -> bool {
        line.state == HuntState::Running
    }

    /// Whether so little is left that somebody should look.
    fn is_full(disk: &Disk) -> bool {
        disk.free < disk.size / 10
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_have_the_largest_unit_that_fits() {
        for (count, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (20 << 20, "20 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(bytes(&count), text);
        }
    }
}
