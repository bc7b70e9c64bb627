//! Says to the tracker what there is, on each connection anew.

use std::time::Duration;

use browser_stream_client::{
    Code, ConnectError, Peer, RefusalCode,
    swarm::{PeerName, Refused, Told, Tracker},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::shelf::Shelf;
use crate::shell::{Failure, standard::say};

/// Behind a refusal that may be none soon: a name is claimed on a new connection a moment after that is there.
const AGAIN: Duration = Duration::from_millis(200);
/// Between two comings to a tracker that hangs up.
const PAUSE: Duration = Duration::from_secs(1);
/// A name that is not ours by then is somebody's.
const REFUSED_MAX: u32 = 50;

/// Announces all of it and renews that, for as long as it is polled; why it cannot.
pub async fn announce(peer: &Peer, prefix: &str, name: PeerName, shelf: &Shelf) -> Failure {
    loop {
        let mut tracker = match Tracker::open(peer, prefix).await {
            Ok(tracker) => tracker,
            // The connection that was to carry it broke.
            Err(ConnectError::Lost) => {
                sleep(AGAIN).await;
                continue;
            }
            Err(ConnectError::Refused(error)) if is_passing(error.code) => {
                sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Failure::connect("the tracker", &error),
        };
        if let Some(failure) = attend(&mut tracker, name, shelf).await {
            return failure;
        }
        sleep(AGAIN).await;
    }
}

fn is_passing(code: RefusalCode) -> bool {
    [Code::Draining, Code::Limit, Code::Busy, Code::Timeout].into_iter().any(|passing| code == passing.into())
}

/// One stream to its end: why there is to be no other.
async fn attend(tracker: &mut Tracker, name: PeerName, shelf: &Shelf) -> Option<Failure> {
    let mut changes = shelf.changes();
    let mut known = shelf.announced();
    tracker.announce(name, &known);
    let renew = tracker.timing().renew();
    let (mut renews, mut again, mut refused) = (Instant::now() + renew, None, 0);
    loop {
        tokio::select! {
            told = tracker.next() => match told? {
                Told::Refused(Refused { error, note, .. }) if note == "announce" => {
                    refused += 1;
                    if error.is(Code::Forbidden) && refused < REFUSED_MAX {
                        again = Some(Instant::now() + AGAIN);
                    } else if error.is(Code::Forbidden) {
                        return Some(Failure::connect("the tracker", &ConnectError::Refused(error)).of_token("the token has to allow publish=swarm-*, and listen=swarm-* as well"));
                    } else {
                        say(&format!("the tracker: {}", error.message));
                    }
                }
                _ => {}
            },
            () = sleep_until(again.unwrap_or(renews)) => {
                if again.take().is_some() {
                    tracker.announce(name, &known);
                } else {
                    tracker.renew();
                    renews = Instant::now() + renew;
                }
            }
            Ok(()) = changes.changed() => {
                let now = shelf.announced();
                let gone: Vec<_> = known.iter().map(|known| known.id).filter(|id| shelf.find(id).is_none()).collect();
                tracker.withdraw(&gone);
                known = now;
            }
        }
    }
}
