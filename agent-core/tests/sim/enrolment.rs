//! From a fresh key to the first results.

use troodon_core::agent::{Event, ServerIs};
use troodon_core::time::Span;

use crate::server::Mode;
use crate::world::World;

fn fresh() -> World {
    let mut world = World::new(1, &[Mode::Genuine]);
    world.boot();
    world
}

#[test]
fn a_new_client_enrols_within_seconds() {
    let mut world = fresh();
    world.run_seconds(5);
    let events: Vec<&Event> = world
        .outside
        .events
        .iter()
        .filter(|event| !matches!(event, Event::LinkUp(_) | Event::LinkDown(..)))
        .collect();
    assert_eq!(events, [&Event::Pinned(ServerIs::First), &Event::Enrolling, &Event::Enrolled]);
    assert_eq!(world.outside.store.enrolments.len(), 1);
    assert_eq!(world.outside.fronts[0].gets, 1);
}

#[test]
fn a_new_client_is_known_within_a_second() {
    let mut world = fresh();
    world.run_seconds(1);
    assert!(world.has_event(&Event::Enrolled));
}

#[test]
fn results_wait_until_the_server_knows_the_client() {
    let mut world = World::new(1, &[Mode::Genuine]);
    world.outside.store.keeps_enrolments = false;
    world.boot();
    for start in 0..10 {
        assert!(world.queue_row("F.1", start));
    }
    world.run_seconds(600);
    assert!(!world.has_event(&Event::Enrolled));
    assert_eq!(world.outside.store.futile, 0);
    world.outside.store.keeps_enrolments = true;
    world.run_seconds(120);
    assert_eq!(world.rows("F.1"), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_server_that_never_agrees_is_asked_once_a_minute() {
    let mut world = World::new(1, &[Mode::Genuine]);
    world.outside.store.keeps_enrolments = false;
    world.boot();
    world.run_seconds(600);
    let times = &world.outside.store.enrolments;
    assert!((8..=10).contains(&times.len()), "{}", times.len());
    let is_spaced = times.windows(2).all(|w| w[1].since(w[0]) >= Span::from_secs(60));
    assert!(is_spaced, "{times:?}");
    assert!(world.outside.fronts[0].posts < 60, "{} posts", world.outside.fronts[0].posts);
}

#[test]
fn a_client_that_was_deleted_enrols_again_and_loses_nothing() {
    let mut world = fresh();
    world.run_seconds(5);
    world.outside.store.client = None;
    world.outside.fronts[0].restart();
    world.outside.break_connections();
    for start in 0..5 {
        world.queue_row("F.1", start);
    }
    world.run_seconds(180);
    assert_eq!(world.outside.store.enrolments.len(), 2);
    assert_eq!(world.rows("F.1"), (0..5).collect::<Vec<_>>());
}

#[test]
fn the_client_describes_itself_once_it_is_known_and_then_daily() {
    let mut world = fresh();
    world.run_seconds(10);
    assert_eq!(world.outside.store.descriptions, 1);
    world.run_seconds(3_600);
    assert_eq!(world.outside.store.descriptions, 1);
    world.run_seconds(86_400);
    assert_eq!(world.outside.store.descriptions, 2);
}

#[test]
fn a_restart_neither_enrols_nor_forgets() {
    let mut world = fresh();
    world.run_seconds(5);
    world.cut_power();
    world.run_seconds(60);
    world.boot();
    world.run_seconds(60);
    assert_eq!(world.outside.store.enrolments.len(), 1);
    assert_eq!(world.outside.store.descriptions, 2);
    assert!(world.has_event(&Event::Pinned(ServerIs::Known)));
}
