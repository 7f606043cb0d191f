//! How this firmware ends: said, written down for the next boot, and then a reset.

use core::fmt;
use core::panic::PanicInfo;
use core::ptr::{self, addr_of_mut};

use riscv::register::{mcause, mepc};
use riscv_rt::TrapFrame;
use troodon_board::{Cause, Ending, EndingRecord, System};

use crate::BOARD;

/// The device that ends or resets the machine.
const FINISHER: *mut u32 = ptr::without_provenance_mut(0x0010_0000);
const RESET: u32 = 0x7777;

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
    // SAFETY: nothing else runs any more; the register resets the machine.
    unsafe {
        riscv::interrupt::disable();
        (*addr_of_mut!(RECORD)).keep(cause, why);
        FINISHER.write_volatile(RESET);
    }
    loop {
        riscv::asm::wfi();
    }
}

/// What start-up code calls for every exception of the processor.
#[unsafe(no_mangle)]
extern "C" fn ExceptionHandler(frame: &TrapFrame) -> ! {
    let (cause, place) = (mcause::read().code(), mepc::read());
    end(Cause::Fault, format_args!("{cause} at {place:#010x}, called from {:#010x}", frame.ra))
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    end(Cause::Panic, info)
}
