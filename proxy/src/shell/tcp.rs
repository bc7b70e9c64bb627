//! A stream to and from a TCP connection: what ends, breaks and resets on one side does so on the other.

use std::time::Duration;

use browser_stream_client::Stream;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::pipe::{Broken, Carried, Pipe};

/// Carries both until both have ended. A stream that breaks resets the connection, and a connection that breaks resets the stream.
pub async fn carry(stream: Stream, mut socket: TcpStream) -> Result<Carried, Broken> {
    // A socket that is gone by now says so when it is used.
    let _ = socket.set_nodelay(true);
    let carried = {
        // Borrowed, for halves that are owned would end the connection as if all had passed.
        let (input, output) = socket.split();
        Pipe::new(stream, input, Some(output)).run(None).await
    };
    if carried.is_err() {
        reset(&socket);
    }
    carried
}

/// Makes the connection's end, when it is dropped, one that nobody takes for a whole answer.
pub fn reset(socket: &TcpStream) {
    // One that is gone already needs none.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

impl Broken {
    /// What happened, of a connection in the middle.
    pub fn between(&self, name: &str) -> String {
        match self {
            Self::Stream(error) => super::Failure::stream(name, *error).to_string(),
            Self::Input(error) => format!("{name}: the connection broke: {error}"),
            Self::Output(error) => format!("{name}: the connection takes no more: {error}"),
        }
    }
}
