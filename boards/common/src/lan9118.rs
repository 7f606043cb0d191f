//! The LAN9118, a 10/100 Ethernet controller on a memory bus, polled (SMSC LAN9118 data sheet).
#![allow(unsafe_code, reason = "registers are reached by address")]

use alloc::boxed::Box;
use alloc::vec;
use core::ptr;

use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use crate::nic::Nic;

/// Longest frame, in bytes: Ethernet's 1514, the checksum, and a VLAN tag.
const FRAME_LEN_MAX: usize = 1522;
/// Bytes of Ethernet's checksum at the end of a received frame.
const CHECKSUM_LEN: usize = 4;
/// How often a register is looked at before the chip counts as absent; it needs a few looks.
const LOOKS_MAX: u32 = 100_000;

mod register {
    //! Offsets, in bytes.
    pub(super) const RX_DATA: usize = 0x00;
    pub(super) const TX_DATA: usize = 0x20;
    pub(super) const RX_STATUS: usize = 0x40;
    pub(super) const BYTE_TEST: usize = 0x64;
    pub(super) const TX_CONFIG: usize = 0x70;
    pub(super) const HW_CONFIG: usize = 0x74;
    pub(super) const RX_FIFO: usize = 0x7c;
    pub(super) const TX_FIFO: usize = 0x80;
    pub(super) const MAC_COMMAND: usize = 0xa4;
    pub(super) const MAC_DATA: usize = 0xa8;
}

/// MAC registers, reached through [`register::MAC_COMMAND`].
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;
const MAC_MII_ACCESS: u32 = 6;
const MAC_MII_DATA: u32 = 7;
const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
const MAC_RX_TX_ON: u32 = 1 << 2 | 1 << 3;
/// The inner PHY, its register of status (IEEE 802.3 clause 22.2.4.2), and the bit in it that says that there is a link.
const PHY: u32 = 1 << 11;
const PHY_STATUS: u32 = 1 << 6;
const PHY_LINK: u32 = 1 << 2;
/// What [`register::BYTE_TEST`] reads when the bus is in order.
const BYTES_IN_ORDER: u32 = 0x8765_4321;
const SOFT_RESET: u32 = 1;
/// Store and forward, which the data sheet demands, and the default split of the memory.
const HW_DEFAULT: u32 = 1 << 20 | 5 << 16;
/// The transmitter is on, and its status queue may overflow unread.
const TX_ON: u32 = 1 << 1 | 1 << 2;
/// One buffer is the whole frame.
const FIRST_AND_LAST: u32 = 1 << 13 | 1 << 12;
const RX_ERROR: u32 = 1 << 15;

/// The controller, and room for one frame in each direction.
pub struct Lan9118 {
    bus: Bus,
    /// On the heap: the stack of a start, through which a driver goes by value, is dear.
    received: Box<[u8]>,
    sending: Box<[u8]>,
}

/// Where the registers are.
#[derive(Clone, Copy)]
struct Bus(usize);

/// The chip does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Absent;

impl Lan9118 {
    /// Resets the controller and switches it on.
    ///
    /// # Errors
    ///
    /// [`Absent`] when it does not answer as the data sheet says.
    ///
    /// # Safety
    ///
    /// The registers of a LAN9118 are at `base`, and nothing else uses them.
    pub unsafe fn new(base: usize, mac: [u8; 6]) -> Result<Self, Absent> {
        let bus = Bus(base);
        bus.write(register::HW_CONFIG, SOFT_RESET);
        bus.wait(|| bus.read(register::HW_CONFIG) & SOFT_RESET == 0)?;
        bus.wait(|| bus.read(register::BYTE_TEST) == BYTES_IN_ORDER)?;
        bus.write(register::HW_CONFIG, HW_DEFAULT);
        let [a, b, c, d, e, f] = mac;
        bus.write_mac(MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]))?;
        bus.write_mac(MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]))?;
        bus.write_mac(MAC_CONTROL, MAC_RX_TX_ON)?;
        bus.write(register::TX_CONFIG, TX_ON);
        let room = || vec![0; FRAME_LEN_MAX].into_boxed_slice();
        Ok(Self { bus, received: room(), sending: room() })
    }

    fn has_room(&self) -> bool {
        let free = self.bus.read(register::TX_FIFO) & 0xffff;
        usize::try_from(free).is_ok_and(|free| free >= FRAME_LEN_MAX + 12)
    }

    /// How many frames wait.
    fn frames(&self) -> u32 {
        self.bus.read(register::RX_FIFO) >> 16 & 0xff
    }

    /// Takes the next frame without errors out of the controller.
    fn take_frame(&mut self) -> Option<usize> {
        while self.frames() > 0 {
            let status = self.bus.read(register::RX_STATUS);
            let len = usize::try_from(status >> 16 & 0x3fff).ok()?;
            let mut words = self.received.chunks_mut(4);
            for _ in 0..len.div_ceil(4) {
                let word = self.bus.read(register::RX_DATA).to_le_bytes();
                if let Some(slot) = words.next() {
                    slot.iter_mut().zip(word).for_each(|(slot, byte)| *slot = byte);
                }
            }
            if status & RX_ERROR == 0 && (CHECKSUM_LEN..=FRAME_LEN_MAX).contains(&len) {
                return Some(len - CHECKSUM_LEN);
            }
        }
        None
    }
}

impl Bus {
    fn read(self, offset: usize) -> u32 {
        // SAFETY: whoever made the bus promised that registers are there; reading has no effect on memory.
        unsafe { ptr::with_exposed_provenance::<u32>(self.0 + offset).read_volatile() }
    }

    fn write(self, offset: usize, value: u32) {
        // SAFETY: whoever made the bus promised that registers are there and belong to us.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(self.0 + offset).write_volatile(value) }
    }

    fn wait(self, ready: impl Fn() -> bool) -> Result<(), Absent> {
        if (0..LOOKS_MAX).any(|_| ready()) { Ok(()) } else { Err(Absent) }
    }

    fn write_mac(self, index: u32, value: u32) -> Result<(), Absent> {
        self.write(register::MAC_DATA, value);
        self.write(register::MAC_COMMAND, MAC_BUSY | index);
        self.wait(|| self.read(register::MAC_COMMAND) & MAC_BUSY == 0)
    }

    fn read_mac(self, index: u32) -> Result<u32, Absent> {
        self.write(register::MAC_COMMAND, MAC_BUSY | MAC_READ | index);
        self.wait(|| self.read(register::MAC_COMMAND) & MAC_BUSY == 0)?;
        Ok(self.read(register::MAC_DATA))
    }
}

impl Nic for Lan9118 {
    fn has_link(&mut self) -> bool {
        const MII_BUSY: u32 = 1;
        let bus = self.bus;
        let status = || {
            bus.write_mac(MAC_MII_ACCESS, PHY | PHY_STATUS | MII_BUSY)?;
            bus.wait(|| bus.read_mac(MAC_MII_ACCESS).is_ok_and(|state| state & MII_BUSY == 0))?;
            bus.read_mac(MAC_MII_DATA)
        };
        status().is_ok_and(|status: u32| status & PHY_LINK != 0)
    }

    fn has_frame(&mut self) -> bool {
        self.frames() > 0
    }
}

/// A frame that came.
pub struct Received<'a>(&'a [u8]);

/// Room for a frame that goes.
pub struct Sending<'a> {
    bus: Bus,
    frame: &'a mut [u8],
}

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let len = len.min(self.frame.len());
        let (frame, _) = self.frame.split_at_mut(len);
        let result = fill(frame);
        let size = u32::try_from(len).unwrap_or(0);
        self.bus.write(register::TX_DATA, FIRST_AND_LAST | size);
        self.bus.write(register::TX_DATA, size);
        for chunk in frame.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(chunk).for_each(|(slot, byte)| *slot = *byte);
            self.bus.write(register::TX_DATA, u32::from_le_bytes(word));
        }
        result
    }
}

impl Device for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        if !self.has_room() {
            return None;
        }
        let len = self.take_frame()?;
        let sending = Sending { bus: self.bus, frame: &mut self.sending };
        Some((Received(self.received.get(..len)?), sending))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let has_room = self.has_room();
        has_room.then_some(Sending { bus: self.bus, frame: &mut self.sending })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities.max_burst_size = Some(1);
        // The controller checks frames, not what is in them.
        capabilities.checksum.tcp = Checksum::Both;
        capabilities
    }
}
