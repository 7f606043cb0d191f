//! Whoever is not the pinned server gets one request, for its certificate, and nothing else.

use troodon_core::agent::{Event, Refusal, ServerIs};
use troodon_core::error::PinFault;

use crate::delivery::enrolled;
use crate::server::{Flaw, Mode};
use crate::world::World;

const IMPOSTORS: [(Mode, Refusal); 6] = [
    (Mode::Portal, Refusal::Portal),
    (Mode::Status(302), Refusal::Redirect(302)),
    (Mode::Impostor(Flaw::NotPem), Refusal::Pin(PinFault::NotPem)),
    (Mode::Impostor(Flaw::OtherCa), Refusal::Pin(PinFault::Signature)),
    (Mode::Impostor(Flaw::OtherName), Refusal::Pin(PinFault::OtherName)),
    (Mode::Impostor(Flaw::Expired), Refusal::Pin(PinFault::Expired)),
];

#[test]
fn an_impostor_gets_nothing_and_the_queue_is_kept_for_the_server() {
    for (mode, refusal) in IMPOSTORS {
        let mut world = World::new(3, &[mode]);
        world.boot();
        world.queue_row("F.1", 0);
        world.run_seconds(900);
        assert!(world.has_event(&Event::Refused(refusal)), "{mode:?}: {:?}", world.outside.events);
        assert_eq!(world.outside.fronts[0].posts, 0, "{mode:?}");
        let gets = world.outside.fronts[0].gets;
        assert!((9..=16).contains(&gets), "{mode:?}: {gets} requests in a quarter of an hour");

        world.outside.fronts[0].mode = Mode::Genuine;
        world.run_seconds(120);
        assert_eq!(world.rows("F.1"), [0], "{mode:?}");
    }
}

#[test]
fn among_several_servers_the_genuine_one_is_found() {
    for (mode, _) in IMPOSTORS {
        let mut world = World::new(4, &[mode, Mode::Genuine, mode]);
        world.boot();
        world.queue_row("F.1", 0);
        world.run_seconds(30);
        assert_eq!(world.rows("F.1"), [0], "{mode:?}");
        for front in [0, 2] {
            assert_eq!(world.outside.fronts[front].posts, 0, "{mode:?}");
        }
    }
}

#[test]
fn a_portal_that_appears_later_does_not_swallow_results() {
    for mode in [Mode::Portal, Mode::Status(302)] {
        let mut world = enrolled(&[Mode::Genuine]);
        world.outside.fronts[0].mode = mode;
        world.outside.break_connections();
        world.queue_row("F.1", 0);
        world.run_seconds(300);
        world.outside.fronts[0].mode = Mode::Genuine;
        world.run_seconds(120);
        assert_eq!(world.rows("F.1"), [0], "{mode:?}");
    }
}

#[test]
fn without_a_clock_the_authority_and_the_name_still_decide() {
    for (flaw, fault) in
        [(Flaw::OtherCa, PinFault::Signature), (Flaw::OtherName, PinFault::OtherName)]
    {
        let mut world = World::new(3, &[Mode::Impostor(flaw)]).without_clock();
        world.boot();
        world.run_seconds(10);
        assert!(world.has_event(&Event::Refused(Refusal::Pin(fault))));
        assert_eq!(world.outside.fronts[0].posts, 0);
    }
    let mut world = World::new(3, &[Mode::Genuine]).without_clock();
    world.boot();
    world.run_seconds(10);
    assert!(world.has_event(&Event::Pinned(ServerIs::First)));
}
