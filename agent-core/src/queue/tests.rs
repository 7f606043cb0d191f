//! The queue against a storage that is full, broken or loses power.

use super::*;
use crate::storage::memory::MemoryStorage;
use alloc::format;
use alloc::string::ToString;
use troodon_proto::{FlowStats, LogMessage, Message, MessageList, VqlRequest, VqlResponse};

const LIMITS: QueueLimits =
    QueueLimits { urgent: 4_000, flows: 4_000, monitoring: 4_000, message: 2_000, batch: 1_000 };

fn rows(session_id: &str, name: &str, start: u64) -> VeloMessage {
    let response = VqlResponse {
        query: Some(VqlRequest { name: name.to_string(), ..Default::default() }),
        total_rows: 1,
        query_start_row: start,
        jsonl_response: "{\"Padding\":\"to make it about a hundred bytes long in the queue\"}\n"
            .into(),
        ..Default::default()
    };
    VeloMessage {
        session_id: session_id.to_string(),
        vql_response: Some(response),
        ..Default::default()
    }
}

fn open(storage: MemoryStorage) -> Queue<MemoryStorage> {
    Queue::open(storage, LIMITS).unwrap()
}

fn messages(batch: &Batch) -> Vec<VeloMessage> {
    let messages: Vec<_> = batch
        .lists
        .iter()
        .flat_map(|list| MessageList::decode(list.as_slice()).unwrap().job)
        .collect();
    assert_eq!(messages.len(), batch.messages);
    messages
}

fn starts(batch: &Batch) -> Vec<u64> {
    messages(batch).into_iter().filter_map(|m| Some(m.vql_response?.query_start_row)).collect()
}

/// Everything that leaves the queue, acknowledged batch by batch.
fn drain(queue: &mut Queue<MemoryStorage>) -> Vec<VeloMessage> {
    let mut all = Vec::new();
    while let Some(batch) = queue.lease(None).unwrap() {
        all.extend(messages(&batch));
        queue.acknowledge().unwrap();
    }
    all
}

#[test]
fn a_batch_comes_again_until_it_is_acknowledged() {
    let mut queue = open(MemoryStorage::new());
    for start in 0..3 {
        queue.push(Priority::Normal, &rows("F.1", "A", start)).unwrap();
    }
    let first = queue.lease(None).unwrap().unwrap();
    queue.release();
    let again = queue.lease(None).unwrap().unwrap();
    assert_eq!(starts(&first), [0, 1, 2]);
    assert_eq!(first, again);
    queue.acknowledge().unwrap();
    assert_eq!(queue.lease(None).unwrap(), None);
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn urgent_messages_leave_first_and_alone() {
    let mut queue = open(MemoryStorage::new());
    queue.push(Priority::Normal, &rows("F.1", "A", 1)).unwrap();
    queue.push(Priority::Urgent, &rows("F.2", "A", 2)).unwrap();
    let batch = queue.lease(None).unwrap().unwrap();
    assert_eq!((batch.priority, starts(&batch)), (Priority::Urgent, [2].into()));
    queue.acknowledge().unwrap();
    let batch = queue.lease(None).unwrap().unwrap();
    assert_eq!((batch.priority, starts(&batch)), (Priority::Normal, [1].into()));
}

#[test]
fn neither_flows_nor_monitoring_starve_the_other() {
    let mut queue = open(MemoryStorage::new());
    for start in 0..20 {
        queue.push(Priority::Normal, &rows("F.1", "A", start)).unwrap();
        queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
    }
    let first = messages(&queue.lease(None).unwrap().unwrap());
    queue.acknowledge().unwrap();
    let second = messages(&queue.lease(None).unwrap().unwrap());
    assert_eq!(first[0].session_id, "F.1");
    assert_eq!(second[0].session_id, MONITORING_SESSION);
}

#[test]
fn a_batch_has_the_size_asked_for() {
    let mut queue = open(MemoryStorage::new());
    for start in 0..25 {
        queue.push(Priority::Normal, &rows("F.1", "A", start)).unwrap();
    }
    let batch = queue.lease(None).unwrap().unwrap();
    let bytes: usize = batch.lists.iter().map(Vec::len).sum();
    assert!((LIMITS.batch..LIMITS.batch + 200).contains(&bytes), "{bytes}");
    queue.release();
    let all: Vec<_> =
        drain(&mut queue).into_iter().map(|m| m.vql_response.unwrap().query_start_row).collect();
    assert_eq!(all, (0..25).collect::<Vec<u64>>());
}

#[test]
fn a_flow_that_meets_a_full_lane_waits_and_loses_nothing() {
    let mut queue = open(MemoryStorage::new());
    let mut kept = 0;
    let fault = loop {
        match queue.push(Priority::Normal, &rows("F.1", "A", kept)) {
            Ok(()) => kept += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault, QueueFault::Full);
    assert!(queue.room(Priority::Normal) < 200);
    queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", 0)).unwrap();
    queue.push(Priority::Urgent, &rows("F.2", "B", 0)).unwrap();
    let flow = drain(&mut queue).into_iter().filter(|m| m.session_id == "F.1").count();
    assert_eq!(u64::try_from(flow).unwrap(), kept);
    assert_eq!(queue.room(Priority::Normal), LIMITS.flows);
}

/// Rows that arrived and rows that were reported as lost.
fn arrived_and_lost(messages: &[VeloMessage]) -> (u64, u64) {
    let reports: Vec<_> = messages.iter().filter_map(|m| m.log_message.as_ref()).collect();
    assert!(reports.iter().all(|log| log.artifact == "B"));
    let lost = reports.iter().map(|log| {
        let text =
            core::str::from_utf8(&log.jsonl).unwrap().split("\"message\":\"").nth(1).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    let arrived = messages.iter().filter_map(|m| m.vql_response.as_ref()).map(|r| r.total_rows);
    (arrived.sum(), lost.sum())
}

#[test]
fn monitoring_gives_up_its_oldest_rows_and_says_how_many() {
    let mut queue = open(MemoryStorage::new());
    for start in 0..200 {
        queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
    }
    let sent = drain(&mut queue);
    let (arrived, lost) = arrived_and_lost(&sent);
    assert_eq!(arrived + lost, 200);
    assert!(lost > 100, "{lost}");
    let newest =
        sent.iter().filter_map(|m| m.vql_response.as_ref()).map(|r| r.query_start_row).max();
    assert_eq!(newest, Some(199));
    assert!(drain(&mut queue).is_empty(), "a loss is reported once");
}

#[test]
fn rows_given_up_while_their_batch_is_out_are_lost_only_if_it_fails() {
    for delivered in [true, false] {
        let mut queue = open(MemoryStorage::new());
        for start in 0..20 {
            queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
        }
        let batch = messages(&queue.lease(None).unwrap().unwrap());
        for start in 20..60 {
            queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
        }
        let mut server = Vec::new();
        if delivered {
            server.extend(batch);
            queue.acknowledge().unwrap();
        } else {
            queue.release();
        }
        server.extend(drain(&mut queue));
        let (arrived, lost) = arrived_and_lost(&server);
        assert_eq!(arrived + lost, 60, "delivered: {delivered}");
        assert_eq!(queue.bytes(), 0);
    }
}

#[test]
fn losses_and_rows_outlive_power() {
    let mut queue = open(MemoryStorage::new().remembering_syncs());
    for start in 0..200 {
        queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
    }
    queue.sync().unwrap();
    assert!(!queue.is_dirty());
    let mut storage = queue.into_storage();
    storage.cut_power();
    let mut queue = open(storage);
    let (arrived, lost) = arrived_and_lost(&drain(&mut queue));
    assert_eq!(arrived + lost, 200);
}

#[test]
fn a_medium_smaller_than_the_budget_behaves_like_the_budget() {
    let mut queue = open(MemoryStorage::with_capacity(1_000));
    for start in 0..50 {
        queue.push(Priority::Normal, &rows(MONITORING_SESSION, "B", start)).unwrap();
    }
    let mut flow = 0;
    while queue.push(Priority::Normal, &rows("F.1", "A", flow)).is_ok() {
        flow += 1;
    }
    assert!(flow > 3);
    let sent = drain(&mut queue);
    assert_eq!(
        sent.iter().filter(|m| m.session_id == "F.1").count(),
        usize::try_from(flow).unwrap()
    );
    let monitoring: Vec<_> = sent.into_iter().filter(|m| m.session_id != "F.1").collect();
    let (arrived, lost) = arrived_and_lost(&monitoring);
    assert_eq!(arrived + lost, 50);
}

fn of_flow(session_id: &str) -> [VeloMessage; 3] {
    let base = VeloMessage { session_id: session_id.into(), ..Default::default() };
    [
        rows(session_id, "A", 0),
        VeloMessage { log_message: Some(LogMessage::default()), ..base.clone() },
        VeloMessage { flow_stats: Some(FlowStats::default()), ..base },
    ]
}

#[test]
fn a_cancelled_flow_sends_only_its_logs_and_statistics() {
    for restart in [false, true] {
        let mut queue = open(MemoryStorage::new());
        for message in of_flow("F.1").iter().chain(&of_flow("F.2")) {
            queue.push(Priority::Normal, message).unwrap();
        }
        queue.push(Priority::Urgent, &rows("F.1", "A", 1)).unwrap();
        queue.forget_flow("F.1").unwrap();
        queue.forget_flow("F.1").unwrap();
        if restart {
            queue = open(queue.into_storage());
        }
        let sent = drain(&mut queue);
        let of_first: Vec<_> = sent.iter().filter(|m| m.session_id == "F.1").collect();
        assert_eq!(of_first.len(), 2, "restart: {restart}");
        assert!(of_first.iter().all(|m| m.vql_response.is_none()));
        assert_eq!(sent.iter().filter(|m| m.session_id == "F.2").count(), 3);
        assert!(queue.is_empty());
    }
}

#[test]
fn a_message_that_never_fits_is_refused() {
    let mut queue = open(MemoryStorage::new());
    let long = VeloMessage { session_id: "x".repeat(2_001), ..Default::default() };
    assert_eq!(queue.push(Priority::Normal, &long), Err(QueueFault::TooLong));
    assert!(queue.is_empty());
}

#[test]
fn a_broken_medium_is_named_and_nothing_is_lost_when_it_comes_back() {
    let mut queue = open(MemoryStorage::new());
    queue.push(Priority::Normal, &rows("F.1", "A", 0)).unwrap();
    queue.storage_mut().set_failing(true);
    let refused = queue.push(Priority::Normal, &rows("F.1", "A", 1));
    assert_eq!(refused, Err(QueueFault::Storage(StorageFault::Broken)));
    assert_eq!(queue.lease(None), Err(StorageFault::Broken));
    assert_eq!(queue.sync(), Err(StorageFault::Broken));
    queue.storage_mut().set_failing(false);
    queue.push(Priority::Normal, &rows("F.1", "A", 1)).unwrap();
    assert_eq!(starts(&queue.lease(None).unwrap().unwrap()), [0, 1]);
}

#[test]
fn every_fault_says_what_it_is() {
    let texts = [QueueFault::Full, QueueFault::TooLong, QueueFault::Storage(StorageFault::Full)]
        .map(|fault| format!("{fault}"));
    assert_eq!(
        texts,
        ["the queue is full", "the message is longer than the queue takes", "the storage is full"]
    );
}
