//! Network devices of embassy's drivers under smoltcp. There is no executor: they are polled with the network.
#![allow(unsafe_code, reason = "drivers are not Send, and there is one thread")]

use alloc::boxed::Box;
use core::convert::Infallible;
use core::pin::Pin;
use core::task::{Context, Waker};

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::nic::Nic;

/// What a driver does beside its device, for ever: moving frames over a serial bus.
type Work = Pin<Box<dyn Future<Output = Infallible>>>;

/// A device of embassy.
pub struct EmbassyNic<D> {
    driver: D,
    work: Option<Work>,
}

// SAFETY: who made it promised that there is one thread of execution.
unsafe impl<D> Send for EmbassyNic<D> {}

impl<D: Driver> EmbassyNic<D> {
    /// A device that interrupts serve.
    ///
    /// # Safety
    ///
    /// The chip has one thread of execution beside its interrupts.
    pub unsafe fn new(driver: D) -> Self {
        Self { driver, work: None }
    }

    /// A device that has to be worked for.
    ///
    /// # Safety
    ///
    /// As [`EmbassyNic::new`].
    pub unsafe fn with_work(driver: D, work: impl Future<Output = Infallible> + 'static) -> Self {
        Self { driver, work: Some(Box::pin(work)) }
    }

    /// Lets the driver go on until it waits.
    fn work(&mut self) {
        if let Some(work) = &mut self.work {
            // It never ends.
            let _pending = work.as_mut().poll(&mut context());
        }
    }
}

/// Nobody has to be woken: whatever ends a wait is an interrupt, which ends the sleep of the loop.
fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// A token of embassy as one of smoltcp.
pub struct Frame<T>(T);

impl<T: RxToken> phy::RxToken for Frame<T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        self.0.consume(|frame| read(frame))
    }
}

impl<T: TxToken> phy::TxToken for Frame<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        self.0.consume(len, fill)
    }
}

impl<D: Driver> Device for EmbassyNic<D> {
    type RxToken<'a>
        = Frame<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = Frame<D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, _now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.work();
        let (frame, reply) = self.driver.receive(&mut context())?;
        Some((Frame(frame), Frame(reply)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Self::TxToken<'_>> {
        self.work();
        self.driver.transmit(&mut context()).map(Frame)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let driver = self.driver.capabilities();
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = driver.max_transmission_unit;
        capabilities.max_burst_size = driver.max_burst_size;
        capabilities
    }
}

impl<D: Driver> Nic for EmbassyNic<D> {
    fn has_link(&mut self) -> bool {
        self.work();
        self.driver.link_state(&mut context()) == LinkState::Up
    }

    fn has_frame(&mut self) -> bool {
        self.work();
        // A token that is not used takes nothing.
        self.driver.receive(&mut context()).is_some()
    }
}
