//! How this firmware ends: said, written down for the next boot, and then a reset.

use core::fmt;
use core::panic::PanicInfo;
use core::ptr::addr_of_mut;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use troodon_board::{Cause, Ending, EndingRecord, System, WATCHDOG_SECS};

use crate::BOARD;

/// Start-up code leaves this alone, so it survives a reset.
#[unsafe(link_section = ".uninit.ending")]
static mut RECORD: EndingRecord = EndingRecord::empty();

/// How the firmware before this one ended, if it said so. `main` asks once.
pub(crate) fn take() -> Option<Ending> {
    // SAFETY: `end` is the only other place, and it does not return.
    unsafe { (*addr_of_mut!(RECORD)).take() }
}

/// Ends this firmware.
pub(crate) fn end(cause: Cause, why: impl fmt::Display) -> ! {
    BOARD.say(format_args!("{}: {why}", cause.name()));
    // SAFETY: nothing else runs any more.
    unsafe { (*addr_of_mut!(RECORD)).keep(cause, why) };
    SCB::sys_reset()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    end(Cause::Fault, format_args!("at {:#010x}, called from {:#010x}", frame.pc(), frame.lr()))
}

/// The watchdog's first warning; its second would be a reset without a word.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    end(Cause::Watchdog, format_args!("no turn of the loop for {WATCHDOG_SECS} s"))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(Cause::Panic, info)
}
