//! A day without the server.

use troodon_core::storage::{Lane, Position, Storage};
use troodon_core::time::Span;

use crate::check::number;
use crate::fleet::Fleet;

/// What the medium of the device takes of event rows: about an hour of them.
const ROOM: u64 = 1 << 16;
const DAY: u64 = 86_400;

#[test]
fn a_day_without_the_server_costs_the_oldest_rows_and_the_server_hears_how_many() {
    let mut fleet = Fleet::new(3);
    fleet.devices[0].monitoring_bytes = ROOM;
    fleet.boot(0);
    fleet.server.watch(1, 1);
    fleet.run(Span::from_secs(60));
    let before = fleet.now();
    fleet.kill_server(Span::from_secs(DAY));
    fleet.run(Span::from_secs(DAY - 1));
    assert!(bytes_kept(&mut fleet) <= ROOM);
    fleet.run(Span::from_secs(300));

    let client = fleet.devices[0].id;
    let rows = fleet.server.lines(&client, "F.Monitoring");
    let times: Vec<u64> = rows.iter().map(|row| number(row)).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let gaps: Vec<u64> = gaps.into_iter().filter(|gap| *gap > 1_500_000).collect();
    assert_eq!(gaps.len(), 1, "one gap, and the rows around it complete: {gaps:?}");
    // The clocks count in microseconds, and may round one away.
    let lost = (gaps[0] + 500_000) / 1_000_000 - 1;
    let kept = DAY - lost;
    assert!(lost > 0 && kept > 600, "{lost} of {DAY} rows lost");
    let last_before = times.iter().filter(|at| **at <= before.as_micros()).count();
    assert!(last_before > 30, "what had arrived stays");
    let told: Vec<String> = fleet.server.event_logs(&client);
    let told: u64 = told.iter().filter_map(|line| lost_rows(line)).sum();
    // A lost line of the query's log counts as a row; the query starts anew every twelve hours and says so.
    assert!((lost..=lost + 2).contains(&told), "told of {told} lost rows of {lost}");
}

/// Bytes of event rows on the medium.
fn bytes_kept(fleet: &mut Fleet) -> u64 {
    let (mut sum, mut from, mut record) = (0, Position::START, Vec::new());
    let medium = &mut fleet.devices[0].medium;
    while let Some(at) = medium.read(Lane::Monitoring, from, &mut record).unwrap() {
        sum += record.len() as u64;
        from = at.after();
    }
    sum
}

/// The number in the log line that tells of lost rows.
fn lost_rows(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" rows")?;
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
