//! A board as a board crate makes it: a [`Chip`] and a heap, which together are what the firmware calls its [`System`].
//!
//! ```ignore
//! #[global_allocator]
//! static HEAP: Heap<HEAP_LEN> = Heap::new();
//! static BOARD: Board<Mine, HEAP_LEN> = Board::new(Mine, &HEAP);
//! ```
//!
//! The entry calls [`Board::start`], then [`Board::run`]; handlers of panics and faults call [`Board::end`]. What a chip's
//! services need to be changed is in a [`Shared`].
#![allow(unsafe_code, reason = "a record that outlives a reset is static memory")]

use core::fmt::{self, Write};
use core::ptr::{self, addr_of_mut};
use core::slice;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use spin::Mutex;

use crate::ending::{Cause, EndingRecord};
use crate::firmware::{Firmware, Parts};
use crate::flash::{FlashStorage, Layout};
use crate::heap::Heap;
use crate::limits::{PROVISION_LEN, WATCHDOG_SECS};
use crate::load::Load;
use crate::memory;
use crate::nic::Nic;
use crate::system::{Memory, NoEntropy, System};
use crate::{Instant, Span};

/// Start-up code leaves this alone, so it survives a reset. [`Board::start`] does not look at it, [`Board::run`] takes it once,
/// and [`Board::end`] writes it when nothing else runs any more.
#[unsafe(link_section = ".uninit.ending")]
static mut RECORD: EndingRecord = EndingRecord::empty();

/// What only the crate of a board knows.
pub trait Chip: Sync {
    /// The model, as the server shows it.
    const MODEL: &'static str;
    /// The processor, as the server shows it.
    const ARCHITECTURE: &'static str;

    /// Microseconds since reset.
    fn micros(&self) -> u64;

    /// Sleeps until an interrupt, a millisecond at most.
    fn sleep(&self);

    /// Fills the buffer from a source that nobody can predict.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`]: the source failed, and no key may be made.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;

    /// Writes on the console.
    fn write(&self, text: &str);

    /// The next byte that was typed on the console, if there is one.
    fn typed(&self) -> Option<u8>;

    /// Switches the watchdog on for [`WATCHDOG_SECS`], or tells it that all is well.
    fn feed(&self);

    /// Resets the chip.
    fn reset(&self) -> !;
}

/// A chip with a heap of `HEAP` bytes.
pub struct Board<C, const HEAP: usize> {
    chip: C,
    heap: &'static Heap<HEAP>,
    load: Load,
}

/// What a board is made of beside its chip.
pub struct Hardware<D, F> {
    /// The network device.
    pub device: D,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// What outlives power.
    pub flash: F,
    /// What lies where in it.
    pub layout: Layout,
    /// The memory that begins with the provisioning.
    pub provision: &'static [u8],
}

impl<C: Chip, const HEAP: usize> Board<C, HEAP> {
    /// A board, to be `static`; its heap is the global allocator.
    pub const fn new(chip: C, heap: &'static Heap<HEAP>) -> Self {
        Self { chip, heap, load: Load::new() }
    }

    /// Makes memory usable. Called once, first of all.
    pub fn start(&self) {
        memory::paint_stack();
        self.heap.start();
    }

    /// Runs the firmware for ever.
    pub fn run<D, F>(&'static self, hardware: Hardware<D, F>) -> !
    where
        D: Nic + Send + 'static,
        F: MultiwriteNorFlash + Send + 'static,
    {
        let Hardware { device, mac, flash, layout, provision } = hardware;
        let queue = layout.limits();
        let storage = match FlashStorage::open(flash, layout) {
            Ok(storage) => storage,
            Err(fault) => self.halt(fault),
        };
        if storage.lost_lanes() > 0 {
            self.say(format_args!("queues that could not be read: {}", storage.lost_lanes()));
        }
        // SAFETY: `end` is the only other place, and it does not return.
        let ending = unsafe { (*addr_of_mut!(RECORD)).take() };
        let regions = alloc::vec![memory::image()];
        let system = self;
        let parts = Parts { system, device, mac, storage, queue, provision, ending, regions };
        match Firmware::boot(parts) {
            Ok(firmware) => firmware.run(),
            Err(fault) => self.halt(fault),
        }
    }

    /// What cannot be helped is said once.
    pub fn halt(&self, why: impl fmt::Display) -> ! {
        self.say(format_args!("cannot start: {why}"));
        loop {
            self.chip.sleep();
        }
    }

    /// Ends this firmware: said, written down for the next boot, and then a reset.
    pub fn end(&self, cause: Cause, why: impl fmt::Display) -> ! {
        self.say(format_args!("{}: {why}", cause.name()));
        critical_section::with(|_| {
            // SAFETY: `run` has taken what it wanted, and no interrupt comes between.
            unsafe { (*addr_of_mut!(RECORD)).keep(cause, why) };
        });
        self.chip.reset()
    }

    /// Writes down that the watchdog has reset the board, for chips whose watchdog gives no warning. Called before
    /// [`Board::run`].
    pub fn bitten(&self) {
        // SAFETY: `run` comes later, and `end` does not return.
        unsafe { (*addr_of_mut!(RECORD)).keep(Cause::Watchdog, Hung) };
    }

    /// Ends this firmware because its watchdog gave a warning.
    pub fn bark(&self) -> ! {
        self.end(Cause::Watchdog, Hung)
    }
}

impl<C: Chip, const HEAP: usize> System for Board<C, HEAP> {
    fn model(&self) -> &'static str {
        C::MODEL
    }

    fn architecture(&self) -> &'static str {
        C::ARCHITECTURE
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.chip.micros())
    }

    fn worked(&self) -> Span {
        self.load.worked(self.now())
    }

    fn idle(&self) {
        self.load.sleep(|| self.now(), || self.chip.sleep());
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        self.chip.fill(buffer)
    }

    fn print(&self, line: fmt::Arguments<'_>) {
        // The console never fails.
        let _written = writeln!(Console(&self.chip), "{line}");
    }

    fn typed(&self) -> Option<u8> {
        self.chip.typed()
    }

    fn feed(&self) {
        self.chip.feed();
    }

    fn memory(&self) -> Memory {
        let (stack, stack_peak) = memory::stack_marks();
        Memory {
            heap: HEAP,
            heap_used: self.heap.used(),
            heap_peak: self.heap.peak(),
            stack,
            stack_peak,
        }
    }

    fn reset(&self) -> ! {
        self.end(Cause::Asked, "a restart")
    }
}

/// The memory that begins with the provisioning.
///
/// # Safety
///
/// [`PROVISION_LEN`] bytes can be read at the address, and nothing writes them.
#[must_use]
pub const unsafe fn provision_at(address: usize) -> &'static [u8] {
    // SAFETY: the caller promises it.
    unsafe { slice::from_raw_parts(ptr::without_provenance(address), PROVISION_LEN) }
}

/// What the services of a chip use: nothing before it is put there.
pub struct Shared<T>(Mutex<Option<T>>);

impl<T> Shared<T> {
    /// Nothing.
    #[expect(clippy::new_without_default, reason = "a default is not const")]
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts it there.
    pub fn put(&self, parts: T) {
        *self.0.lock() = Some(parts);
    }

    /// Uses it. `None` before it is there, and when a fault came while it was in use: who tells of the fault does not wait.
    pub fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.0.try_lock()?.as_mut().map(act)
    }
}

/// The handlers of faults and panics on a Cortex-M, for the `static` board that is named.
#[cfg(feature = "cortex-m")]
#[macro_export]
macro_rules! cortex_m_handlers {
    ($board:ident) => {
        #[cortex_m_rt::exception]
        unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
            let (at, caller) = (frame.pc(), frame.lr());
            let why = format_args!("at {at:#010x}, called from {caller:#010x}");
            $board.end($crate::Cause::Fault, why)
        }

        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $board.end($crate::Cause::Panic, info)
        }
    };
}

/// The console of a chip as a place to format to.
struct Console<'a, C>(&'a C);

impl<C: Chip> Write for Console<'_, C> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text);
        Ok(())
    }
}

/// Why a watchdog ends a firmware.
struct Hung;

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no turn of the loop for {WATCHDOG_SECS} s")
    }
}
