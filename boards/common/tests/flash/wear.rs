//! What a day of one event a second costs the flash, and what an outage of a day leaves of the events.

use troodon_board::flash::{FlashStorage, Layout};
use troodon_core::queue::{MONITORING_SESSION, Priority, Queue};
use troodon_proto::Message as _;
use troodon_proto::{MessageList, VeloMessage, VqlRequest, VqlResponse};

use super::medium::Nor;

type Chip = Nor<4096>;

const DAY: u64 = 24 * 60 * 60;

/// An event with a row of 200 bytes, as a monitoring query sends it.
fn event(second: u64) -> VeloMessage {
    let row = format!("{{\"Second\":{second},\"Text\":\"{}\"}}\n", "x".repeat(170));
    let query = VqlRequest { name: "Custom.Board.Events".into(), ..Default::default() };
    let response = VqlResponse {
        query: Some(query),
        total_rows: 1,
        query_start_row: second,
        jsonl_response: row.into(),
        ..Default::default()
    };
    VeloMessage {
        session_id: MONITORING_SESSION.into(),
        vql_response: Some(response),
        ..Default::default()
    }
}

fn queue(chip: &Chip) -> Queue<FlashStorage<Chip>> {
    let layout = Layout::at(0);
    let limits = layout.limits();
    Queue::open(FlashStorage::open(chip.clone(), layout).unwrap(), limits).unwrap()
}

#[test]
fn a_day_of_delivered_events_erases_each_page_a_hundred_times_at_most() {
    let chip = Chip::blank(Layout::LEN);
    let mut queue = queue(&chip);
    for second in 0..DAY {
        queue.push(Priority::Normal, &event(second)).unwrap();
        // The server is asked every ten seconds.
        if second % 10 == 9 {
            let batch = queue.lease(None).unwrap().unwrap();
            assert_eq!(batch.messages, 10);
            queue.acknowledge().unwrap();
        }
    }
    let wear = queue.into_storage().wear();
    eprintln!("a day, delivered: {wear:?}, at most {} a page", chip.erased_most());
    assert!(chip.erased_most() <= 100, "{}", chip.erased_most());
}

#[test]
fn an_outage_of_a_day_keeps_the_newest_events_and_counts_the_others() {
    let chip = Chip::blank(Layout::LEN);
    let mut before = queue(&chip);
    for second in 0..DAY {
        before.push(Priority::Normal, &event(second)).unwrap();
        if second == DAY / 2 {
            before = queue(&chip);
        }
    }
    let wear = before.into_storage().wear();
    eprintln!("a day, nothing delivered: {wear:?}, at most {} a page", chip.erased_most());
    assert!(chip.erased_most() <= 100, "{}", chip.erased_most());

    let mut queue = queue(&chip);
    let (mut seconds, mut reports) = (Vec::new(), Vec::new());
    while let Some(batch) = queue.lease(None).unwrap() {
        for list in batch.lists {
            for message in MessageList::decode(list.as_slice()).unwrap().job {
                seconds.extend(message.vql_response.map(|rows| rows.query_start_row));
                reports.extend(message.log_message.map(|log| log.jsonl));
            }
        }
        queue.acknowledge().unwrap();
    }
    let kept = u64::try_from(seconds.len()).unwrap();
    assert!(kept > 400, "{kept} events are kept");
    assert!(seconds.iter().copied().eq(DAY - kept..DAY), "not the newest, or not in order");
    let report = String::from_utf8(reports.concat().to_vec()).unwrap();
    assert!(report.contains(&format!("{} rows were lost", DAY - kept)), "{report}");
}
