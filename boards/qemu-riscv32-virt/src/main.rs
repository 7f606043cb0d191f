//! QEMU's virt machine as a board: clocks, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

use core::ops::RangeInclusive;
use core::panic::PanicInfo;
use core::ptr;

use riscv::asm::wfi;
use riscv::interrupt::Interrupt;
use riscv::register::{mcause, mepc};
use riscv_rt::{TrapFrame, core_interrupt, entry};
use troodon_board::clint::Clint;
use troodon_board::flash::{Layout, MappedNor};
use troodon_board::uart16550::Uart16550;
use troodon_board::virtio::{Virtio, VirtioEntropy, VirtioNet};
use troodon_board::{Board, Cause, Chip, Hardware, Heap, NoEntropy, provision_at};

// SAFETY: the machine has it there; nothing else uses it, and `tick` is the handler of the timer.
const CLINT: Clint<0x0200_0000, 10_000_000> = unsafe { Clint::new() };
// SAFETY: as above.
const UART: Uart16550<0x1000_0000> = unsafe { Uart16550::new() };
/// The device that ends or resets the machine, and what it is told for the latter.
const FINISHER: *mut u32 = ptr::without_provenance_mut(0x0010_0000);
const RESET: u32 = 0x7777;
/// Where the machine has places for virtio devices.
const VIRTIO: RangeInclusive<usize> = 0x1000_1000..=0x1000_8000;
const VIRTIO_STEP: usize = 0x1000;
/// The second half of the memory, which a file of the host backs: it stands for flash.
const FLASH: usize = 0x8080_0000;
const FLASH_LEN: usize = 1024 * 1024;
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap<HEAP_LEN> = Heap::new();
static BOARD: Board<Virt, HEAP_LEN> = Board::new(Virt, &HEAP);

struct Virt;

impl Chip for Virt {
    const MODEL: &'static str = "qemu-riscv32-virt";
    const ARCHITECTURE: &'static str = "riscv32imac";

    fn micros(&self) -> u64 {
        CLINT.micros()
    }

    fn sleep(&self) {
        wfi();
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        VirtioEntropy::find(&virtio())?.fill(buffer)
    }

    fn write(&self, text: &str) {
        UART.write(text);
    }

    fn typed(&self) -> Option<u8> {
        UART.typed()
    }

    fn feed(&self) {
        CLINT.feed();
    }

    fn reset(&self) -> ! {
        riscv::interrupt::disable();
        // SAFETY: the register resets the machine.
        unsafe { FINISHER.write_volatile(RESET) };
        loop {
            wfi();
        }
    }
}

/// The machine's places for virtio devices.
fn virtio() -> Virtio {
    // SAFETY: the machine has registers of virtio at each of these places, and no one else uses them.
    unsafe { Virtio::at(VIRTIO, VIRTIO_STEP) }
}

#[entry]
fn main() -> ! {
    BOARD.start();
    CLINT.start();
    let Some(device) = VirtioNet::find(&virtio()) else { BOARD.halt("no network device") };
    // SAFETY: memory; nothing writes to this part of it.
    let provision = unsafe { provision_at(FLASH) };
    // SAFETY: memory again; the storage keeps to its layout, which begins behind the provisioning.
    let flash = unsafe { MappedNor::new(FLASH, FLASH_LEN) };
    let (mac, layout) = (device.mac(), Layout::at(64 * 1024));
    BOARD.run(Hardware { device, mac, flash, layout, provision })
}

#[core_interrupt(Interrupt::MachineTimer)]
fn tick() {
    if CLINT.tick() {
        BOARD.bark();
    }
}

/// What start-up code calls for every exception of the processor.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(frame: &TrapFrame) -> ! {
    let (cause, place) = (mcause::read().code(), mepc::read());
    let why = format_args!("{cause} at {place:#010x}, called from {:#010x}", frame.ra);
    BOARD.end(Cause::Fault, why)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    BOARD.end(Cause::Panic, info)
}
