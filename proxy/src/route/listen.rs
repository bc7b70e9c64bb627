//! A peer serves under a name: the claim, and the notes on its control stream for as long as it is held.

use std::sync::Arc;

use browser_stream_mux::{Code, FrameError, Stream, StreamError};
use serde::Serialize;

use super::{
    HttpPlace, Name, Reason, StreamServerProxy,
    lease::{self, Asked, Lease},
    registry::{Applicant, Claim, Claimed, Right, Taken},
    tenure::Tenure,
};
use crate::{
    counters::Refusal,
    error::OpenError,
    session::{Instance, Note, Opening, Permit, encode, parse},
    token::Verb,
};

/// What the proxy answers to a claim that it grants.
#[derive(Serialize)]
struct Granted {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    /// Where others reach it by HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<HttpPlace>,
}

/// Claims the name for the peer and holds it until its control stream ends.
pub(super) async fn listen(proxy: StreamServerProxy, mut opening: Opening, segment: String) {
    let (mut claim, _permit) = match claim(&proxy, &mut opening, &segment).await {
        Ok(claim) => claim,
        Err(error) => return opening.refuse(error).await,
    };
    let title = claim.info.title;
    let lease = title.generation.map(|generation| {
        let info = &claim.info;
        proxy.inner.key.lease(proxy.prefix(), &info.name, (title.instance, generation), info.sub.as_deref())
    });
    let http = proxy.http_place(&claim.info.name).filter(|_| claim.info.http);
    let mut stream = opening.accept_aside(&Granted { id: title.id.to_string(), lease, http });
    // After the reply, so that no client stands before it in the queue.
    claim.told();
    claim.reason = match hold(&proxy, &claim, &mut stream).await {
        // What one may not have any more is not kept for it.
        Reason::Reset(_) if !claim.info.session.sees(Verb::Listen, claim.info.name.as_str()) => Reason::Revoked,
        Reason::Lost if claim.info.session.is_revoked() => Reason::Revoked,
        reason => reason,
    };
    let (session, reason) = (claim.info.session.clone(), claim.reason);
    // Free before the owner hears of it, so that it may claim again at once.
    drop(claim);
    if reason == Reason::Fenced {
        // What else it has here goes on; the name comes back where its next session is.
        stream.reset(Code::Draining.number());
        session.send_away();
    } else {
        stream.finish();
    }
}

/// Gets the name for the peer, or finds out why not; one that stands by waits here.
async fn claim(proxy: &StreamServerProxy, opening: &mut Opening, segment: &str) -> Result<(Claim, Permit), OpenError> {
    let bad = |error| {
        opening.session().count(Refusal::BadOpen);
        error
    };
    let name = Name::from_segment(segment).map_err(|error| bad(OpenError::new(Code::BadRequest, error.to_string())))?;
    let asked = asked(&name, opening).map_err(bad)?;
    let permit = opening.permit(Verb::Listen, name.as_str())?;
    let applicant = applicant(proxy, opening, asked, permit.sub());
    #[cfg(feature = "cluster")]
    if proxy.inner.registry.is_of_many() {
        let (session, standby) = (opening.session().clone(), opening.open().standby);
        let claim = tokio::select! {
            biased;
            () = opening.given_up() => Err(OpenError::new(Code::Cancelled, "the claim was given up")),
            claim = proxy.inner.registry.claim_of_all(&name, applicant, standby) => claim,
        };
        if claim.as_ref().is_err_and(|error| error.is(Code::Draining)) {
            session.send_away();
        }
        return Ok((claim?, permit));
    }
    let claim = match proxy.inner.registry.claim(&name, applicant, opening.open().standby)? {
        Claimed::Now(claim) => Ok(claim),
        Claimed::Later(turn) => tokio::select! {
            biased;
            () = opening.given_up() => Err(OpenError::new(Code::Cancelled, "the claim was given up")),
            claim = turn.come() => claim,
        },
    };
    Ok((claim?, permit))
}

/// What the open says of a lease, and how often this life of the server has claimed before.
fn asked(name: &Name, opening: &Opening) -> Result<(Asked, u64), OpenError> {
    let open = opening.open();
    Ok((Asked::parse(open.lease.as_deref(), name)?, lease::attempt(open.attempt.as_deref())?))
}

/// Who asks, and by what right: a lease that is not of our key, or somebody else's, counts as none.
fn applicant(proxy: &StreamServerProxy, opening: &Opening, (asked, attempt): (Asked, u64), sub: Option<&Arc<str>>) -> Applicant {
    let open = opening.open();
    let is_own = |lease: &Lease| proxy.inner.key.made(proxy.prefix(), lease, sub.map(AsRef::as_ref));
    let (right, instance) = match asked {
        Asked::No => (Right::None, open.instance),
        Asked::New => (Right::New, open.instance),
        Asked::Held(lease) if is_own(&lease) => (Right::Held(lease.generation), Some(lease.instance)),
        Asked::Held(lease) => (Right::New, Some(lease.instance)),
    };
    Applicant {
        session: opening.session().clone(),
        sub: sub.cloned(),
        instance: instance.unwrap_or_else(Instance::random),
        attempt,
        right,
        capabilities: open.capabilities.clone(),
        http: open.http,
        tenure: Tenure::default(),
    }
}

/// Does what the owner's notes say until its control stream ends, and says why it did.
async fn hold(proxy: &StreamServerProxy, claim: &Claim, stream: &mut Stream) -> Reason {
    let limits = &proxy.inner.limits;
    loop {
        let note = tokio::select! {
            taken = claim.info.taken() => {
                let (note, reason) = match taken {
                    Taken::Released => ("released", Reason::Released),
                    Taken::Superseded => ("superseded", Reason::Superseded),
                    Taken::Fenced => return Reason::Fenced,
                };
                stream.write_frame(&encode(&Note::new(note)));
                return reason;
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
        claim.info.session.count(Refusal::BadNote);
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
