//! How bytes pass over an open connection: as they are, or sealed by TLS.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smoltcp::socket::tcp;

use crate::limits::SEALED_LEN;
use crate::tls::{Authenticated, Session, TlsFault};

/// A connection that the agent may use. The sealed kind cannot be made without the proof that the server is the right one.
pub(super) enum Passage {
    /// The URL says `http://`: the envelope alone protects the messages.
    Plain,
    /// TLS.
    Sealed(Box<dyn Session>, Authenticated),
}

impl Passage {
    /// Gives what came to `take`. `true`: something came.
    pub(super) fn receive(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Result<bool, TlsFault> {
        match self {
            Self::Plain => Ok(drain(socket, |bytes| {
                take(bytes);
                Ok(())
            })?),
            Self::Sealed(session, _) => receive(session.as_mut(), socket, take),
        }
    }

    /// Takes bytes to send, as many as there is room for.
    pub(super) fn send(
        &mut self,
        socket: &mut tcp::Socket<'_>,
        bytes: &[u8],
    ) -> Result<usize, TlsFault> {
        match self {
            Self::Plain => Ok(socket.send_slice(bytes).unwrap_or(0)),
            Self::Sealed(session, proof) => {
                flush(session.as_mut(), socket);
                if !session.outgoing().is_empty() {
                    return Ok(0);
                }
                let part = bytes.get(..SEALED_LEN).unwrap_or(bytes);
                session.seal(proof, part)?;
                flush(session.as_mut(), socket);
                Ok(part.len())
            }
        }
    }

    /// Says that nothing more follows, as far as there is room to say it.
    pub(super) fn finish(&mut self, socket: &mut tcp::Socket<'_>) {
        if let Self::Sealed(session, _) = self {
            session.finish();
            flush(session.as_mut(), socket);
        }
    }
}

/// Gives what came to a session, and what was sealed in it to `take`; sends what the session has to say, also when it ends.
pub(super) fn receive(
    session: &mut dyn Session,
    socket: &mut tcp::Socket<'_>,
    mut take: impl FnMut(&[u8]),
) -> Result<bool, TlsFault> {
    let result = drain(socket, |bytes| session.receive(bytes, &mut take));
    flush(session, socket);
    result
}

/// Sends what a session has to say, as far as there is room.
pub(super) fn flush(session: &mut dyn Session, socket: &mut tcp::Socket<'_>) {
    let outgoing = session.outgoing();
    let sent = socket.send_slice(outgoing).unwrap_or(0);
    outgoing.drain(..sent);
    if outgoing.is_empty() {
        // The memory is for others meanwhile.
        *outgoing = Vec::new();
    }
}

/// Takes everything out of the receive buffer. `true`: something was in it.
fn drain(
    socket: &mut tcp::Socket<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), TlsFault>,
) -> Result<bool, TlsFault> {
    let mut has_received = false;
    loop {
        let taken = socket.recv(|bytes| {
            let taken = if bytes.is_empty() { Ok(false) } else { take(bytes).map(|()| true) };
            (bytes.len(), taken)
        });
        match taken {
            Ok(Ok(true)) => has_received = true,
            Ok(Ok(false)) | Err(_) => return Ok(has_received),
            Ok(Err(fault)) => return Err(fault),
        }
    }
}
