//! One connection: its upgrade, its messages, its end.

use std::time::Duration;

use browser_stream_server::websocket::{Decoder, Violation};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{echo::Echo, handshake};

/// Echoes until either side closes.
pub async fn serve(mut socket: TcpStream) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let mut input = handshake::accept(&mut socket).await?;
    let (mut decoder, mut echo) = (Decoder::default(), Echo::default());
    loop {
        let ended = take(&mut decoder, &mut input, &mut echo);
        socket.write_all(&echo.out).await?;
        echo.out.clear();
        if ended {
            return part(socket).await;
        }
        input.clear();
        input.reserve(READ_BYTES);
        if socket.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// Takes what came; tells whether the connection is to end once what is queued was sent.
fn take(decoder: &mut Decoder, input: &mut [u8], echo: &mut Echo) -> bool {
    let mut taken = decoder.decode(input, echo);
    if echo.has_wrong_text() {
        taken = Err(Violation::NotUtf8);
    }
    if let Err(violation) = taken {
        echo.refuse(violation);
    }
    echo.closed || taken.is_err()
}

/// Ends our direction and waits for the peer to end its own: closing over unread bytes would make TCP drop the close frame.
async fn part(mut socket: TcpStream) -> anyhow::Result<()> {
    socket.shutdown().await?;
    let mut rest = [0; 4096];
    let drained = timeout(LINGER, async {
        while socket.read(&mut rest).await? > 0 {}
        anyhow::Ok(())
    })
    .await;
    // A peer that neither ends nor reads is left behind.
    drained.unwrap_or(Ok(()))
}

const READ_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(1);
