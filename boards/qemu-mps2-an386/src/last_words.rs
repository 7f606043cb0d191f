//! Panics and faults: said, written down for the next boot, and then a reset.

extern crate alloc;

use alloc::string::String;
use core::fmt;
use core::panic::PanicInfo;
use core::ptr::addr_of_mut;

use cortex_m::peripheral::SCB;
use cortex_m_rt::{ExceptionFrame, exception};
use troodon_board::{PanicRecord, System};

use crate::BOARD;

/// Start-up code leaves this alone, so it survives a reset.
#[unsafe(link_section = ".uninit.panic")]
static mut RECORD: PanicRecord = PanicRecord::empty();

/// Why the firmware before this one ended, if it said so. `main` asks once.
pub(crate) fn take() -> Option<String> {
    // SAFETY: the handlers below are the only other place, and they do not return.
    unsafe { (*addr_of_mut!(RECORD)).take() }.map(Into::into)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    end(format_args!("fault at {:#010x}, called from {:#010x}", frame.pc(), frame.lr()))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(info)
}

fn end(why: impl fmt::Display) -> ! {
    BOARD.say(format_args!("{why}"));
    // SAFETY: nothing else runs any more.
    unsafe { (*addr_of_mut!(RECORD)).keep(why) };
    SCB::sys_reset()
}
