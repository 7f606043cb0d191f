//! One run: things that go wrong, then good weather, then the account.

use troodon_core::time::Span;

use crate::check::{Launched, Tally, check, check_power_cut};
use crate::fleet::{DEVICES, Fleet};
use crate::keys::{other_key, server_key};
use crate::memo::{MemoKey, SimRng};
use crate::network::Weather;
use crate::server::Crash;

/// Things that happen before the weather clears.
const STORMS: u64 = 25;
/// Good weather at the end: longer than any pause of an agent and than the server's patience with silent collections.
const CALM: Span = Span::from_secs(1_200);

struct Run {
    fleet: Fleet,
    rng: SimRng,
    launched: Vec<Launched>,
    tally: Tally,
    tables: u64,
}

pub fn run(seed: u64) -> Tally {
    let mut rng = SimRng::new(seed ^ 0xf1ee7);
    let mut fleet = Fleet::new(seed);
    for index in 0..DEVICES {
        if rng.chance(30) {
            fleet.devices[index].links = troodon_core::agent::Links::One;
        }
        fleet.boot(index);
    }
    fleet.server.is_clock_shaky = rng.chance(50);
    fleet.server.watch(1, 3);
    fleet.run(Span::from_secs(60));
    let mut run = Run { fleet, rng, launched: Vec::new(), tally: Tally::default(), tables: 1 };
    for _ in 0..STORMS {
        run.storm();
        let pause = run.rng.below(40_000);
        run.fleet.run(Span::from_millis(pause));
    }
    run.clear();
    run.fleet.run(CALM);
    check(&run.fleet, &run.launched, &mut run.tally);
    run.tally.crashes = run.fleet.crashes;
    run.tally
}

impl Run {
    fn storm(&mut self) {
        let is_up = self.fleet.network.is_server_up;
        let device = usize::try_from(self.rng.below(DEVICES as u64)).unwrap();
        match self.rng.below(16) {
            0..=4 if is_up => self.launch(device),
            5 if is_up => self.cancel(),
            6 => self.cut_power(device),
            7 if is_up => {
                self.tally.restarts += 1;
                let down = self.rng.below(30_000);
                self.fleet.kill_server(Span::from_millis(down));
            }
            8 => {
                let is_before = self.rng.chance(50);
                self.fleet.server.crash =
                    Some(if is_before { Crash::BeforeCommit } else { Crash::AfterCommit });
            }
            9 => {
                self.tables += 1;
                let period = 1 + self.rng.below(9);
                self.fleet.server.watch(self.tables, period);
            }
            10 if is_up => self.rotate(),
            11 => {
                let skew = self.skew();
                let now = self.fleet.now();
                self.fleet.devices[device].jump(now, skew);
            }
            12 if self.fleet.server.is_clock_shaky => {
                self.fleet.server.skew = self.rng.below(7_200) as i64 - 3_600;
            }
            12 => {}
            13 => self.fleet.network.weather = Weather::default(),
            _ => {
                self.fleet.network.weather = Weather {
                    refuse: self.rng.below(40),
                    cut: self.rng.below(25),
                    stall: self.rng.below(5),
                    delay: self.rng.below(3_000),
                };
            }
        }
    }

    fn launch(&mut self, device: usize) {
        let number = self.launched.len() as u64;
        let client = self.fleet.devices[device].id;
        if self.fleet.server.store().client(&client).unwrap().is_none() {
            return;
        }
        let (count, pause) = (self.rng.below(400), self.rng.below(3) * 200);
        let size = if self.rng.chance(30) { Some(self.rng.below(90_000)) } else { None };
        let vql = match size {
            Some(size) => format!("SELECT send(size={size}) AS Sent FROM scope()"),
            None => format!("SELECT * FROM numbers(count={count}, pause={pause})"),
        };
        let flow = self.fleet.server.collect(&client, number, vql);
        self.launched.push(Launched { device, flow, count, size, is_cancelled: false });
        self.fleet.wake(&client);
    }

    fn cancel(&mut self) {
        let Some(last) = (self.launched.len() as u64).checked_sub(1) else { return };
        let at = usize::try_from(self.rng.below(last + 1)).unwrap();
        let launched = &mut self.launched[at];
        let client = self.fleet.devices[launched.device].id;
        let store = self.fleet.server.store();
        launched.is_cancelled |= store.cancel_flow(client, &launched.flow, "somebody").unwrap();
        self.fleet.wake(&client);
    }

    fn cut_power(&mut self, device: usize) {
        if self.fleet.devices[device].running.is_none() || !self.fleet.network.is_server_up {
            return;
        }
        self.tally.power_cuts += 1;
        let off = self.rng.below(60_000);
        self.fleet.cut_power(device, Span::from_millis(off));
        check_power_cut(&mut self.fleet, device, &mut self.tally);
    }

    fn rotate(&mut self) {
        let is_first = std::ptr::eq(self.fleet.server.key.0, server_key());
        self.fleet.server.key = MemoKey(if is_first { other_key() } else { server_key() });
        self.tally.restarts += 1;
        self.fleet.kill_server(Span::from_secs(1));
    }

    /// Minutes, or decades: then no certificate is valid until the clock is right again.
    fn skew(&mut self) -> i64 {
        match self.rng.below(3) {
            0 => 0,
            1 => self.rng.below(7_200) as i64 - 3_600,
            _ => 1_000_000_000,
        }
    }

    fn clear(&mut self) {
        self.fleet.network.weather = Weather::default();
        let now = self.fleet.now();
        self.fleet.server.crash = None;
        self.fleet.devices.iter_mut().for_each(|device| device.jump(now, 0));
    }
}
