//! Anything may happen, in any order, from a seed; whatever it was, the agent recovers and nothing promised is lost.

use troodon_core::queue::MONITORING_SESSION;
use troodon_core::storage::{Lane, Position, Storage};
use troodon_core::time::{Instant, Span};
use troodon_proto::{Message, MessageList, VeloMessage};

use crate::keys::{other_key, server_key};
use crate::memo::{MemoKey, SimRng};
use crate::server::{Flaw, Mode, row_texts_match};
use crate::world::{Weather, World};

/// Seeds of each commit. `TROODON_SIM_SEEDS=5000` runs more, `TROODON_SIM_SEED=17` one.
const SEEDS: u64 = 200;
/// Runs side by side.
const THREADS: u64 = 4;
/// Things that happen before the weather clears.
const STORMS: u64 = 12;

#[test]
fn whatever_happens_the_agent_recovers_and_loses_nothing() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("TROODON_SIM_SEED") {
        return run(seed);
    }
    let seeds = number("TROODON_SIM_SEEDS").unwrap_or(SEEDS);
    let run_share = |first: u64| {
        for seed in (first..seeds).step_by(usize::try_from(THREADS).unwrap()) {
            let result = std::panic::catch_unwind(|| run(seed));
            assert!(result.is_ok(), "replay with TROODON_SIM_SEED={seed}");
        }
    };
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || run_share(first));
        }
    });
}

/// A row that was queued, and when.
struct Promise {
    session: &'static str,
    start: u64,
    at: Instant,
}

fn run(seed: u64) {
    let mut rng = SimRng::new(seed ^ 0xa11);
    let modes: &[Mode] = match rng.below(4) {
        0 => &[Mode::Genuine],
        1 => &[Mode::Genuine, Mode::Genuine],
        2 => &[Mode::Genuine, Mode::Portal],
        _ => &[Mode::Impostor(Flaw::OtherCa), Mode::Genuine, Mode::Genuine],
    };
    let mut world = World::new(seed, modes);
    if rng.chance(30) {
        world = world.on_one_link();
    }
    // No loss by a full queue here: every row that was promised has to arrive.
    world.limits.monitoring = 1 << 20;
    world.limits.flows = 1 << 20;
    world.boot();
    let (mut promises, mut next) = (Vec::new(), 0);
    for _ in 0..STORMS {
        storm(&mut world, &mut rng, &mut promises);
        for _ in 0..rng.below(12) {
            let session = if rng.chance(30) { MONITORING_SESSION } else { "F.1" };
            assert!(world.queue_row(session, next), "there is room");
            promises.push(Promise { session, start: next, at: world.outside.now });
            next += 1;
        }
        world.run(Span::from_millis(rng.below(90_000)));
    }
    clear(&mut world, modes);
    world.run_seconds(900);
    check(&mut world, modes, &promises);
}

fn storm(world: &mut World, rng: &mut SimRng, promises: &mut Vec<Promise>) {
    let genuine = world.outside.fronts.iter().position(|front| front.mode == Mode::Genuine);
    match rng.below(10) {
        0 => world.outside.break_connections(),
        1 => {
            world.outside.fronts.iter_mut().for_each(crate::server::Front::restart);
            world.outside.break_connections();
        }
        2 => {
            let is_first = std::ptr::eq(world.outside.store.key.0, server_key());
            world.outside.store.key = MemoKey(if is_first { other_key() } else { server_key() });
            world.outside.fronts.iter_mut().for_each(crate::server::Front::restart);
        }
        3 => world.outside.store.client = None,
        4 | 5 => {
            let codes = [301, 400, 403, 404, 406, 408, 409, 500, 503];
            if let Some(front) = genuine {
                // 400 would drop rows by right; the delivery tests have it.
                let code = codes[usize::try_from(rng.below(9)).unwrap()];
                let code = if code == 400 { 502 } else { code };
                let times = usize::try_from(rng.below(4)).unwrap();
                world.outside.fronts[front].script.extend(std::iter::repeat_n(code, times));
            }
        }
        6 => restart(world, promises),
        7 => {
            world.outside.give_task(VeloMessage { session_id: "F.T".into(), ..Default::default() })
        }
        8 => world.outside.weather = Weather::default(),
        _ => {
            world.outside.weather = Weather {
                refuse: rng.below(40),
                cut: rng.below(8),
                stall: rng.below(4),
                portion: rng.below(3) * 40 + rng.below(2),
                delay: rng.below(3_000),
            };
        }
    }
}

/// Cuts the power; what was queued in the last moment may be gone then, and nothing else.
fn restart(world: &mut World, promises: &mut Vec<Promise>) {
    world.cut_power();
    let kept = kept(world);
    let now = world.outside.now;
    let rows = &world.outside.store.rows;
    promises.retain(|promise| {
        let is_kept = kept.contains(&(promise.session.to_string(), promise.start));
        let has_arrived = rows
            .iter()
            .any(|((id, _), rows)| id == promise.session && rows.contains_key(&promise.start));
        let is_fresh = now.since(promise.at) <= Span::from_secs(1);
        assert!(
            is_kept || has_arrived || is_fresh,
            "row {} was lost by a power cut",
            promise.start
        );
        is_kept || has_arrived
    });
    world.boot();
}

/// The rows on the medium.
fn kept(world: &mut World) -> Vec<(String, u64)> {
    let (mut kept, mut record) = (Vec::new(), Vec::new());
    for lane in Lane::ALL {
        let mut from = Position::START;
        while let Some(at) = world.medium.read(lane, from, &mut record).unwrap() {
            from = at.after();
            let list = MessageList::decode(&record[1..]).unwrap();
            kept.extend(list.job.into_iter().filter_map(|message| {
                Some((message.session_id, message.vql_response?.query_start_row))
            }));
        }
    }
    kept
}

fn clear(world: &mut World, modes: &[Mode]) {
    world.outside.weather = Weather::default();
    for (front, mode) in world.outside.fronts.iter_mut().zip(modes) {
        front.mode = *mode;
        front.script.clear();
        front.restart();
    }
    world.outside.break_connections();
}

fn check(world: &mut World, modes: &[Mode], promises: &[Promise]) {
    for session in [MONITORING_SESSION, "F.1"] {
        let promised: Vec<u64> =
            promises.iter().filter(|p| p.session == session).map(|p| p.start).collect();
        let arrived = world.rows(session);
        assert!(promised.iter().all(|start| arrived.contains(start)), "{promised:?} {arrived:?}");
        let order: Vec<u64> = world
            .outside
            .store
            .order
            .iter()
            .filter(|(id, _)| id == session)
            .map(|(_, start)| *start)
            .collect();
        assert!(order.is_sorted(), "{session}: {order:?}");
    }
    assert!(row_texts_match(&world.outside.store));
    assert!(world.agent().is_idle());
    for (front, mode) in world.outside.fronts.iter().zip(modes) {
        assert!(*mode == Mode::Genuine || front.posts == 0, "{mode:?} got {} posts", front.posts);
    }
    let enrolments = &world.outside.store.enrolments;
    assert!(enrolments.len() < 40, "{} enrolments", enrolments.len());
    let is_waiting = world.outside.fronts.iter().any(|front| front.reader.is_some());
    world.run_seconds(30);
    let waits_later = world.outside.fronts.iter().any(|front| front.reader.is_some());
    assert!(is_waiting || waits_later, "nobody waits for tasks");
}
