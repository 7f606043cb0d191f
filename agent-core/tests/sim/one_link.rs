//! A host with memory for one connection.

use troodon_core::agent::{Event, Link};

use crate::server::Mode;
use crate::world::{World, row};
use troodon_core::queue::Priority;

fn enrolled() -> World {
    let mut world = World::new(6, &[Mode::Genuine]).on_one_link();
    world.boot();
    world.run_seconds(8);
    assert!(world.has_event(&Event::Enrolled));
    world
}

#[test]
fn one_connection_at_a_time_serves_both() {
    let mut world = enrolled();
    for start in 0..50 {
        world.queue_row("F.1", start);
        world.run_seconds(3);
    }
    world.run_seconds(60);
    assert_eq!(world.rows("F.1"), (0..50).collect::<Vec<_>>());
    assert!(!world.has_event(&Event::LinkUp(Link::Control)));
}

#[test]
fn a_waiting_poll_makes_place_for_results_after_its_share() {
    let mut world = enrolled();
    world.outside.pads = 50;
    world.run_seconds(100);
    let message = row("F.1", 0);
    world.agent().queue(Priority::Normal, &message).unwrap();
    world.drive();
    world.run_seconds(3);
    assert_eq!(world.rows("F.1"), [0]);
    world.run_seconds(3);
    assert!(world.outside.fronts[0].reader.is_some(), "the poll comes back");
}

#[test]
fn results_without_end_do_not_keep_tasks_away() {
    let mut world = enrolled();
    for start in 0..600 {
        world.queue_row("F.1", start);
    }
    world.outside.give_task(row("F.9", 0));
    let mut next = 600;
    for _ in 0..60 {
        while world.agent().room(Priority::Normal) > 1_000 {
            world.queue_row("F.1", next);
            next += 1;
        }
        world.run_seconds(1);
    }
    assert_eq!(world.outside.messages.len(), 1);
}
