//! `bss token inspect`.

use std::{
    io::{self, Read, stdin},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use browser_stream_server::token::{Claims, JwtAuthorizer};
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
        println!("{}", times(&claims));
        let Some(keys) = self.keys else {
            println!("its signature was not looked at: give --keys");
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

/// How far its end is.
fn times(claims: &Claims) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let left = claims.exp - now;
    let span = |seconds: f64| format!("{:?}", Duration::try_from_secs_f64(seconds.abs().round()).unwrap_or(Duration::MAX));
    if left > 0.0 { format!("expires in {}", span(left)) } else { format!("expired {} ago", span(left)) }
}
