//! `bss token mint`.

use std::{
    io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use browser_stream_server::token::{Claims, Pattern, QuotaClaim, Rights, Verb};
use clap::Args;

use super::public::signing;
use crate::shell::standard::say;

/// What it is told.
#[derive(Debug, Args)]
pub struct Mint {
    /// The secret key, as `bss token keygen` wrote it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Who gets the token: servers and the members of rooms are told
    #[arg(long, value_name = "NAME")]
    sub: String,
    /// How long it holds: 90s, 15m, 1h, 30d
    #[arg(long, value_name = "TIME", value_parser = life, default_value = "1h")]
    ttl: Duration,
    /// It may serve under these names; may be given several times, as those below
    #[arg(long, value_name = "PATTERN")]
    listen: Vec<Pattern>,
    /// It may connect to these names
    #[arg(long, value_name = "PATTERN")]
    connect: Vec<Pattern>,
    /// It may publish in these channels
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<Pattern>,
    /// It may subscribe to these channels
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<Pattern>,
    /// It may join these rooms
    #[arg(long, value_name = "PATTERN")]
    join: Vec<Pattern>,
    /// `names`: it may list all names; `everywhere`: it may send to all rooms; `metrics`, `read`, `act`: at `--admin` it may read the metrics, read what there is, change it
    #[arg(long, value_name = "PATTERN")]
    admin: Vec<Pattern>,
    /// Whom it is for, where the proxy demands that
    #[arg(long, value_name = "AUDIENCE")]
    aud: Option<String>,
    /// Its number, by which it can be taken back [default: a random one]
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// So many sessions at once
    #[arg(long, value_name = "COUNT")]
    sessions: Option<u32>,
    /// So many names at once
    #[arg(long, value_name = "COUNT")]
    names: Option<u32>,
    /// So many streams at once
    #[arg(long, value_name = "COUNT")]
    streams: Option<u32>,
    /// So many opens in a second
    #[arg(long, value_name = "COUNT")]
    opens_per_s: Option<u32>,
}

impl Mint {
    /// Prints the token.
    pub fn run(self) -> io::Result<ExitCode> {
        let key = signing(&self.key)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut claims = Claims::default();
        if let Some(why) = self.doubt() {
            say(&why);
        }
        claims.sub = self.sub;
        claims.iat = Some(now as f64);
        claims.exp = (now + self.ttl.as_secs()) as f64;
        claims.aud = self.aud.map(Into::into);
        claims.jti = self.jti.or_else(|| Some(uuid::Uuid::new_v4().to_string()));
        let rights = [
            (Verb::Listen, self.listen),
            (Verb::Connect, self.connect),
            (Verb::Publish, self.publish),
            (Verb::Subscribe, self.subscribe),
            (Verb::Join, self.join),
            (Verb::Admin, self.admin),
        ];
        for (verb, patterns) in rights {
            *claims.of_mut(verb) = patterns;
        }
        let mut quota = QuotaClaim::default();
        (quota.sessions, quota.names, quota.streams, quota.opens_per_s) = (self.sessions, self.names, self.streams, self.opens_per_s);
        claims.quota = quota;
        claims.check().map_err(io::Error::other)?;
        println!("{}", key.sign(&claims).ok_or_else(|| io::Error::other("it could not be made"))?);
        Ok(ExitCode::SUCCESS)
    }

    /// Why it is likely to be of no use.
    fn doubt(&self) -> Option<String> {
        let all = [&self.listen, &self.connect, &self.publish, &self.subscribe, &self.join, &self.admin];
        if all.iter().all(|patterns| patterns.is_empty()) {
            return Some("the token allows nothing: say what with --listen, --connect, --publish, --subscribe, --join or --admin".into());
        }
        let is_known = |pattern: &Pattern| ADMIN.iter().any(|right| Rights::none().with(Verb::Admin, [pattern]).allow(Verb::Admin, right));
        let unknown = self.admin.iter().find(|pattern| !is_known(pattern))?;
        Some(format!("there is no right admin={unknown} at `bss serve`: it knows {}", ADMIN.join(", ")))
    }
}

/// What a proxy asks the right `admin` for.
const ADMIN: [&str; 5] = ["names", "everywhere", "metrics", "read", "act"];

/// A number with its unit.
fn life(text: &str) -> Result<Duration, String> {
    let bad = || "write it as 90s, 15m, 1h or 30d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(bad)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(bad()),
    };
    let number: u32 = number.parse().map_err(|_| bad())?;
    if number == 0 { Err(bad()) } else { Ok(Duration::from_secs(u64::from(number) * seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000)] {
            assert_eq!(life(text).map(|life| life.as_secs()), Ok(seconds));
        }
        for text in ["", "h", "0h", "1", "-1h", "1.5h", "1é", "99999999999s"] {
            assert!(life(text).is_err(), "{text}");
        }
    }
}
