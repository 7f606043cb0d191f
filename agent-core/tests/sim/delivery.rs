//! What is queued arrives, once, in order; what the server says arrives, in order.

use troodon_core::agent::{Event, ServerIs};
use troodon_core::queue::{MONITORING_SESSION, Priority};
use troodon_core::rsa::PrivateKey;
use troodon_core::state::StateFault;
use troodon_core::storage::{Blob, Storage};
use troodon_core::time::Span;
use troodon_proto::{Cancel, VeloMessage, VqlEventTable};

use crate::keys::other_key;
use crate::memo::MemoKey;
use crate::server::{Mode, row_texts_match};
use crate::world::{World, row};

/// An agent that is enrolled and waits in a poll.
pub fn enrolled(modes: &[Mode]) -> World {
    let mut world = World::new(2, modes);
    world.boot();
    world.run_seconds(8);
    assert!(world.has_event(&Event::Enrolled));
    world
}

fn cancel(session_id: &str) -> VeloMessage {
    VeloMessage {
        session_id: session_id.into(),
        cancel: Some(Cancel::default()),
        ..Default::default()
    }
}

#[test]
fn rows_leave_within_two_seconds_while_the_reader_waits() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.run_seconds(5);
    for start in 0..20 {
        world.queue_row("F.1", start);
    }
    world.run_seconds(2);
    assert_eq!(world.rows("F.1"), (0..20).collect::<Vec<_>>());
    assert!(row_texts_match(&world.outside.store));
    assert!(world.agent().is_idle());
    assert!(world.outside.fronts[0].reader.is_some());
}

#[test]
fn an_urgent_message_does_not_wait_for_company() {
    let mut world = enrolled(&[Mode::Genuine]);
    let message = row("F.2", 0);
    world.agent().queue(Priority::Urgent, &message).unwrap();
    world.drive();
    world.run(Span::from_millis(100));
    assert_eq!(world.rows("F.2"), [0]);
}

#[test]
fn tasks_arrive_in_order_and_are_followed_by_the_next_poll() {
    let mut world = enrolled(&[Mode::Genuine]);
    for name in ["F.1", "F.2", "F.3"] {
        world.outside.give_task(cancel(name));
    }
    world.run_seconds(3);
    let ids: Vec<_> = world.outside.messages.iter().map(|m| m.session_id.as_str()).collect();
    assert_eq!(ids, ["F.1", "F.2", "F.3"]);
    assert!(world.outside.fronts[0].reader.is_some());
}

#[test]
fn a_poll_of_pads_outlasts_every_timeout() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.pads = 50;
    world.run_seconds(70);
    let posts = world.outside.fronts[0].posts;
    world.run_seconds(400);
    assert_eq!(world.outside.fronts[0].posts, posts);
    world.outside.give_task(cancel("F.1"));
    world.run_seconds(1);
    assert_eq!(world.outside.messages.len(), 1);
}

#[test]
fn a_connection_that_goes_silent_is_noticed_and_replaced() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.stall = 100;
    world.run_seconds(100);
    world.outside.weather.stall = 0;
    world.outside.break_connections();
    world.run_seconds(150);
    world.outside.give_task(cancel("F.1"));
    world.run_seconds(1);
    assert_eq!(world.outside.messages.len(), 1);
}

#[test]
fn a_conflict_is_told_and_waited_out() {
    let mut world = enrolled(&[Mode::Genuine]);
    let posts = world.outside.fronts[0].posts;
    world.outside.fronts[0].script = [409, 409].into();
    world.outside.pads = 1;
    world.run_seconds(120);
    assert!(world.has_event(&Event::Conflict));
    assert!(world.outside.fronts[0].posts > posts + 2);
    // Between two polls there is a pause of two seconds at most.
    let polls_again = (0..3).any(|_| {
        world.run_seconds(1);
        world.outside.fronts[0].reader.is_some()
    });
    assert!(polls_again);
    assert!(!world.outside.events.iter().any(|event| matches!(event, Event::Retry(_))));
}

#[test]
fn results_survive_every_answer_but_400() {
    for status in [403, 406, 408, 409, 500, 503, 301, 404] {
        let mut world = enrolled(&[Mode::Genuine]);
        // The script is for whoever posts first: the results, since the reader waits.
        world.outside.fronts[0].script = [status].into();
        world.queue_row("F.1", 0);
        world.run_seconds(300);
        assert_eq!(world.rows("F.1"), [0], "{status}");
        assert!(world.agent().is_idle(), "{status}");
    }
}

#[test]
fn results_that_the_server_calls_malformed_are_dropped_and_counted() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.fronts[0].script = [400].into();
    world.queue_row("F.1", 0);
    world.queue_row("F.1", 1);
    world.run_seconds(60);
    assert!(world.has_event(&Event::Rejected(2)));
    assert!(world.rows("F.1").is_empty() && world.agent().is_idle());
    world.queue_row("F.1", 2);
    world.run_seconds(5);
    assert_eq!(world.rows("F.1"), [2]);
}

#[test]
fn unavailable_servers_get_three_attempts_and_then_a_rest() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.fronts[0].mode = Mode::Status(503);
    world.queue_row("F.1", 0);
    let posts = world.outside.fronts[0].posts;
    world.run_seconds(30);
    assert_eq!(world.outside.fronts[0].posts, posts + 3);
    world.outside.fronts[0].mode = Mode::Genuine;
    world.run_seconds(120);
    assert_eq!(world.rows("F.1"), [0]);
}

#[test]
fn a_rotated_server_key_is_followed_without_losing_results() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.queue_row("F.1", 0);
    world.run_seconds(3);
    world.outside.store.key = MemoKey(other_key());
    world.outside.fronts[0].restart();
    world.outside.break_connections();
    world.queue_row("F.1", 1);
    world.run_seconds(30);
    assert_eq!(world.rows("F.1"), [0, 1]);
    assert!(world.has_event(&Event::ReadRejected));
    assert!(world.has_event(&Event::Pinned(ServerIs::Changed)));
    world.outside.give_task(cancel("F.1"));
    world.run_seconds(5);
    assert_eq!(world.outside.messages.len(), 1);
    assert_ne!(other_key().public(), crate::keys::server_key().public());
}

#[test]
fn a_restarted_server_is_found_again() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.refuse = 100;
    world.outside.fronts[0].restart();
    world.outside.break_connections();
    for start in 0..30 {
        world.queue_row("F.1", start);
        world.run_seconds(10);
    }
    world.outside.weather.refuse = 0;
    world.run_seconds(120);
    assert_eq!(world.rows("F.1"), (0..30).collect::<Vec<_>>());
    assert_eq!(world.outside.store.enrolments.len(), 1);
}

#[test]
fn when_one_server_is_down_the_others_are_used_within_seconds() {
    let mut world = World::new(5, &[Mode::Status(500), Mode::Status(500), Mode::Genuine]);
    world.boot();
    world.queue_row("F.1", 0);
    world.run_seconds(40);
    assert_eq!(world.rows("F.1"), [0]);
}

#[test]
fn results_queued_offline_survive_a_power_cut() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.refuse = 100;
    world.outside.break_connections();
    for start in 0..10 {
        world.queue_row("F.1", start);
    }
    world.run_seconds(2);
    world.cut_power();
    world.boot();
    world.outside.weather.refuse = 0;
    world.run_seconds(200);
    assert_eq!(world.rows("F.1"), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_flow_is_held_back_when_the_queue_is_full_and_goes_on_when_it_is_not() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.refuse = 100;
    world.outside.break_connections();
    let queued = (0..10_000).take_while(|start| world.queue_row("F.1", *start)).count();
    assert!(queued < 10_000 && world.agent().room(Priority::Normal) < 1_000);
    world.outside.weather.refuse = 0;
    world.run_seconds(200);
    assert_eq!(world.rows("F.1").len(), queued);
    assert!(world.queue_row("F.1", 10_000));
}

#[test]
fn monitoring_that_outgrows_the_queue_is_reported_as_lost() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.refuse = 100;
    world.outside.break_connections();
    for start in 0..2_000 {
        assert!(world.queue_row(MONITORING_SESSION, start));
    }
    world.outside.weather.refuse = 0;
    world.run_seconds(300);
    let arrived = world.rows(MONITORING_SESSION);
    assert_eq!(arrived.last(), Some(&1_999));
    let report = world.outside.store.logs[0].log_message.as_ref().unwrap();
    assert_eq!(report.artifact, "Custom.Events");
    let text = std::str::from_utf8(&report.jsonl).unwrap();
    let lost = 2_000 - arrived.len();
    assert!(text.contains(&format!("\"message\":\"{lost} rows were lost")), "{text}");
    assert!(text.contains("\"client_time\":1800000"), "{text}");
}

#[test]
fn rows_of_a_cancelled_flow_do_not_leave() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.outside.weather.refuse = 100;
    world.outside.break_connections();
    world.queue_row("F.1", 0);
    world.queue_row("F.2", 0);
    world.agent().forget_flow("F.1").unwrap();
    world.outside.weather.refuse = 0;
    world.run_seconds(200);
    assert!(world.rows("F.1").is_empty());
    assert_eq!(world.rows("F.2"), [0]);
}

#[test]
fn the_monitoring_table_is_kept_and_its_version_told() {
    let mut world = enrolled(&[Mode::Genuine]);
    let table = VqlEventTable { version: 77, ..Default::default() };
    world.outside.give_task(VeloMessage {
        session_id: MONITORING_SESSION.into(),
        update_event_table: Some(table.clone()),
        ..Default::default()
    });
    world.run_seconds(5);
    assert_eq!(world.outside.messages[0].update_event_table.as_ref(), Some(&table));
    assert_eq!(world.outside.store.table_versions.last(), Some(&77));
    world.cut_power();
    world.boot();
    assert_eq!(world.outside.tables, [table]);
}

#[test]
fn a_corrupt_table_is_told_and_costs_nothing_else() {
    let mut world = World::new(2, &[Mode::Genuine]);
    world.medium.store(Blob::EventTable, b"\x01rubbish").unwrap();
    world.medium.store(Blob::Server, b"\x01rubbish").unwrap();
    world.boot();
    world.queue_row("F.1", 0);
    world.run_seconds(10);
    assert!(world.has_event(&Event::State(StateFault::Corrupt(Blob::EventTable))));
    assert!(world.has_event(&Event::State(StateFault::Corrupt(Blob::Server))));
    assert_eq!(world.rows("F.1"), [0]);
}

#[test]
fn a_medium_that_fails_for_a_while_costs_only_time() {
    let mut world = enrolled(&[Mode::Genuine]);
    world.queue_row("F.1", 0);
    world.medium.0.borrow_mut().set_failing(true);
    assert!(!world.queue_row("F.1", 1));
    world.run_seconds(60);
    assert!(world.outside.events.iter().any(|event| matches!(event, Event::Storage(_))));
    world.medium.0.borrow_mut().set_failing(false);
    assert!(world.queue_row("F.1", 1));
    world.run_seconds(60);
    assert_eq!(world.rows("F.1"), [0, 1]);
}

#[test]
fn a_medium_that_cannot_forget_does_not_make_the_agent_send_without_pause() {
    let mut world = enrolled(&[Mode::Genuine]);
    for start in 0..40 {
        world.queue_row("F.1", start);
    }
    world.run(Span::from_millis(1));
    let posts = world.outside.fronts[0].posts;
    world.medium.0.borrow_mut().set_failing_to_forget(true);
    world.run_seconds(60);
    assert!(world.outside.fronts[0].posts < posts + 10);
    world.medium.0.borrow_mut().set_failing_to_forget(false);
    world.run_seconds(30);
    assert_eq!(world.rows("F.1"), (0..40).collect::<Vec<_>>());
    assert!(world.agent().is_idle());
}
