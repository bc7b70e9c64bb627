//! A peer watches a name: it is told what holds, and then what changes, never faster than it takes that.

use browser_stream_mux::Code;

use super::{Name, StreamServerProxy};
use crate::{
    counters::Refusal,
    error::OpenError,
    session::{Note, Opening, Reply, encode},
    token::Verb,
};

/// Tells the peer what becomes of the name until it ends the stream.
pub(super) async fn watch(proxy: StreamServerProxy, opening: Opening, segment: String) {
    let watching = Name::from_segment(&segment)
        .map_err(|error| {
            opening.session().count(Refusal::BadOpen);
            OpenError::new(Code::BadRequest, error.to_string())
        })
        .and_then(|name| {
            let permit = opening.permit(Verb::Connect, name.as_str())?;
            Ok((proxy.inner.registry.watch(&name, opening.session())?, permit))
        });
    let (mut watching, _permit) = match watching {
        Ok(watching) => watching,
        Err(error) => return opening.refuse(error).await,
    };
    let id = uuid::Uuid::new_v4().to_string();
    let mut stream = opening.accept_aside(&Reply::accept(id));
    let cell = stream.cell().clone();
    let mut told = None;
    loop {
        let newest = watching.newest();
        if told.replace(newest) != Some(newest) {
            stream.write_frame(&encode(&Note::new(newest.as_str())));
        }
        let next = async {
            // Whoever takes its notes slowly has fewer of them; nothing piles up.
            cell.drained().await;
            tokio::time::sleep(proxy.inner.limits.watch_interval).await;
            watching.changed().await;
        };
        tokio::select! {
            () = stream.peer_done() => return stream.finish(),
            () = next => {}
        }
    }
}
