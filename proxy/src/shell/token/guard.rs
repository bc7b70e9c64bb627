//! Who may use the proxy that `bss serve` is.

use std::{io, time::Duration};

use browser_stream_server::{Config, Proxy, token::JwtAuthorizer};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

/// The files are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What the settings say of tokens; nothing where nobody is asked.
pub fn authorizer(config: &Config) -> anyhow::Result<Option<JwtAuthorizer>> {
    let Some(keys) = &config.tokens else { return Ok(None) };
    let mut authorizer = JwtAuthorizer::open(keys)?;
    if let Some(audience) = &config.token_audience {
        authorizer = authorizer.audience(audience.as_str());
    }
    if !config.anonymous_rights.is_empty() {
        let rights = config.anonymous_rights.iter().cloned().collect::<browser_stream_server::token::Rights>();
        authorizer = authorizer.anonymous(rights.bounded()?);
    }
    if let Some(file) = &config.token_revoked {
        authorizer = authorizer.withdrawn(file)?;
    }
    Ok(Some(authorizer))
}

/// Reads keys and what was taken back again when the files change, and at SIGHUP, and closes the sessions whose tokens were taken back or made with a key that is gone: for
/// ever, from now on.
pub fn keep_fresh(proxy: Proxy, authorizer: JwtAuthorizer) -> io::Result<impl Future<Output = ()> + Send> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(async move {
        // What was read before there was a log says there what it has.
        authorizer.refresh(true);
        loop {
            let all = tokio::select! {
                _ = hangup.recv() => true,
                _ = look.tick() => false,
            };
            authorizer.refresh(all);
            let closed = proxy.revoke(|identity| authorizer.is_withdrawn(identity));
            if closed > 0 {
                tracing::info!(closed, "sessions with tokens that were revoked, or of a key that is gone");
            }
        }
    })
}
