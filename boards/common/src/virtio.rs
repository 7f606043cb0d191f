//! Devices of an emulated machine: the network and the source of random numbers of virtio (OASIS VIRTIO 1.2), over its
//! memory-mapped transport, by `virtio-drivers`.
#![allow(unsafe_code, reason = "a device reads and writes memory by its address")]

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::ops::RangeInclusive;
use core::ptr::{self, NonNull};

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use virtio_drivers::device::net::VirtIONetRaw;
use virtio_drivers::device::rng::VirtIORng;
use virtio_drivers::transport::mmio::MmioTransport;
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

use crate::nic::Nic;
use crate::system::NoEntropy;

/// Frames that may wait for the board. A power of two, as virtio wants it.
const QUEUE_LEN: usize = 4;
/// Longest frame, in bytes, with the header that virtio puts before it.
const BUFFER_LEN: usize = 1_536;
/// Longest frame that is sent, in bytes.
const FRAME_LEN_MAX: usize = 1_514;

/// Where a machine has places for devices.
pub struct Virtio {
    places: RangeInclusive<usize>,
    step: usize,
}

impl Virtio {
    /// Names the places.
    ///
    /// # Safety
    ///
    /// `step` bytes of registers are at each place, whether a device is there or not, and nothing else uses them.
    #[must_use]
    pub const unsafe fn at(places: RangeInclusive<usize>, step: usize) -> Self {
        Self { places, step }
    }

    /// The first device of a kind, and its place.
    fn find(&self, wanted: DeviceType) -> Option<(usize, MmioTransport<'static>)> {
        let transport = |place: usize| {
            let header = NonNull::new(ptr::with_exposed_provenance_mut(place))?;
            // SAFETY: whoever made `self` promised that registers are there.
            Some((place, unsafe { MmioTransport::new(header, self.step) }.ok()?))
        };
        let mut found = self.places.clone().step_by(self.step).filter_map(transport);
        found.find(|(_, transport)| transport.device_type() == wanted)
    }
}

/// Memory that devices reach: that of the heap, at the addresses that the processor uses.
struct Flat;

fn pages_of(count: usize) -> Option<Layout> {
    Layout::from_size_align(count.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok()
}

// SAFETY: what is allocated is zeroed, aligned to a page and nobody else's until it is given back; there is no address
// translation, so that sharing changes nothing.
unsafe impl Hal for Flat {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // SAFETY: a queue has at least one page.
        let memory =
            pages_of(pages).and_then(|layout| NonNull::new(unsafe { alloc_zeroed(layout) }));
        // The address 0 is how the driver is told that there is no memory.
        let address = memory.map_or(0, address_of);
        (address, memory.unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, pages: usize) -> i32 {
        if let Some(layout) = pages_of(pages) {
            // SAFETY: the caller gives back what `dma_alloc` gave with this layout.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, _: usize) -> NonNull<u8> {
        let address = usize::try_from(address).unwrap_or(0);
        NonNull::new(ptr::with_exposed_provenance_mut(address)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        address_of(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

fn address_of(memory: NonNull<u8>) -> PhysAddr {
    u64::try_from(memory.as_ptr().expose_provenance()).unwrap_or(0)
}

/// The source of random numbers.
pub struct VirtioEntropy(VirtIORng<Flat, MmioTransport<'static>>);

impl VirtioEntropy {
    /// Takes the first such device.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`]: there is none, or it does not start.
    pub fn find(virtio: &Virtio) -> Result<Self, NoEntropy> {
        let (_, transport) = virtio.find(DeviceType::EntropySource).ok_or(NoEntropy)?;
        VirtIORng::new(transport).map(Self).map_err(|_| NoEntropy)
    }

    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`]: the device gives nothing.
    pub fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), NoEntropy> {
        while !buffer.is_empty() {
            let given = self.0.request_entropy(buffer).map_err(|_| NoEntropy)?;
            buffer = buffer.get_mut(given..).filter(|_| given > 0).ok_or(NoEntropy)?;
        }
        Ok(())
    }
}

/// The network device.
pub struct VirtioNet {
    place: usize,
    queues: RefCell<Queues>,
}

/// What the device and the driver hand to each other.
struct Queues {
    raw: VirtIONetRaw<Flat, MmioTransport<'static>, QUEUE_LEN>,
    /// Buffers that the device fills, each at the number that it has for it.
    lent: [Option<Vec<u8>>; QUEUE_LEN],
    /// The frame that goes.
    sending: Vec<u8>,
    /// Its number and its length, with the header, as long as the device has it: for ever, when nobody takes it.
    in_flight: Option<(u16, usize)>,
}

impl VirtioNet {
    /// Takes the first such device.
    #[must_use]
    pub fn find(virtio: &Virtio) -> Option<Self> {
        let (place, transport) = virtio.find(DeviceType::Network)?;
        let raw = VirtIONetRaw::new(transport).ok()?;
        let lent = [const { None }; QUEUE_LEN];
        let mut queues = Queues { raw, lent, sending: vec![0; BUFFER_LEN], in_flight: None };
        for _ in 0..QUEUE_LEN {
            queues.lend(vec![0; BUFFER_LEN]);
        }
        Some(Self { place, queues: RefCell::new(queues) })
    }

    /// Its hardware address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.queues.borrow().raw.mac_address()
    }
}

impl Queues {
    /// Lets the device fill a buffer.
    fn lend(&mut self, mut buffer: Vec<u8>) {
        // SAFETY: nobody touches the buffer until `take` has it back from the device.
        let token = unsafe { self.raw.receive_begin(&mut buffer) };
        let place = token.ok().and_then(|token| self.lent.get_mut(usize::from(token)));
        if let Some(place) = place {
            *place = Some(buffer);
        }
    }

    /// Takes back a buffer that the device has filled.
    fn take(&mut self) -> Option<Frame> {
        let token = self.raw.poll_receive()?;
        let mut buffer = self.lent.get_mut(usize::from(token))?.take()?;
        // SAFETY: this is the buffer that was lent under this number.
        let (begin, len) = unsafe { self.raw.receive_complete(token, &mut buffer) }.ok()?;
        Some(Frame { buffer, begin, end: begin.saturating_add(len) })
    }

    /// Whether the device is done with the last frame.
    fn has_room(&mut self) -> bool {
        let Some((token, len)) = self.in_flight else { return true };
        let is_done = self.raw.poll_transmit() == Some(token);
        if is_done && let Some(frame) = self.sending.get(..len) {
            // SAFETY: these are the bytes that the device was given under this number. What failed is lost, as frames may be.
            let _sent = unsafe { self.raw.transmit_complete(token, frame) };
            self.in_flight = None;
        }
        is_done
    }

    /// Gives the device a frame; only when there is room.
    fn send<R>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let begin = self.raw.fill_buffer_header(&mut self.sending).unwrap_or(0);
        let end = begin.saturating_add(len.min(FRAME_LEN_MAX));
        let result = fill(self.sending.get_mut(begin..end).unwrap_or_default());
        let frame = self.sending.get(..end).unwrap_or_default();
        // SAFETY: nobody touches the frame until `has_room` has found that the device is done with it.
        let token = unsafe { self.raw.transmit_begin(frame) };
        self.in_flight = token.ok().map(|token| (token, end));
        result
    }
}

/// A buffer with a frame in it.
struct Frame {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

impl Nic for VirtioNet {
    fn has_link(&mut self) -> bool {
        /// Where the status lies behind a device's place (VIRTIO 1.2 sections 4.2.2 and 5.1.4), and the link's bit in it.
        const STATUS: usize = 0x106;
        const LINK_UP: u16 = 1;
        let status = ptr::with_exposed_provenance::<u16>(self.place.saturating_add(STATUS));
        // SAFETY: the device was found at this place, and its configuration may be read at any time.
        unsafe { status.read_volatile() & LINK_UP != 0 }
    }

    fn has_frame(&mut self) -> bool {
        self.queues.borrow_mut().raw.poll_receive().is_some()
    }
}

/// A frame that came.
pub struct Received<'a> {
    queues: &'a RefCell<Queues>,
    frame: Frame,
}

/// Room for a frame that goes.
pub struct Sending<'a>(&'a RefCell<Queues>);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let Frame { buffer, begin, end } = self.frame;
        let result = read(buffer.get(begin..end).unwrap_or_default());
        self.queues.borrow_mut().lend(buffer);
        result
    }
}

impl TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.borrow_mut().send(len, fill)
    }
}

impl Device for VirtioNet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_>)> {
        let mut queues = self.queues.borrow_mut();
        // A frame may have to be answered at once.
        let frame = if queues.has_room() { queues.take()? } else { return None };
        drop(queues);
        Some((Received { queues: &self.queues, frame }, Sending(&self.queues)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_>> {
        let has_room = self.queues.borrow_mut().has_room();
        has_room.then_some(Sending(&self.queues))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        capabilities.max_burst_size = Some(QUEUE_LEN);
        capabilities
    }
}
