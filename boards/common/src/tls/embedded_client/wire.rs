//! What lies between a session and its conversation: bytes from and for the server, and what the session wants.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use embedded_tls::TlsError;
use spin::Mutex;

use super::End;
use super::filter::Filter;
use crate::tls::incoming::Incoming;
use crate::tls::{Authenticated, TlsFault};

/// Shared by both.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    filter: Filter,
    /// From the server; the first `admitted` bytes are the rest of a record that was let in.
    incoming: Incoming,
    admitted: usize,
    outgoing: Vec<u8>,
    /// What was sealed in what came.
    plain: Vec<u8>,
    /// What is to be sealed.
    to_seal: Vec<u8>,
    is_finishing: bool,
    proof: Option<Authenticated>,
    /// The handshake is done.
    is_open: bool,
    /// Why the conversation ends, where that is known better than `embedded-tls` says it.
    fault: Option<TlsFault>,
}

/// What is to be done next.
pub(super) enum Wanted {
    /// A record is there.
    Read,
    Seal(Vec<u8>),
    Finish,
}

impl Wire {
    /// Takes bytes from the server, unless there are too many.
    pub(super) fn receive(&self, bytes: &[u8]) -> Result<(), TlsFault> {
        self.0.lock().incoming.add(bytes)
    }

    /// Gives what was sealed.
    pub(super) fn take_plain(&self, take: &mut dyn FnMut(&[u8])) {
        let plain = core::mem::take(&mut self.0.lock().plain);
        if !plain.is_empty() {
            take(&plain);
        }
    }

    /// Appends what is for the server.
    pub(super) fn take_outgoing(&self, outgoing: &mut Vec<u8>) {
        outgoing.append(&mut self.0.lock().outgoing);
    }

    /// The proof, once the handshake is done too.
    pub(super) fn proof(&self) -> Option<Authenticated> {
        let state = self.0.lock();
        state.proof.filter(|_| state.is_open)
    }

    pub(super) fn want_sealed(&self, plain: &[u8]) {
        self.0.lock().to_seal.extend_from_slice(plain);
    }

    pub(super) fn want_finish(&self) {
        self.0.lock().is_finishing = true;
    }

    /// The server's certificate is trusted.
    pub(super) fn has_certificate(&self) {
        self.0.lock().filter.has_certificate = true;
    }

    /// The server has its key too.
    pub(super) fn prove(&self, proof: Authenticated) {
        let mut state = self.0.lock();
        state.filter.has_verify = true;
        state.proof = Some(proof);
    }

    /// Says why the conversation is about to end.
    pub(super) fn fail(&self, fault: TlsFault) {
        self.0.lock().fault.get_or_insert(fault);
    }

    /// The handshake is done.
    pub(super) fn open(&self) {
        self.0.lock().is_open = true;
    }

    /// Takes data out of a record.
    pub(super) fn opened(&self, plain: &[u8]) {
        let mut state = self.0.lock();
        state.filter.has_data();
        state.plain.extend_from_slice(plain);
    }

    /// How a conversation ends for which `embedded-tls` has this reason.
    pub(super) fn end(&self, error: &TlsError) -> End {
        let state = self.0.lock();
        let fault = match (state.fault, error) {
            (Some(fault), _) => fault,
            (None, TlsError::ConnectionClosed) if state.is_open => return End::Closed,
            // These are its words for an alert: `filter` and `cipher` leave nothing else that they could mean.
            (None, TlsError::InvalidRecord | TlsError::InternalError) => TlsFault::Refused,
            (None, _) => TlsFault::Protocol,
        };
        End::Fault(fault)
    }

    /// Waits for something to do after the handshake.
    pub(super) async fn wanted(&self) -> Wanted {
        poll_fn(|_| {
            let mut state = self.0.lock();
            if !state.to_seal.is_empty() {
                return Poll::Ready(Wanted::Seal(core::mem::take(&mut state.to_seal)));
            }
            if state.is_finishing {
                return Poll::Ready(Wanted::Finish);
            }
            // A record with a fault is for the reader to find.
            let is_there = !matches!(state.whole(), Ok(None));
            if is_there { Poll::Ready(Wanted::Read) } else { Poll::Pending }
        })
        .await
    }
}

impl State {
    /// Bytes of the record at the front, if all of it is there.
    fn whole(&mut self) -> Result<Option<usize>, TlsFault> {
        let incoming = self.incoming.bytes();
        Ok(Filter::len(incoming)?.filter(|len| *len <= incoming.len()))
    }

    /// Gives bytes of one record; `None` when there is no whole one.
    fn read(&mut self, room: &mut [u8]) -> Result<Option<usize>, TlsFault> {
        if self.admitted == 0 {
            let Some(len) = self.whole()? else { return Ok(None) };
            let record = self.incoming.bytes().get_mut(..len).ok_or(TlsFault::Protocol)?;
            self.filter.admit(record)?;
            self.admitted = len;
        }
        let len = self.admitted.min(room.len());
        for (place, byte) in room.iter_mut().zip(self.incoming.bytes()) {
            *place = *byte;
        }
        self.incoming.remove(len);
        self.admitted = self.admitted.saturating_sub(len);
        Ok(Some(len))
    }
}

impl Read for Wire {
    /// Waits for whole records only; after the handshake not even for these, so that the board can speak meanwhile.
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Stop> {
        poll_fn(|_| {
            let mut state = self.0.lock();
            match state.read(room) {
                Ok(Some(len)) => Poll::Ready(Ok(len)),
                Ok(None) if state.is_open => Poll::Ready(Err(Stop(ErrorKind::Interrupted))),
                Ok(None) => Poll::Pending,
                Err(fault) => {
                    state.fault = Some(fault);
                    Poll::Ready(Err(Stop(ErrorKind::InvalidData)))
                }
            }
        })
        .await
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        let mut state = self.0.lock();
        state.filter.answered();
        state.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        Ok(())
    }
}

impl ErrorType for Wire {
    type Error = Stop;
}

/// Why `embedded-tls` gets no bytes.
#[derive(Debug)]
pub(super) struct Stop(ErrorKind);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no record to be let in")
    }
}

impl core::error::Error for Stop {}

impl embedded_io_async::Error for Stop {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("filter", &self.filter).finish_non_exhaustive()
    }
}
