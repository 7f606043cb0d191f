//! Handshakes in memory: both ends hand their bytes to each other until both are done.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

/// Shakes hands; an error of either side is the result.
pub fn shake(
    client: Arc<ClientConfig>,
    name: ServerName<'static>,
    server: Arc<ServerConfig>,
) -> Result<(), Error> {
    let mut client = Connection::from(ClientConnection::new(client, name)?);
    let mut server = Connection::from(ServerConnection::new(server)?);
    while client.is_handshaking() || server.is_handshaking() {
        let sent = hand_over(&mut client, &mut server)?;
        let answered = hand_over(&mut server, &mut client)?;
        assert!(sent + answered > 0, "both wait for each other");
    }
    // The server speaks last when it refuses the client's certificate.
    hand_over(&mut client, &mut server)?;
    Ok(())
}

/// How many bytes went.
fn hand_over(from: &mut Connection, to: &mut Connection) -> Result<usize, Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    // One look takes a part of a long message.
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(wire.len())
}
