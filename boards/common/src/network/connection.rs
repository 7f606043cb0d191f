//! TCP as a board has it: what a connection takes of memory, and when it counts as lost.

use alloc::vec;

use smoltcp::socket::tcp;
use smoltcp::time::Duration;

use crate::limits::{RECEIVE_LEN, SEND_LEN, TCP_SILENCE_SECS};

/// A socket that is not connected.
pub(super) fn socket() -> tcp::Socket<'static> {
    let buffer = |len| tcp::SocketBuffer::new(vec![0; len]);
    let mut socket = tcp::Socket::new(buffer(RECEIVE_LEN), buffer(SEND_LEN));
    // A delayed acknowledgement and a small window stop the sender after each segment.
    socket.set_ack_delay(None);
    socket.set_nagle_enabled(false);
    socket.set_timeout(Some(Duration::from_secs(TCP_SILENCE_SECS)));
    socket.set_keep_alive(Some(Duration::from_secs(TCP_SILENCE_SECS / 3)));
    socket
}
