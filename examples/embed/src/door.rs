//! Who may do what here: whoever knows the word may serve, and everybody may connect.

use browser_stream_server::token::{Asking, Authorizer, BadRight, Identity, Refused, Right, Rights};
use futures::FutureExt;
use futures::future::BoxFuture;

/// The authorizer of this program.
pub struct Door {
    word: String,
    everybody: Rights,
}

impl Door {
    /// One that opens for this word.
    pub fn new(word: String) -> Result<Self, BadRight> {
        let everybody = "connect=*".parse::<Right>()?;
        Ok(Self { word, everybody: [everybody].into_iter().collect() })
    }
}

impl Authorizer for Door {
    fn authorize(&self, asking: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        // A program that has its users in a database asks it here.
        async move {
            match asking.token {
                None => Ok(Identity::anonymous(self.everybody.clone())),
                Some(token) if token.is(&self.word) => Ok(Identity::new("host", Rights::all())),
                Some(_) => Err(Refused::Signature),
            }
        }
        .boxed()
    }
}
