//! A peer serves under a name: the claim, and the notes on its control stream for as long as it is held.

use browser_stream_mux::{Code, FrameError, Stream, StreamError};

use super::{Name, Reason, StreamServerProxy, registry::Claim};
use crate::{
    error::OpenError,
    refusals::Refusal,
    session::{Note, Opening, Reply, parse, say},
};

/// Claims the name for the peer and holds it until its control stream ends.
pub(super) async fn listen(proxy: StreamServerProxy, mut opening: Opening, segment: String) {
    let capabilities = opening.take_capabilities();
    let claimed = Name::from_segment(&segment)
        .map_err(|error| {
            opening.session().count(Refusal::BadOpen);
            OpenError::new(Code::BadRequest, error.to_string())
        })
        .and_then(|name| proxy.inner.registry.claim(&name, opening.session(), capabilities));
    let mut claim = match claimed {
        Ok(claim) => claim,
        Err(error) => return opening.refuse(error).await,
    };
    let mut stream = opening.accept_as(&Reply::accept(claim.info.id.to_string()));
    // After the reply, so that no client stands before it in the queue.
    claim.set_open(true);
    claim.reason = hold(&proxy, &claim, &mut stream).await;
    // Free before the owner hears of it, so that it may claim again at once.
    drop(claim);
    stream.finish();
}

/// Does what the owner's notes say until its control stream ends, and says why it did.
async fn hold(proxy: &StreamServerProxy, claim: &Claim, stream: &mut Stream) -> Reason {
    let limits = &proxy.inner.limits;
    loop {
        let note = tokio::select! {
            () = claim.info.released.cancelled() => {
                say(stream, &Note::new("released"));
                return Reason::Released;
            }
            note = stream.read_frame(limits.open_bytes_max) => note,
        };
        let bad = match note {
            Ok(Some(body)) => match parse::<Note>(&body, limits.open_depth_max, "note") {
                Ok(note) => {
                    apply(claim, &note);
                    continue;
                }
                Err(error) => error.number(),
            },
            Ok(None) => return Reason::Finished,
            Err(FrameError::Stream(StreamError::Reset(code))) => return Reason::Reset(code),
            Err(FrameError::Stream(StreamError::Lost)) => return Reason::Lost,
            Err(_) => Code::BadRequest.number(),
        };
        stream.reset(bad);
        return Reason::Reset(bad);
    }
}

/// Does what a note of the owner says; notes that we do not know belong to later versions.
fn apply(claim: &Claim, note: &Note) {
    match (note.note.as_str(), note.value.as_ref().and_then(serde_json::Value::as_u64)) {
        ("pause", _) => claim.set_open(false),
        ("resume", _) => claim.set_open(true),
        ("clients_max", Some(most)) => claim.set_clients_max(usize::try_from(most).unwrap_or(usize::MAX)),
        _ => {}
    }
}
