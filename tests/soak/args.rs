//! What the program is told.

use std::time::Duration;

/// How long the crowd comes and goes, and from which seed.
#[derive(Debug)]
pub struct Args {
    pub lasting: Duration,
    pub seed: u64,
}

/// What this process is.
pub enum Task {
    /// The proxy, started by the other.
    Proxy,
    Soak(Args),
}

/// The argument that makes a proxy of this program.
pub const PROXY: &str = "proxy";

const USAGE: &str = "soak [--minutes N] [--seed N]: a crowd for so many minutes, 30 unless stated; the seed is drawn unless stated";

impl Args {
    pub fn read() -> Result<Task, String> {
        let mut args = std::env::args().skip(1);
        let (mut minutes, mut seed) = (30.0, rand::random::<u32>().into());
        while let Some(key) = args.next() {
            let value = args.next();
            match (key.as_str(), value.as_deref()) {
                (PROXY, None) => return Ok(Task::Proxy),
                ("--minutes", Some(value)) => minutes = value.parse().map_err(|_| USAGE)?,
                ("--seed", Some(value)) => seed = value.parse().map_err(|_| USAGE)?,
                _ => return Err(USAGE.to_owned()),
            }
        }
        let lasting = Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| USAGE)?;
        Ok(Task::Soak(Self { lasting, seed }))
    }
}
