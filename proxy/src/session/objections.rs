//! Tokens that were refused, in the log: whoever runs the proxy sees who is kept out and why, and those who try again and again do not fill a disk.

use std::net::SocketAddr;

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::token::{Asking, Refused, Token};

/// How many were told of lately.
#[derive(Default)]
pub(super) struct Objections(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// When the first of them was.
    since: Option<Instant>,
    lines: u32,
    /// Those that no line was for.
    silent: u64,
}

/// So many lines in so long a time. The first one behind it says how many more there were.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);

/// As much of a name as a line has of it: it is the token's word, and the token is not believed.
#[cfg(feature = "jwt")]
const NAME_MAX: usize = 64;

/// What is told of one: nothing of the token itself but whose it says it is.
pub(super) struct Objection {
    token: Option<Token>,
    session: Uuid,
    remote: Option<SocketAddr>,
}

impl Objection {
    /// Kept until the answer is there.
    pub fn to(asking: &Asking) -> Self {
        Self { token: asking.token.clone(), session: asking.session, remote: asking.remote }
    }
}

impl Objections {
    /// Logs why, unless nothing was shown, or too much was logged of late.
    pub fn tell(&self, objection: Objection, why: &Refused) {
        let Objection { token: Some(token), session, remote } = objection else { return };
        let Some(silent) = self.turn() else { return };
        let claims = whose(&token);
        tracing::info!(%session, ?remote, says_it_is = ?claims, not_told = silent, "a token is refused: {:?}", why.to_string());
    }

    /// Whether there may be a line now, and how many there was none for.
    fn turn(&self) -> Option<u64> {
        let (mut told, now) = (self.0.lock(), Instant::now());
        if told.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            (told.since, told.lines) = (Some(now), 0);
        }
        if told.lines == LINES_MAX {
            told.silent += 1;
            return None;
        }
        told.lines += 1;
        Some(std::mem::take(&mut told.silent))
    }
}

/// Whose a token says it is, where it says that in a way that we read.
#[cfg(feature = "jwt")]
fn whose(token: &Token) -> Option<String> {
    let claims = crate::token::Claims::unproven(token.as_str()).ok()?;
    Some(claims.sub.chars().take(NAME_MAX).collect())
}

#[cfg(not(feature = "jwt"))]
fn whose(_: &Token) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_lines_in_a_minute_and_the_first_one_behind_it_says_how_many_more_there_were() {
        let objections = Objections::default();
        let told: Vec<_> = (0..25).map(|_| objections.turn()).collect();
        assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&0; 10]);
        tokio::time::advance(PERIOD).await;
        assert_eq!((objections.turn(), objections.turn()), (Some(15), Some(0)));
    }
}
