//! WIZnet's W5500-EVB-Pico2 as a board: clocks, pins, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use embassy_embedded_hal::adapter::BlockingAsync;
use embassy_futures::block_on;
use embassy_net_wiznet::State;
use embassy_net_wiznet::chip::W5500;
use embassy_rp::flash::Flash;
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::TRNG;
use embassy_rp::spi::{self, Spi};
use embassy_rp::trng::{self, Trng};
use embassy_rp::uart::{self, Blocking, Uart};
use embassy_rp::watchdog::{ResetReason, Watchdog};
use embassy_rp::{bind_interrupts, otp};
use embassy_time::{Delay, Duration};
use embedded_hal_bus::spi::ExclusiveDevice;
use embedded_hal_nb::serial::Read;
use static_cell::ConstStaticCell;
use troodon_board::embassy::EmbassyNic;
use troodon_board::flash::Layout;
use troodon_board::systick::SysTickClock;
use troodon_board::{
    Board, Chip, Hardware, Heap, NoEntropy, Shared, WATCHDOG_SECS, cortex_m_handlers,
    local_address, provision_at,
};

/// What embassy sets the processor to.
const CLOCK: SysTickClock<150_000_000> = SysTickClock;
/// Where the processor sees the flash.
const XIP: usize = 0x1000_0000;
const FLASH_LEN: usize = 2 * 1024 * 1024;
/// The second half of the flash: the provisioning, and behind it what the firmware writes.
const PROVISION: usize = 1024 * 1024;
const LAYOUT: Layout = Layout::at(1024 * 1024 + 64 * 1024);
/// The W5500 bears 33 MHz.
const SPI_HZ: u32 = 25_000_000;
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap<HEAP_LEN> = Heap::new();
static BOARD: Board<Pico2, HEAP_LEN> = Board::new(Pico2, &HEAP);
static PARTS: Shared<Parts> = Shared::new();
static FRAMES: ConstStaticCell<State<4, 4>> = ConstStaticCell::new(State::new());

bind_interrupts!(struct Interrupts {
    TRNG_IRQ => trng::InterruptHandler<TRNG>;
});

/// What the chip's services use.
struct Parts {
    console: Uart<'static, Blocking>,
    random: Trng<'static, TRNG>,
    watchdog: Watchdog,
    is_watched: bool,
}

struct Pico2;

impl Chip for Pico2 {
    const MODEL: &'static str = "w5500-evb-pico2";
    const ARCHITECTURE: &'static str = "armv8-m.main";

    fn micros(&self) -> u64 {
        CLOCK.micros()
    }

    fn sleep(&self) {
        wfi();
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        // The source tests itself (RP2350 data sheet, section 12.12); until a test passes the driver waits.
        PARTS.with(|parts| parts.random.blocking_fill_bytes(buffer)).ok_or(NoEntropy)
    }

    fn write(&self, text: &str) {
        let _written = PARTS.with(|parts| parts.console.blocking_write(text.as_bytes()));
    }

    fn typed(&self) -> Option<u8> {
        PARTS.with(|parts| parts.console.read().ok())?
    }

    fn feed(&self) {
        let patience = Duration::from_secs(u64::from(WATCHDOG_SECS));
        PARTS.with(|parts| match core::mem::replace(&mut parts.is_watched, true) {
            true => parts.watchdog.feed(patience),
            false => parts.watchdog.start(patience),
        });
    }

    fn reset(&self) -> ! {
        SCB::sys_reset()
    }
}

cortex_m_handlers!(BOARD);

#[entry]
fn main() -> ! {
    BOARD.start();
    if let Some(mut core) = Peripherals::take() {
        CLOCK.start(&mut core.SYST);
    }
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    let console = Uart::new_blocking(p.UART0, p.PIN_0, p.PIN_1, uart::Config::default());
    let random = Trng::new(p.TRNG, Interrupts, trng::Config::default());
    let mut watchdog = Watchdog::new(p.WATCHDOG);
    watchdog.pause_on_debug(true);
    let is_bitten = matches!(watchdog.reset_reason(), Some(ResetReason::TimedOut));
    PARTS.put(Parts { console, random, watchdog, is_watched: false });
    if is_bitten {
        BOARD.bitten();
    }
    let Ok(serial) = otp::get_chipid() else { BOARD.halt("no serial number") };
    let mac = local_address(&serial.to_be_bytes());

    let mut config = spi::Config::default();
    config.frequency = SPI_HZ;
    let spi = Spi::new_blocking(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, config);
    let select = Output::new(p.PIN_17, Level::High);
    let Ok(spi) = ExclusiveDevice::new(BlockingAsync::new(spi), select, Delay);
    let (frame_is_there, reset) =
        (Input::new(p.PIN_21, Pull::Up), Output::new(p.PIN_20, Level::High));
    let made = embassy_net_wiznet::new::<4, 4, W5500, _, _, _>(
        mac,
        FRAMES.take(),
        spi,
        frame_is_there,
        reset,
    );
    let Ok((device, runner)) = block_on(made) else { BOARD.halt("no Ethernet controller") };
    // SAFETY: the second core is not started, and nothing here is called by an interrupt.
    let device =
        unsafe { EmbassyNic::with_work(device, async move { match runner.run().await {} }) };

    let flash = Flash::<_, _, FLASH_LEN>::new_blocking(p.FLASH);
    // SAFETY: flash; nothing writes to this part of it.
    let provision = unsafe { provision_at(XIP + PROVISION) };
    BOARD.run(Hardware { device, mac, flash, layout: LAYOUT, provision })
}
