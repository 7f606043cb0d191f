//! QEMU's mps2-an386 as a board: clocks, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

extern crate alloc;

mod clock;
mod console;
mod last_words;
mod memory;
mod watchdog;

use core::fmt::{self, Write};
use core::ptr::{self, addr_of_mut};
use core::slice;

use cortex_m::asm::wfi;
use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::Read;
use troodon_board::flash::{FlashStorage, Layout, MappedNor};
use troodon_board::lan9118::Lan9118;
use troodon_board::{Cause, Firmware, Heap, Instant, Load, Memory, NoEntropy, Parts, Span, System};

use console::Uart;

const ETHERNET: usize = 0x4020_0000;
/// Locally administered; its end is QEMU's default.
const MAC: [u8; 6] = [0x02, 0x54, 0x00, 0x12, 0x34, 0x56];
/// The PSRAM, which a file of the host backs: it stands for flash.
const FLASH: usize = 0x2100_0000;
const FLASH_LEN: usize = 1024 * 1024;
const PROVISION_LEN: usize = 16 * 1024;
const LAYOUT: Layout = Layout::at(64 * 1024);
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap = Heap::empty();
static mut HEAP_MEMORY: [u8; HEAP_LEN] = [0; HEAP_LEN];
static BOARD: Mps2 = Mps2;
static LOAD: Load = Load::new();

struct Mps2;

impl System for Mps2 {
    fn model(&self) -> &'static str {
        "qemu-mps2-an386"
    }

    fn architecture(&self) -> &'static str {
        "armv7e-m"
    }

    fn now(&self) -> Instant {
        Instant::from_micros(clock::micros())
    }

    fn worked(&self) -> Span {
        LOAD.worked(self.now())
    }

    fn idle(&self) {
        LOAD.sleep(|| self.now(), wfi);
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        // The emulated board has no source of its own; it borrows the host's.
        let mut source = File::open(c"/dev/urandom").map_err(|_| NoEntropy)?;
        source.read_exact(buffer).map_err(|_| NoEntropy)
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        // The console never fails.
        let _written = writeln!(Uart, "{line}");
    }

    fn typed(&self) -> Option<u8> {
        Uart::typed()
    }

    fn feed(&self) {
        watchdog::feed(clock::HZ);
    }

    fn memory(&self) -> Memory {
        let (stack, stack_peak) = memory::stack_marks();
        Memory {
            heap: HEAP.size(),
            heap_used: HEAP.used(),
            heap_peak: HEAP.peak(),
            stack,
            stack_peak,
        }
    }

    fn reset(&self) -> ! {
        last_words::end(Cause::Asked, "a restart")
    }
}

#[entry]
fn main() -> ! {
    Uart::start();
    // SAFETY: `main` runs once and nothing else names this memory.
    unsafe { HEAP.init(addr_of_mut!(HEAP_MEMORY).cast(), HEAP_LEN) };
    clock::start();
    let ending = last_words::take();
    // SAFETY: the manual of the board puts the controller there; nothing else uses it.
    let Ok(device) = (unsafe { Lan9118::new(ETHERNET, MAC) }) else {
        halt("no Ethernet controller")
    };
    // SAFETY: PSRAM; nothing writes to this part of it.
    let provision = unsafe { slice::from_raw_parts(ptr::without_provenance(FLASH), PROVISION_LEN) };
    // SAFETY: PSRAM again; the storage keeps to its layout, which begins behind the provisioning.
    let flash = unsafe { MappedNor::new(FLASH, FLASH_LEN) };
    let storage = match FlashStorage::open(flash, LAYOUT) {
        Ok(storage) => storage,
        Err(fault) => halt(fault),
    };
    if storage.lost_lanes() > 0 {
        BOARD.say(format_args!("queues that could not be read: {}", storage.lost_lanes()));
    }
    let queue = LAYOUT.limits();
    let (system, mac, regions) = (&BOARD, MAC, memory::regions());
    let parts = Parts { system, device, mac, storage, queue, provision, ending, regions };
    match Firmware::boot(parts) {
        Ok(firmware) => firmware.run(),
        Err(fault) => halt(fault),
    }
}

/// What cannot be helped is said once.
fn halt(why: impl fmt::Display) -> ! {
    BOARD.say(format_args!("cannot start: {why}"));
    loop {
        wfi();
    }
}
