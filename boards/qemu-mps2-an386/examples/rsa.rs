//! What RSA with the private key costs on this board, blinded as always: `cargo xtask bench board` runs it in an emulator that
//! counts instructions, one each nanosecond. Prints `sign N` and `decrypt N`, in instructions.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m::Peripherals;
use cortex_m_rt::entry;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use semihosting::{println, process};
use troodon_board::Heap;
use troodon_board::systick::SysTickClock;
use troodon_core::rsa::PrivateKey;
use troodon_core::rsa::soft::SoftKey;

const HZ: u32 = 25_000_000;
const CLOCK: SysTickClock<HZ> = SysTickClock;
const HEAP_LEN: usize = 64 * 1024;
/// Of the modulus: what every board has.
const BITS: u32 = 2048;
/// How long the keys of a session are with their head (docs/protocol.md section 2.2).
const MESSAGE: [u8; 69] = [7; 69];

#[global_allocator]
static HEAP: Heap<HEAP_LEN> = Heap::new();

#[entry]
fn main() -> ! {
    HEAP.start();
    if let Some(mut core) = Peripherals::take() {
        CLOCK.start(&mut core.SYST);
    }
    // The same key each time: what it costs depends on it a little.
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let Ok(key) = SoftKey::generate(&mut rng, BITS) else { fail("no key") };
    let begin = CLOCK.micros();
    let Ok(_) = key.sign_pkcs1_sha256(&mut rng, &MESSAGE) else { fail("no signature") };
    println!("sign {}", instructions(begin));
    let Ok(sealed) = key.public().encrypt_oaep_sha1(&mut rng, &MESSAGE) else { fail("no text") };
    let begin = CLOCK.micros();
    let opened = key.decrypt_oaep_sha1(&mut rng, &sealed);
    let cost = instructions(begin);
    if !opened.is_ok_and(|opened| *opened == MESSAGE) {
        fail("another text");
    }
    println!("decrypt {cost}");
    process::exit(0)
}

fn instructions(begin: u64) -> u64 {
    (CLOCK.micros() - begin) * 1_000
}

fn fail(what: &str) -> ! {
    println!("{what}");
    process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    process::exit(1)
}
