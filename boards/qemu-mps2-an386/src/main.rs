//! QEMU's mps2-an386 as a board: clocks, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::{entry, exception};
use semihosting::fs::File;
use semihosting::io::Read;
use troodon_board::cmsdk::{CmsdkUart, CmsdkWatchdog};
use troodon_board::flash::{Layout, MappedNor};
use troodon_board::lan9118::Lan9118;
use troodon_board::systick::SysTickClock;
use troodon_board::{Board, Chip, Hardware, Heap, NoEntropy, cortex_m_handlers, provision_at};

const HZ: u32 = 25_000_000;
const CLOCK: SysTickClock<HZ> = SysTickClock;
// SAFETY: the manual of the board puts it there; nothing else uses it.
const UART: CmsdkUart<0x4000_4000> = unsafe { CmsdkUart::new() };
// SAFETY: as above.
const WATCHDOG: CmsdkWatchdog<0x4000_8000, HZ> = unsafe { CmsdkWatchdog::new() };
const ETHERNET: usize = 0x4020_0000;
/// Locally administered; its end is QEMU's default.
const MAC: [u8; 6] = [0x02, 0x54, 0x00, 0x12, 0x34, 0x56];
/// The PSRAM, which a file of the host backs: it stands for flash.
const FLASH: usize = 0x2100_0000;
const FLASH_LEN: usize = 1024 * 1024;
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap<HEAP_LEN> = Heap::new();
static BOARD: Board<Mps2, HEAP_LEN> = Board::new(Mps2, &HEAP);

struct Mps2;

impl Chip for Mps2 {
    const MODEL: &'static str = "qemu-mps2-an386";
    const ARCHITECTURE: &'static str = "armv7e-m";

    fn micros(&self) -> u64 {
        CLOCK.micros()
    }

    fn sleep(&self) {
        wfi();
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        // The emulated board has no source of its own; it borrows the host's.
        let mut source = File::open(c"/dev/urandom").map_err(|_| NoEntropy)?;
        source.read_exact(buffer).map_err(|_| NoEntropy)
    }

    fn write(&self, text: &str) {
        UART.write(text);
    }

    fn typed(&self) -> Option<u8> {
        UART.typed()
    }

    fn feed(&self) {
        WATCHDOG.feed();
    }

    fn reset(&self) -> ! {
        SCB::sys_reset()
    }
}

cortex_m_handlers!(BOARD);

#[entry]
fn main() -> ! {
    BOARD.start();
    UART.start();
    if let Some(mut core) = Peripherals::take() {
        CLOCK.start(&mut core.SYST);
    }
    // SAFETY: the manual of the board puts the controller there; nothing else uses it.
    let Ok(device) = (unsafe { Lan9118::new(ETHERNET, MAC) }) else {
        BOARD.halt("no Ethernet controller")
    };
    // SAFETY: PSRAM; nothing writes to this part of it.
    let provision = unsafe { provision_at(FLASH) };
    // SAFETY: PSRAM again; the storage keeps to its layout, which begins behind the provisioning.
    let flash = unsafe { MappedNor::new(FLASH, FLASH_LEN) };
    let layout = Layout::at(64 * 1024);
    BOARD.run(Hardware { device, mac: MAC, flash, layout, provision })
}

/// The watchdog's first warning; its second would be a reset without a word.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    BOARD.bark()
}
