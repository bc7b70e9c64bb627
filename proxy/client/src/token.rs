//! Who a program is to a proxy that asks, and where the token for that comes from.

#[cfg(test)]
mod tests;

use std::{error::Error, future::Future, sync::Arc, time::Duration};

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use futures::future::BoxFuture;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{
    DialError,
    wire::{Note, Open, encode},
};

/// Why there was no token.
type Why = Arc<dyn Error + Send + Sync>;

/// Where tokens come from. It has no `Debug`: a token stands nowhere but on the session stream.
#[derive(Clone, Default)]
pub(crate) enum Source {
    /// The proxy asks for none.
    #[default]
    Nowhere,
    Text(Arc<str>),
    Asked(Arc<dyn Fn() -> BoxFuture<'static, Result<String, Why>> + Send + Sync>),
}

/// The source of a peer's tokens, which it may replace.
pub(crate) struct Tokens(watch::Sender<Source>);

/// What a connection is introduced with, and what is to be shown on it later.
pub(crate) struct Shown {
    /// The open of its session stream.
    pub(crate) hello: Vec<u8>,
    /// There is a token in it.
    pub(crate) is_known: bool,
    source: watch::Receiver<Source>,
}

const LIBRARY: &str = concat!("browser-stream-client/", env!("CARGO_PKG_VERSION"));
/// How long it takes until a source that failed is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl Source {
    pub(crate) fn asking<F, C, E>(ask: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::Asked(Arc::new(move || {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(|error| Why::from(error.into())) })
        }))
    }

    /// The token of now, if there is one.
    async fn token(&self) -> Result<Option<String>, DialError> {
        match self {
            Self::Nowhere => Ok(None),
            Self::Text(token) => Ok(Some(token.as_ref().to_owned())),
            Self::Asked(ask) => ask().await.map(Some).map_err(DialError::Token),
        }
    }
}

impl Tokens {
    pub(crate) fn from(source: Source) -> Self {
        Self(watch::Sender::new(source))
    }

    /// Somebody can be asked for another one.
    pub(crate) fn are_asked_for(&self) -> bool {
        matches!(*self.0.borrow(), Source::Asked(_))
    }

    /// Shows this one from now on, on the connection that there is and on those to come.
    pub(crate) fn replace(&self, token: &str) -> Result<(), OpenError> {
        hello(Some(token))?;
        self.0.send_replace(Source::Text(token.into()));
        Ok(())
    }

    /// What the next connection is introduced with.
    pub(crate) async fn show(&self) -> Result<Shown, DialError> {
        let mut source = self.0.subscribe();
        let now = source.borrow_and_update().clone();
        let token = now.token().await?;
        let hello = hello(token.as_deref()).map_err(DialError::Session)?;
        Ok(Shown { hello, is_known: token.is_some(), source })
    }
}

impl Shown {
    /// Resolves with the note that shows another token: when the source was replaced, or when the proxy wants one and whoever is asked has given it. Not
    /// cancel-safe.
    pub(crate) async fn renewed(&mut self, wanted: &Notify) -> Vec<u8> {
        loop {
            let is_replaced = tokio::select! {
                () = wanted.notified() => false,
                changed = self.source.changed() => match changed {
                    Ok(()) => true,
                    // The peer is gone; nobody gives another.
                    Err(_) => return std::future::pending().await,
                },
            };
            let source = self.source.borrow_and_update().clone();
            if is_replaced || matches!(source, Source::Asked(_)) {
                return insist(&source).await;
            }
        }
    }
}

/// The note that shows a token of this source's, which is asked again where it fails.
async fn insist(source: &Source) -> Vec<u8> {
    loop {
        let token = source.token().await;
        match token.map(|token| encode(&Note::new("token", token.map(Into::into)))) {
            Ok(Ok(note)) => return note,
            Ok(Err(error)) => tracing::warn!(%error, "the new token is too long to be sent"),
            Err(error) => tracing::warn!(%error, "there is no new token yet"),
        }
        sleep(ASK_AGAIN).await;
    }
}

/// The open of a session stream.
fn hello(token: Option<&str>) -> Result<Vec<u8>, OpenError> {
    encode(&Open { path: "/session", library: Some(LIBRARY), token, ..Open::default() })
}

/// The proxy ended the session for want of a token that holds.
pub(crate) fn ended() -> OpenError {
    OpenError::new(Code::Unauthorized, "the token ended, or was revoked")
}
