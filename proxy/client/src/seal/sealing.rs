//! How a client seals a stream.

use std::{io, sync::Arc};

use browser_stream_mux::Code;
use browser_stream_protocol::OpenError;
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{Keys, Pins, PublicKey, hello::Envelope};
use crate::{
    ConnectError, StreamClient,
    request::{Opened, Request},
    wire::Meta,
};

/// What a client says under the seal of a stream, and by which keys it is known.
///
/// See [`FilePins`](super::FilePins).
#[derive(Clone, Default)]
pub struct Sealing {
    meta: Option<Result<Meta, String>>,
    keys: Option<Keys>,
    pins: Option<Arc<dyn Pins>>,
}

impl Sealing {
    /// Nothing said, and nobody known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the server this, any JSON, and nobody else: it goes with the open, sealed.
    pub fn meta(mut self, meta: &impl Serialize) -> Self {
        self.meta = Some(to_raw_value(meta).map_err(|error| error.to_string()));
        self
    }

    /// Has the server know us by these keys.
    pub fn keys(mut self, keys: &Keys) -> Self {
        self.keys = Some(keys.clone());
        self
    }

    /// Pins the server's key here instead of where the client does, if its address does not say it.
    pub fn pins(mut self, pins: impl Pins + 'static) -> Self {
        self.pins = Some(Arc::new(pins));
        self
    }

    /// Opens the stream with the server's key: the address's, the one that is pinned, or the one that it tells now.
    pub(crate) async fn open(self, client: &StreamClient, request: &mut Request, key: Option<PublicKey>) -> Result<Opened, ConnectError> {
        let Self { meta, keys, pins } = self;
        let meta = meta.transpose().map_err(|why| OpenError::new(Code::BadRequest, format!("the sealed meta is no JSON: {why}")))?;
        let pins = pins.as_ref().unwrap_or(client.pins());
        let name = request.name.as_str().to_owned();
        let known = match key {
            Some(key) => Some(key),
            None => pins.get(&name).map_err(unkept)?,
        };
        let server = match known {
            Some(key) => key,
            None => request.ask(client.peer()).await?,
        };
        request.envelope = Some(Envelope { server, keys, meta });
        let opened = request.open(client.peer()).await?;
        // Only now has the server proven that the key is its own.
        if known.is_none() {
            let pinned = pins.set(&name, server).map_err(unkept)?;
            if pinned != server {
                // Two connected for the first time, and were not shown the same.
                let why =
                    format!("the server shows the key {server}, and {pinned} was pinned meanwhile: nothing was sent but the sealed meta");
                return Err(OpenError::new(Code::KeyChanged, why).into());
            }
        }
        Ok(opened)
    }
}

fn unkept(error: io::Error) -> OpenError {
    OpenError::new(Code::Internal, format!("the pinned keys cannot be used: {error}"))
}
