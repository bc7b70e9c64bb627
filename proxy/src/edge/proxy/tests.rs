//! Who may come in where nobody said.

use futures::{FutureExt, future::BoxFuture};

use super::*;
use crate::token::{Asking, Identity, Refused, Rights};

/// Knows everybody.
struct Everybody;

impl Authorizer for Everybody {
    fn authorize(&self, _: Asking) -> BoxFuture<'_, Result<Identity, Refused>> {
        std::future::ready(Ok(Identity::anonymous(Rights::all()))).boxed()
    }
}

#[tokio::test]
async fn threat_14_a_program_that_forgot_who_decides_listens_nowhere_where_others_could_come_in() {
    let made = |bind: &str, open: bool, tokens: bool| {
        let mut config = Config::default();
        (config.bind, config.open) = (bind.parse().expect("an address"), open);
        config.tokens = tokens.then(|| "keys.json".into());
        Proxy::new(config, StreamRouter::new())
    };
    for (bind, open, tokens, says) in [
        ("0.0.0.0:0", false, false, "with_authorizer"),
        ("0.0.0.0:0", false, true, "nobody judges them"),
        ("0.0.0.0:0", true, true, "nobody judges them"),
        ("127.0.0.1:0", false, true, "nobody judges them"),
    ] {
        let error = made(bind, open, tokens).listen().await.expect_err(says);
        assert!(error.kind() == io::ErrorKind::InvalidInput && error.to_string().contains(says), "{bind}: {error}");
        let guarded = made(bind, open, tokens).with_authorizer(Everybody);
        assert!(guarded.listen().await.is_ok(), "{bind}");
    }
    assert!(made("0.0.0.0:0", true, false).listen().await.is_ok());
    assert!(made("127.0.0.1:0", false, false).listen().await.is_ok());
    // Nor on a listener of its own.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let served = made("127.0.0.1:0", false, true).serve(listener).await;
    assert_eq!(served.expect_err("nobody judges").kind(), io::ErrorKind::InvalidInput);
}
