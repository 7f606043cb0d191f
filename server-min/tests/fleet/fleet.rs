//! Devices, a server and the network between them, and the loop that lets time pass.

use rand_core::SeedableRng;
use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use troodon_core::agent::Input;
use troodon_core::envelope::PAD;
use troodon_core::identity::ClientId;
use troodon_core::rsa::soft::SoftKey;
use troodon_core::time::{Instant, Span};

use crate::device::Device;
use crate::network::{Fate, Happening, Network};
use crate::server::{Answer, Server};

/// Devices of a fleet.
pub const DEVICES: usize = 3;
/// Pads after which a poll ends.
const PADS: u32 = 3;
/// A tick that only looks whether something is due.
const LOOK: u32 = u32::MAX;

pub struct Fleet {
    pub devices: Vec<Device>,
    pub server: Server,
    pub network: Network,
    pub crashes: u64,
}

impl Fleet {
    /// Devices that were just installed, and their server.
    pub fn new(seed: u64) -> Self {
        let devices =
            (0..DEVICES).map(|index| Device::new(index, key(index), seed ^ 0x5eed)).collect();
        Self { devices, server: Server::new(), network: Network::new(seed), crashes: 0 }
    }

    pub fn now(&self) -> Instant {
        self.network.now
    }

    pub fn boot(&mut self, index: usize) {
        if self.devices[index].running.is_none() {
            self.devices[index].boot(&mut self.network);
        }
    }

    /// The power of a device fails, and comes back later.
    pub fn cut_power(&mut self, index: usize, off: Span) {
        self.devices[index].cut_power();
        self.network.lose(index);
        self.network.after(off, Happening::Boot(index));
    }

    /// The server's process ends at once, and is started again later.
    pub fn kill_server(&mut self, down: Span) {
        self.server.kill();
        self.network.is_server_up = false;
        self.network.cut_all();
        self.network.after(down, Happening::ServerUp);
    }

    /// Something was queued for a client: its poll looks at once.
    pub fn wake(&mut self, client: &ClientId) {
        if let Some(id) = self.server.polls.get(client) {
            self.network.after(Span::from_millis(1), Happening::Tick(*id, LOOK));
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Span) {
        let end = self.now().saturating_add(span);
        loop {
            let wakes = self.devices.iter().filter_map(|device| device.running.as_ref());
            let wakes = wakes.map(|running| running.wake_at);
            let at = wakes.chain(self.network.next_at()).min().unwrap_or(end).min(end);
            self.network.now = self.now().max(at);
            if self.now() >= end {
                return;
            }
            while let Some(happening) = self.network.due() {
                self.happen(happening);
            }
            let now = self.now();
            for device in &mut self.devices {
                if device.running.as_ref().is_some_and(|running| running.wake_at <= now) {
                    device.drive(&mut self.network);
                }
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Boot(index) => self.boot(index),
            Happening::ServerUp => {
                self.server.start();
                self.network.is_server_up = true;
            }
            Happening::Up(id) => {
                if let Some(pipe) = self.network.pipe(id) {
                    pipe.is_open = true;
                    let (device, connection) = (pipe.device, pipe.connection);
                    self.tell(device, Input::Up(connection));
                }
            }
            Happening::Down(id, down) => {
                if let Some(pipe) = self.network.pipe(id) {
                    let (device, connection) = (pipe.device, pipe.connection);
                    self.tell(device, Input::Down(connection, down));
                }
            }
            Happening::Reply(id, bytes) => {
                if let Some(pipe) = self.network.pipe(id) {
                    let (device, connection) = (pipe.device, pipe.connection);
                    self.tell(device, Input::Received(connection, &bytes));
                }
            }
            Happening::Request(id, bytes, fate) => self.serve(id, &bytes, fate),
            Happening::Gone(id) => {
                self.server.polls.retain(|_, poll| *poll != id);
                self.network.forget(id);
            }
            Happening::Tick(id, pads) => self.tick(id, pads),
        }
    }

    fn tell(&mut self, device: usize, input: Input<'_>) {
        let now = self.now();
        // A device that died since then has no place in the list.
        if let Some(device) = self.devices.get_mut(device) {
            device.tell(now, input);
            device.drive(&mut self.network);
        }
    }

    fn serve(&mut self, id: u64, request: &[u8], fate: Fate) {
        if fate == Fate::Unheard || !self.network.is_server_up {
            return self.network.cut(id);
        }
        let (head, body) = match self.server.answer(self.network.now, request) {
            Answer::Status(status, body) => {
                let length = format!("Content-Length: {}", body.len());
                (
                    format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: text/plain; charset=utf-8\r\n{length}\r\n\r\n"
                    ),
                    body,
                )
            }
            Answer::Poll(client) => {
                self.server.polls.insert(client, id);
                self.network.after(Span::from_millis(1), Happening::Tick(id, 0));
                let kind = "Content-Type: text/plain; charset=utf-8";
                (
                    format!("HTTP/1.1 200 OK\r\n{kind}\r\nTransfer-Encoding: chunked\r\n\r\n"),
                    Vec::new(),
                )
            }
            Answer::Crash => {
                self.crashes += 1;
                return self.kill_server(Span::from_secs(3));
            }
        };
        let reply = [head.into_bytes(), body].concat();
        match fate {
            Fate::Answered => self.network.reply(id, reply),
            Fate::Truncated => self.network.break_off(id, reply),
            Fate::Unanswered | Fate::Unheard => self.network.cut(id),
        }
    }

    /// The server looks at its queue, and sends a pad, the tasks, or the end of the poll.
    fn tick(&mut self, id: u64, pads: u32) {
        let Some(client) = self.server.polls.iter().find(|(_, poll)| **poll == id) else { return };
        let client = *client.0;
        let end = b"0\r\n\r\n".to_vec();
        if let Some(body) = self.server.due(self.network.now, &client) {
            self.server.polls.remove(&client);
            let body = [chunk(&body), end].concat();
            let fate = self.network.rng.chance(self.network.weather.cut);
            if fate { self.network.break_off(id, body) } else { self.network.reply(id, body) }
        } else if pads != LOOK && pads >= PADS {
            self.server.polls.remove(&client);
            self.network.reply(id, [chunk(&PAD), end].concat());
        } else if pads != LOOK {
            if pads > 0 {
                self.network.reply(id, chunk(&PAD));
            }
            self.network.after(Span::from_secs(10), Happening::Tick(id, pads + 1));
        }
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The key of a device, made once from a seed.
fn key(index: usize) -> &'static SoftKey {
    static KEYS: [OnceLock<SoftKey>; DEVICES] = [const { OnceLock::new() }; DEVICES];
    KEYS[index].get_or_init(|| {
        SoftKey::generate(&mut ChaCha20Rng::seed_from_u64(100 + index as u64), 2048).unwrap()
    })
}
