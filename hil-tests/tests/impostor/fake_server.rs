//! Something on the server's port that is not the server, and remembers what it was told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long it waits for what the agent has to say.
const LISTEN_MAX: Duration = Duration::from_secs(2);
/// More than any request of the agent that has no business being sent.
const HEARD_BYTES_MAX: usize = 64 * 1024;

/// What one connection came to.
#[derive(Clone, Debug)]
pub enum Heard {
    /// There was no TLS connection.
    NoHandshake,
    /// What the agent said, under TLS if the impostor speaks it.
    Said(Vec<u8>),
}

/// A server that answers whatever it is asked in the same way. Dropping it ends it.
pub struct FakeServer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Listens on a port of loopback; without `tls` it speaks in the clear.
    pub fn start(port: u16, tls: Option<Arc<ServerConfig>>, answer: Vec<u8>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (notes, end) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let said = talk(stream, tls.as_ref(), &answer).unwrap_or(Heard::NoHandshake);
                notes.lock().unwrap().push(said);
            }
        });
        Ok(Self { address, heard, over, thread: Some(thread) })
    }

    /// What it was told so far, one entry for each connection.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread; if nothing listens any more, there is nothing to wake.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn talk(stream: TcpStream, tls: Option<&Arc<ServerConfig>>, answer: &[u8]) -> Result<Heard> {
    stream.set_read_timeout(Some(LISTEN_MAX))?;
    let Some(tls) = tls else {
        return Ok(Heard::Said(answer_and_listen(stream, answer)));
    };
    let mut connection = ServerConnection::new(Arc::clone(tls))?;
    let mut stream = stream;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(Heard::Said(answer_and_listen(StreamOwned::new(connection, stream), answer)))
}

/// Answers the first thing that is said, and takes down all that follows.
fn answer_and_listen(mut stream: impl Read + Write, answer: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    while said.len() < HEARD_BYTES_MAX {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let first = said.is_empty();
                said.extend_from_slice(&piece[..length]);
                // An agent that has hung up need not hear it.
                if first && stream.write_all(answer).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
        }
    }
    said
}
