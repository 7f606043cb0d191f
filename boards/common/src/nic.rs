//! The network device of a board, with what queries ask of it: whether there is a cable, and how much went through.

use crc::{CRC_32_ISO_HDLC, Crc};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::time::Instant;

/// A network device that knows its cable.
pub trait Nic: Device {
    /// Whether somebody is at the other end of the cable. May cost as much as a few frames: it is asked a few times a second.
    fn has_link(&mut self) -> bool;

    /// Whether a frame waits to be received. Asked a thousand times a second: it has to be cheap.
    fn has_frame(&mut self) -> bool;
}

/// A hardware address for a chip that has none, from the number that its maker gave it: locally administered, unicast, and the
/// same at each start.
#[must_use]
pub fn local_address(serial: &[u8]) -> [u8; 6] {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    let [a, b, c, d] = CRC.checksum(serial).to_be_bytes();
    [0x02, 0x54, a, b, c, d]
}

/// Frames of one direction, and the bytes in them, since reset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Frames.
    pub frames: u64,
    /// Their bytes, without the checksum.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, len: usize) {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(len).unwrap_or(0));
    }
}

/// A device whose frames are counted.
pub struct Metered<D> {
    device: D,
    received: Count,
    sent: Count,
}

impl<D> Metered<D> {
    /// Counts from zero.
    pub fn new(device: D) -> Self {
        Self { device, received: Count::default(), sent: Count::default() }
    }

    /// What was received.
    pub fn received(&self) -> Count {
        self.received
    }

    /// What was sent.
    pub fn sent(&self) -> Count {
        self.sent
    }

    /// The device itself.
    pub fn inner(&mut self) -> &mut D {
        &mut self.device
    }
}

/// A token whose frame is counted when it is used.
pub struct Counted<'a, T> {
    token: T,
    count: &'a mut Count,
}

impl<T: RxToken> RxToken for Counted<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let Self { token, count } = self;
        token.consume(|frame| {
            count.add(frame.len());
            read(frame)
        })
    }
}

impl<T: TxToken> TxToken for Counted<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.count.add(len);
        self.token.consume(len, fill)
    }
}

impl<D: Device> Device for Metered<D> {
    type RxToken<'a>
        = Counted<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = Counted<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (frame, reply) = self.device.receive(now)?;
        let frame = Counted { token: frame, count: &mut self.received };
        Some((frame, Counted { token: reply, count: &mut self.sent }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let token = self.device.transmit(now)?;
        Some(Counted { token, count: &mut self.sent })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}
