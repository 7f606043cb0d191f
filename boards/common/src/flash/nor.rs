//! A blocking flash as `sequential-storage` wants it, counted.

use core::future::Future;
use core::ops::Range;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash as waiting;
use sequential_storage::Error;

use super::Wear;

/// The flash, and how much it was used.
#[derive(Debug)]
pub(super) struct Counted<F> {
    flash: F,
    wear: Wear,
}

impl<F> Counted<F> {
    pub(super) fn new(flash: F) -> Self {
        Self { flash, wear: Wear::default() }
    }

    pub(super) fn wear(&self) -> Wear {
        self.wear
    }

    pub(super) fn into_inner(self) -> F {
        self.flash
    }
}

impl<F: blocking::NorFlash> Counted<F> {
    /// Erases pages that pass for erased and are not: a power cut in the middle of erasing may leave any bits of a page,
    /// and `sequential-storage` looks at its ends only.
    pub(super) fn finish_erasing(&mut self, range: &Range<u32>) -> Result<(), F::Error> {
        let mut chunk = [0; 64];
        for from in range.clone().step_by(F::ERASE_SIZE) {
            let page = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
            let to = from.saturating_add(page);
            let (mut zeros_at_ends, mut is_blank) = ([0, 0], true);
            for at in (from..to).step_by(chunk.len()) {
                self.flash.read(at, &mut chunk)?;
                is_blank &= chunk.iter().all(|byte| *byte == 0xff);
                let zeros = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_zeros()).sum::<u32>();
                if at == from {
                    zeros_at_ends[0] = zeros(chunk.get(..F::READ_SIZE).unwrap_or_default());
                }
                zeros_at_ends[1] =
                    zeros(chunk.get(chunk.len() - F::READ_SIZE..).unwrap_or_default());
            }
            // As `sequential-storage` tells a page that is in use.
            let is_in_use = zeros_at_ends.iter().any(|zeros| *zeros >= 4);
            if !is_in_use && !is_blank {
                self.wear.erased_pages += 1;
                self.flash.erase(from, to)?;
            }
        }
        Ok(())
    }
}

impl<F: blocking::ErrorType> blocking::ErrorType for Counted<F> {
    type Error = F::Error;
}

impl<F: blocking::ReadNorFlash> waiting::ReadNorFlash for Counted<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.flash.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.flash.capacity()
    }
}

impl<F: blocking::NorFlash> waiting::NorFlash for Counted<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        let page = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
        self.wear.erased_pages += u64::from(to.saturating_sub(from).div_ceil(page));
        self.flash.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.wear.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.flash.write(offset, bytes)
    }
}

impl<F: blocking::MultiwriteNorFlash> waiting::MultiwriteNorFlash for Counted<F> {}

/// The result of a future over [`Counted`], which never waits.
pub(super) fn ready<T, E>(
    future: impl Future<Output = Result<T, Error<E>>>,
) -> Result<T, Error<E>> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::BufferTooBig),
    }
}
