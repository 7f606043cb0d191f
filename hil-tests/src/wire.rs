//! A wire with faults between a board and its network: frames are lost, come late, or do not come at all.
//!
//! The emulator gives each frame of the board to a socket, and takes those for it from another; its user network hangs on
//! two more. Between them two threads carry the frames, one for each direction.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Chance;

/// Longest frame of Ethernet with a VLAN tag, in bytes.
const FRAME_LEN_MAX: usize = 1522;
/// How often a thread looks whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a wire does to frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Of a thousand frames, how many are lost.
    pub lost_per_mille: u64,
    /// Bits that pass in a second in each direction; 0 for as many as come.
    pub bits_per_second: u64,
}

/// A wire; dropping it ends its threads.
#[derive(Debug)]
pub struct Wire {
    folder: PathBuf,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    lost: AtomicU64,
    carried: AtomicU64,
    over: AtomicBool,
}

impl Wire {
    /// Lays a wire whose sockets are in a folder.
    ///
    /// # Errors
    ///
    /// The sockets cannot be made.
    pub fn lay(folder: &Path, faults: Faults, seed: u64) -> Result<Self> {
        let state = Arc::new(State { faults, ..State::default() });
        let mut wire = Self { folder: folder.to_path_buf(), state, threads: Vec::new() };
        let ends = [("near.in", "far.out", seed), ("far.in", "near.out", seed.wrapping_add(1))];
        for (from, to, seed) in ends {
            let socket = UnixDatagram::bind(wire.path(from)).context("a socket of the wire")?;
            socket.set_read_timeout(Some(LOOK_EVERY))?;
            let (to, state) = (wire.path(to), Arc::clone(&wire.state));
            let chance = Chance::from_seed(seed);
            wire.threads.push(thread::spawn(move || carry(&socket, &to, &state, chance)));
        }
        Ok(wire)
    }

    /// How many frames were lost, and how many arrived.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.state.lost.load(Ordering::SeqCst), self.state.carried.load(Ordering::SeqCst))
    }

    /// What the emulator is told of it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let socket = |id: &str, end: &str| {
            let path = |name: &str| self.path(&format!("{end}.{name}")).display().to_string();
            let (local, remote) = (path("out"), path("in"));
            format!(
                "dgram,id={id},local.type=unix,local.path={local},remote.type=unix,remote.path={remote}"
            )
        };
        let devices = [
            socket("wire", "near"),
            socket("socket", "far"),
            "user,id=world".to_owned(),
            "hubport,id=first,hubid=1,netdev=socket".to_owned(),
            "hubport,id=second,hubid=1,netdev=world".to_owned(),
        ];
        devices.into_iter().flat_map(|device| ["-netdev".to_owned(), device]).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ended = thread.join();
        }
    }
}

fn carry(from: &UnixDatagram, to: &Path, state: &State, mut chance: Chance) {
    let mut frame = [0; FRAME_LEN_MAX];
    while !state.over.load(Ordering::SeqCst) {
        let length = match from.recv(&mut frame) {
            Ok(length) => length,
            Err(error) if is_silence(&error) => continue,
            Err(error) => {
                eprintln!("a wire is broken: {error}");
                return;
            }
        };
        if chance.below(1000) < state.faults.lost_per_mille {
            state.lost.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
        let micros = bits.saturating_mul(1_000_000).checked_div(state.faults.bits_per_second);
        thread::sleep(Duration::from_micros(micros.unwrap_or(0)));
        let is_carried = frame.get(..length).is_some_and(|frame| from.send_to(frame, to).is_ok());
        let count = if is_carried { &state.carried } else { &state.lost };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
