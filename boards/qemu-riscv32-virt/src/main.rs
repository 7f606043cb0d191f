//! QEMU's virt machine as a board: clocks, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

extern crate alloc;

mod clock;
mod console;
mod last_words;
mod memory;

use core::fmt::{self, Write};
use core::ops::RangeInclusive;
use core::ptr::{self, addr_of_mut};
use core::slice;

use riscv::asm::wfi;
use riscv_rt::entry;
use troodon_board::flash::{FlashStorage, Layout, MappedNor};
use troodon_board::virtio::{Virtio, VirtioEntropy, VirtioNet};
use troodon_board::{Cause, Firmware, Heap, Instant, Load, Memory, NoEntropy, Parts, Span, System};

use console::Uart;

/// Where the machine has places for virtio devices.
const VIRTIO: RangeInclusive<usize> = 0x1000_1000..=0x1000_8000;
const VIRTIO_STEP: usize = 0x1000;
/// The second half of the memory, which a file of the host backs: it stands for flash.
const FLASH: usize = 0x8080_0000;
const FLASH_LEN: usize = 1024 * 1024;
const PROVISION_LEN: usize = 16 * 1024;
const LAYOUT: Layout = Layout::at(64 * 1024);
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap = Heap::empty();
static mut HEAP_MEMORY: [u8; HEAP_LEN] = [0; HEAP_LEN];
static BOARD: Virt = Virt;
static LOAD: Load = Load::new();

struct Virt;

/// The machine's places for virtio devices.
fn virtio() -> Virtio {
    // SAFETY: the machine has registers of virtio at each of these places, and no one else uses them.
    unsafe { Virtio::at(VIRTIO, VIRTIO_STEP) }
}

impl System for Virt {
    fn model(&self) -> &'static str {
        "qemu-riscv32-virt"
    }

    fn architecture(&self) -> &'static str {
        "riscv32imac"
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
        VirtioEntropy::find(&virtio())?.fill(buffer)
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        // The console never fails.
        let _written = writeln!(Uart, "{line}");
    }

    fn typed(&self) -> Option<u8> {
        Uart::typed()
    }

    fn feed(&self) {
        clock::feed();
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
    memory::paint_stack();
    // SAFETY: `main` runs once and nothing else names this memory.
    unsafe { HEAP.init(addr_of_mut!(HEAP_MEMORY).cast(), HEAP_LEN) };
    clock::start();
    let ending = last_words::take();
    let Some(device) = VirtioNet::find(&virtio()) else { halt("no network device") };
    // SAFETY: memory; nothing writes to this part of it.
    let provision = unsafe { slice::from_raw_parts(ptr::without_provenance(FLASH), PROVISION_LEN) };
    // SAFETY: memory again; the storage keeps to its layout, which begins behind the provisioning.
    let flash = unsafe { MappedNor::new(FLASH, FLASH_LEN) };
    let storage = match FlashStorage::open(flash, LAYOUT) {
        Ok(storage) => storage,
        Err(fault) => halt(fault),
    };
    let queue = LAYOUT.limits();
    let (system, mac, regions) = (&BOARD, device.mac(), memory::regions());
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
