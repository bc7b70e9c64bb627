//! What a name costs at a node that does not have it: each knows where all are.

use std::{net::SocketAddr, thread, time::Duration};

use anyhow::{Result, ensure};

use crate::{
    endpoint::{INITIAL_WINDOW, Link},
    measure::Process,
    way::{Incoming, PATH, framed},
    wire::{Event, SYN},
};

/// Bytes that each name makes the `far` node larger whose owner is at the `near` one; all begin with `name`.
pub fn bytes_each([near, far]: [&Process; 2], name: &str) -> Result<f64> {
    // The first bring in what is no name's.
    let mut owners = vec![Owner::claims(near.address, &format!("{name}-first"))?];
    thread::sleep(SETTLE);
    let before = far.resident_kib()?;
    for session in 0..SESSIONS {
        owners.push(Owner::claims(near.address, &format!("{name}-{session}"))?);
    }
    thread::sleep(SETTLE);
    Ok((far.resident_kib()? - before) * 1024.0 / f64::from(SESSIONS * NAMES))
}

/// A session with as many names as it may have, for as long as it is there.
struct Owner {
    _link: Link,
}

impl Owner {
    fn claims(address: SocketAddr, name: &str) -> Result<Self> {
        let mut link = Link::dial(address, PATH)?;
        for number in 0..NAMES {
            let open = format!(r#"{{"path":"/browser-server/listen/{name}-{number:02}","lease":true}}"#);
            link.out.data(2 * number + 1, SYN, &framed(&open));
        }
        link.flush()?;
        let mut replies: Vec<Incoming> = (0..NAMES).map(|_| Incoming::default()).collect();
        let mut refused = None;
        while refused.is_none() && replies.iter().any(|reply| reply.head().is_none()) {
            link.receive(|out, event| {
                let Event::Data(id, bytes) = event else { return };
                if let Some(reply) = replies.get_mut(id as usize / 2) {
                    reply.take(id, bytes, INITIAL_WINDOW / 2, out);
                    refused = reply.head().filter(|told| told.contains(r#""error""#)).map(str::to_owned).or(refused.take());
                }
            })?;
        }
        ensure!(refused.is_none(), "a claim was refused: {}", refused.unwrap_or_default());
        Ok(Self { _link: link })
    }
}

/// As many as one may have.
const NAMES: u32 = 32;
/// As many as one address may have, and a few less.
const SESSIONS: u32 = 240;
/// For the other node to hear of all.
const SETTLE: Duration = Duration::from_secs(2);
