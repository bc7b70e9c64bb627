//! `bss token`, and a proxy that asks for tokens.

use std::{fs, os::unix::fs::PermissionsExt};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::program::{Proxy, bss, run, serving};

/// A folder with a key that makes tokens, and with what a proxy knows them by.
pub struct Keys(TempDir);

impl Keys {
    pub async fn make(algorithm: &str) -> Self {
        let keys = Self(tempfile::tempdir().expect("a folder"));
        let made = run(&mut bss(&["token", "keygen", "--alg", algorithm, "--out", &keys.path("signing.jwk")]), b"").await;
        assert_eq!(made.code, Some(0), "{made:?}");
        assert_eq!(made.stderr.contains("the secret itself"), algorithm == "HS256", "{made:?}");
        fs::write(keys.path("keys.json"), made.stdout).expect("written");
        fs::set_permissions(keys.path("keys.json"), fs::Permissions::from_mode(0o600)).expect("ours");
        keys
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    pub async fn mint(&self, args: &[&str]) -> String {
        let key = self.path("signing.jwk");
        let args = [&["token", "mint", "--key", &key, "--sub", "ann"], args].concat();
        run(&mut bss(&args), b"").await.stdout().trim().to_owned()
    }
}

#[tokio::test]
async fn threat_17_a_key_is_its_owners_alone_and_never_written_over() {
    let keys = Keys::make("EdDSA").await;
    let file = keys.path("signing.jwk");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    let before = fs::read_to_string(&file).expect("text");
    let public = fs::read_to_string(keys.path("keys.json")).expect("text");
    assert!(before.contains("\"d\":") && !public.contains("\"d\":"), "the proxy gets the public half");
    let again = run(&mut bss(&["token", "keygen", "--out", &file]), b"").await;
    let said = format!("the token: {file} is there already, and was kept as it was; `bss token public {file}` prints");
    again.failed(74, &said);
    assert_eq!(fs::read_to_string(&file).expect("text"), before);
    assert_eq!(run(&mut bss(&["token", "public", &file]), b"").await.stdout(), public, "so nothing is lost");
    for verb in [&["public"][..], &["mint", "--sub", "ann", "--key"]] {
        let wrong = run(&mut bss(&[&["token"], verb, &[&keys.path("keys.json")]].concat()), b"").await;
        assert!(wrong.stderr.contains("this is a JWKS") && wrong.stderr.contains("keygen --out"), "{wrong:?}");
        wrong.failed(74, "the token: ");
    }
}

#[tokio::test]
async fn who_makes_a_token_that_allows_nothing_is_told() {
    let keys = Keys::make("EdDSA").await;
    for (rights, said) in [
        (&[][..], "bss: the token allows nothing: "),
        (&["--admin", "bogus"], "bss: there is no right admin=bogus at `bss serve`: it knows names, everywhere, metrics, read, act\n"),
        (&["--admin", "*"], ""),
        (&["--join", "bogus"], ""),
    ] {
        let key = keys.path("signing.jwk");
        let made = run(&mut bss(&[&["token", "mint", "--key", &key, "--sub", "ann"], rights].concat()), b"").await;
        assert!(made.stderr.starts_with(said) && made.stderr.is_empty() == said.is_empty(), "{made:?}");
        assert_eq!(made.stdout.split(|byte| *byte == b'.').count(), 3, "it is made all the same");
    }
}

#[tokio::test]
async fn a_token_that_is_over_does_not_hold_whether_or_not_its_key_is_known() {
    let part = |json: &str| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
    let token = format!("{}.{}.AAAA", part(r#"{"alg":"EdDSA"}"#), part(r#"{"sub":"ann","exp":1}"#));
    let looked = run(&mut bss(&["token", "inspect"]), token.as_bytes()).await;
    let said = String::from_utf8(looked.stdout).expect("text");
    assert!(looked.code == Some(77) && said.ends_with("it does not hold: the token has expired: get a new one\n"), "{said}");
}

#[tokio::test]
async fn a_token_is_looked_at_with_and_without_its_key() {
    for algorithm in ["EdDSA", "HS256"] {
        let (keys, other) = (Keys::make(algorithm).await, Keys::make(algorithm).await);
        let token = keys.mint(&["--connect", "a-*", "--join", "*", "--aud", "here", "--jti", "7", "--ttl", "2h", "--names", "3"]).await;
        let look = async |args: &[&str]| run(&mut bss(&[&["token", "inspect"], args].concat()), token.as_bytes()).await;
        let said = look(&[]).await.stdout();
        for word in ["\"sub\": \"ann\"", "\"a-*\"", "\"aud\": \"here\"", "\"jti\": \"7\"", "\"names\": 3", "expires in", "not looked at"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(look(&["--keys", &keys.path("keys.json"), "--aud", "here"]).await.stdout().ends_with("it holds\n"));
        for (args, why) in [
            (vec!["--keys".to_owned(), other.path("keys.json"), "--aud".into(), "here".into()], "unknown key"),
            (vec!["--keys".to_owned(), keys.path("keys.json"), "--aud".into(), "there".into()], "another audience"),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let ended = look(&args).await;
            let said = String::from_utf8(ended.stdout).expect("text");
            assert!(ended.code == Some(77) && said.contains("it does not hold: ") && said.contains(why), "{said}");
        }
        run(&mut bss(&["token", "inspect"]), b"nonsense").await.failed(74, "the token: the token is malformed");
    }
}

#[tokio::test]
async fn threat_17_a_proxy_with_tokens_lets_each_do_what_its_token_says_until_that_is_taken_back() {
    let keys = Keys::make("EdDSA").await;
    let (jwks, revoked) = (keys.path("keys.json"), keys.path("revoked"));
    fs::write(&revoked, "").expect("written");
    let args = ["--tokens", &jwks, "--token-revoked", &revoked, "--token-audience", "here", "--anonymous-rights", "connect=public-*"];
    let proxy = Proxy::with(&args).await;
    let (owns, uses) = (keys.mint(&["--aud", "here", "--listen", "*"]).await, keys.mint(&["--aud", "here", "--connect", "a-*"]).await);
    let server = serving(proxy.bss(&["listen", "a-1", "--exec", "cat"]).env("BSS_TOKEN", &owns)).await;
    let public = serving(proxy.bss(&["listen", "public-1", "--exec", "cat"]).env("BSS_TOKEN", &owns)).await;
    let connect = async |name: &str, token: Option<&str>| {
        let mut command = proxy.bss(&["connect", name]);
        token.map(|token| command.env("BSS_TOKEN", token));
        run(&mut command, b"hello").await
    };
    assert_eq!(connect("a-1", Some(&uses)).await.stdout(), "hello");
    assert_eq!(connect("public-1", None).await.stdout(), "hello");
    connect("b-1", Some(&uses)).await.failed(77, "forbidden");
    connect("a-1", None).await.failed(77, "unauthorized");
    let mut list = proxy.bss(&["ls"]);
    assert_eq!(run(list.env("BSS_TOKEN", &uses), b"").await.stdout(), "a-1\n", "what it may connect to");
    // Taken back, and looked at because of the signal.
    fs::write(&revoked, "sub:ann\n").expect("written");
    proxy.program.signal(Signal::HUP);
    while connect("a-1", Some(&uses)).await.code == Some(0) {}
    connect("a-1", Some(&uses)).await.failed(77, "unauthorized");
    drop((server, public));
}

#[tokio::test]
async fn threat_14_beyond_this_machine_a_proxy_needs_to_be_open_or_to_have_tokens_that_can_be_used() {
    let refused = run(&mut bss(&["serve", "--bind", "0.0.0.0:0"]), b"").await;
    refused.failed(2, "refusing to listen on 0.0.0.0:0");
    assert!(refused.stderr.contains("--open") && refused.stderr.contains("--tokens"), "{refused:?}");
    let keys = Keys::make("EdDSA").await;
    let check = async |file: &str| run(&mut bss(&["serve", "--check", "--bind", "0.0.0.0:0", "--tokens", file]), b"").await;
    assert_eq!(check(&keys.path("keys.json")).await.code, Some(0));
    check(&keys.path("nowhere.json")).await.failed(2, "cannot read");
    let secret = check(&keys.path("signing.jwk")).await;
    assert!(secret.stderr.contains("this is the signing key") && secret.stderr.contains("bss token public"), "{secret:?}");
    secret.failed(2, "the keys ");
    fs::write(keys.path("whole.json"), format!("{{\"keys\":[{}]}}", fs::read_to_string(keys.path("signing.jwk")).expect("text")))
        .expect("written");
    let whole = check(&keys.path("whole.json")).await;
    assert!(whole.stderr.contains("secret half"), "{whole:?}");
}
