//! ST's NUCLEO-H743ZI as a board: clocks, pins, memory, and which parts exist.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "registers and static memory of a chip")]

mod clocks;

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use embassy_stm32::eth::{self, Ethernet, PacketQueue};
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::mode::Blocking;
use embassy_stm32::peripherals::{IWDG1, RNG};
use embassy_stm32::rng::{self, Rng};
use embassy_stm32::spi::{self, Spi};
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, Uart};
use embassy_stm32::wdg::IndependentWatchdog;
use embassy_stm32::{bind_interrupts, pac, uid};
use embassy_time::Delay;
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
use w25q32jv::W25q32jv;

const CLOCK: SysTickClock<{ clocks::HZ }> = SysTickClock;
/// The second bank of the internal flash.
const PROVISION: usize = 0x0810_0000;
/// The external flash bears more; short wires on a bench do not.
const FLASH_HZ: u32 = 10_000_000;
const HEAP_LEN: usize = 192 * 1024;

#[global_allocator]
static HEAP: Heap<HEAP_LEN> = Heap::new();
static BOARD: Board<H743, HEAP_LEN> = Board::new(H743, &HEAP);
static PARTS: Shared<Parts> = Shared::new();
/// In AXI SRAM, as all statics.
static FRAMES: ConstStaticCell<PacketQueue<4, 4>> = ConstStaticCell::new(PacketQueue::new());

bind_interrupts!(struct Interrupts {
    ETH => eth::InterruptHandler;
    RNG => rng::InterruptHandler<RNG>;
});

/// What the chip's services use.
struct Parts {
    console: Uart<'static, Blocking>,
    random: Rng<'static, RNG>,
    watchdog: IndependentWatchdog<'static, IWDG1>,
}

struct H743;

impl Chip for H743 {
    const MODEL: &'static str = "nucleo-h743zi";
    const ARCHITECTURE: &'static str = "armv7e-m";

    fn micros(&self) -> u64 {
        CLOCK.micros()
    }

    fn sleep(&self) {
        wfi();
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        // The driver tells of seed and clock errors, which the source finds itself (RM0433 section 34.3.7).
        let fill =
            |parts: &mut Parts| embassy_futures::block_on(parts.random.async_fill_bytes(buffer));
        PARTS.with(fill).ok_or(NoEntropy)?.map_err(|_| NoEntropy)
    }

    fn write(&self, text: &str) {
        let _written = PARTS.with(|parts| parts.console.blocking_write(text.as_bytes()));
    }

    fn typed(&self) -> Option<u8> {
        PARTS.with(|parts| parts.console.read().ok())?
    }

    fn feed(&self) {
        PARTS.with(|parts| {
            parts.watchdog.unleash();
            parts.watchdog.pet();
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
    let p = embassy_stm32::init(clocks::config());
    let console = Uart::new_blocking(p.USART3, p.PD9, p.PD8, usart::Config::default());
    let Ok(console) = console else { BOARD.halt("no console") };
    let random = Rng::new(p.RNG, Interrupts);
    let watchdog = IndependentWatchdog::new(p.IWDG1, WATCHDOG_SECS * 1_000_000);
    PARTS.put(Parts { console, random, watchdog });
    if pac::RCC.rsr().read().iwdg1rstf() {
        BOARD.bitten();
    }
    pac::RCC.rsr().modify(|reasons| reasons.set_rmvf(true));

    let mac = local_address(&uid::uid());
    #[rustfmt::skip] // In the order of the manual (UM1974 table 12).
    let ethernet = Ethernet::new(
        FRAMES.take(), p.ETH, Interrupts, p.PA1, p.PA7, p.PC4, p.PC5, p.PG13, p.PB13, p.PG11, mac,
        p.ETH_SMA, p.PA2, p.PC1,
    );
    // SAFETY: the chip has one core, and nothing here is called by an interrupt.
    let device = unsafe { EmbassyNic::new(ethernet) };

    let mut spi = spi::Config::default();
    spi.frequency = Hertz(FLASH_HZ);
    let spi = Spi::new_blocking(p.SPI1, p.PB3, p.PB5, p.PB4, spi);
    let select = Output::new(p.PA4, Level::High, Speed::High);
    let Ok(spi) = ExclusiveDevice::new(spi, select, Delay);
    let (hold, protect) =
        (Output::new(p.PA15, Level::High, Speed::Low), Output::new(p.PC7, Level::High, Speed::Low));
    let Ok(flash) = W25q32jv::new(spi, hold, protect) else { BOARD.halt("no flash") };

    // SAFETY: flash, which nothing writes.
    let provision = unsafe { provision_at(PROVISION) };
    BOARD.run(Hardware { device, mac, flash, layout: Layout::at(0), provision })
}
