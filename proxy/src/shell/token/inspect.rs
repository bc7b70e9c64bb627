//! `bss token inspect`.

use std::{
    io::{self, Read, stdin},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use browser_stream_server::token::{Claims, JwtAuthorizer, Refused};
use clap::Args;

/// What it is told.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The token; `-` reads it from the standard input, where no other user of the machine sees it
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: String,
    /// Also look whether a proxy with these keys takes it
    #[arg(long, value_name = "JWKS")]
    keys: Option<PathBuf>,
    /// and demands this audience
    #[arg(long, value_name = "AUDIENCE", requires = "keys")]
    aud: Option<String>,
}

impl Inspect {
    /// Prints the claims, and whether they hold: the status says it, too.
    pub fn run(self) -> io::Result<ExitCode> {
        let token = match self.token.as_str() {
            "-" => {
                let mut text = String::new();
                stdin().read_to_string(&mut text)?;
                text.trim().to_owned()
            }
            token => token.to_owned(),
        };
        let claims = Claims::unproven(&token).map_err(io::Error::other)?;
        println!("{}", serde_json::to_string_pretty(&claims)?);
        println!("{}", times(&claims, SystemTime::now()));
        let Some(keys) = self.keys else {
            println!("its signature was not looked at: give --keys");
            if claims.left(SystemTime::now()).is_zero() {
                println!("it does not hold: {}", Refused::Expired);
                return Ok(ExitCode::from(NOT_ALLOWED));
            }
            return Ok(ExitCode::SUCCESS);
        };
        let mut authorizer = JwtAuthorizer::open(keys).map_err(io::Error::other)?;
        if let Some(audience) = self.aud {
            authorizer = authorizer.audience(audience);
        }
        match authorizer.read(&token) {
            Ok(_) => {
                println!("it holds");
                Ok(ExitCode::SUCCESS)
            }
            Err(refused) => {
                println!("it does not hold: {refused}");
                Ok(ExitCode::from(NOT_ALLOWED))
            }
        }
    }
}

/// The status of what is not allowed.
const NOT_ALLOWED: u8 = 77;

/// How far its end is, and that proxies wait for a while.
fn times(claims: &Claims, now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let span = |seconds: f64| format!("{:?}", Duration::try_from_secs_f64(seconds.abs().round()).unwrap_or(Duration::MAX));
    let (ends, left) = (claims.exp - seconds, claims.left(now));
    if ends > 0.0 {
        format!("expires in {}", span(ends))
    } else if left.is_zero() {
        format!("expired {} ago", span(ends))
    } else {
        format!("expired {} ago: a proxy still takes it for {}, because clocks differ", span(ends), span(left.as_secs_f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_told_with_what_clocks_may_differ() {
        let mut claims = Claims::default();
        claims.exp = 1000.0;
        for (now, said) in [
            (990, "expires in 10s"),
            (1002, "expired 2s ago: a proxy still takes it for 28s, because clocks differ"),
            (1030, "expired 30s ago"),
            (1100, "expired 100s ago"),
        ] {
            assert_eq!(times(&claims, SystemTime::UNIX_EPOCH + Duration::from_secs(now)), said);
        }
    }
}
