//! Tokens as attackers make them, and keys as careless people do.

use std::{fs, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::token::{Refused, Verb};

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn claims() -> Value {
    json!({ "sub": "ann", "exp": now() + 60, "connect": ["*"] })
}

/// What stands before a token's signature.
fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// A token whose signature is the HMAC under this secret, whatever its header says.
fn hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).expect("any key").chain_update(&message).finalize().into_bytes();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&mac))
}

fn jwk(jwks: &str) -> Value {
    serde_json::from_str::<Value>(jwks).expect("JSON")["keys"][0].clone()
}

/// All these keys in one set.
fn set(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| jwk(&key.jwks())).collect::<Vec<_>>() }).to_string()
}

#[test]
fn a_token_is_read_whichever_way_it_was_made() {
    let (ed, shared) = (SigningKey::ed25519(), SigningKey::hs256().expect("a key"));
    let authorizer = JwtAuthorizer::from_jwks(&set(&[&ed, &shared])).expect("keys");
    for key in [&ed, &shared] {
        let all = json!({
            "sub": "ann", "exp": now() + 600, "jti": "7", "listen": ["ann-*"], "admin": ["names"],
            "quota": { "sessions": 1, "opens_per_s": 9 }, "later": { "unknown": true },
        });
        let identity = authorizer.read(&key.sign(&all).expect("a token")).expect("it holds");
        assert_eq!((identity.sub.as_deref(), identity.id.as_deref()), (Some("ann"), Some("7")));
        assert!(identity.rights.allow(Verb::Listen, "ann-1") && !identity.rights.allow(Verb::Connect, "ann-1"));
        assert_eq!((identity.quota.sessions, identity.quota.names, identity.quota.opens_per_s), (Some(1), None, Some(9)));
        let left = identity.expires.expect("an end").as_secs();
        assert!((628..=630).contains(&left), "the leeway is its holder's: {left}");
        let copy = SigningKey::from_json(&key.to_json()).expect("what was written");
        assert!(authorizer.read(&copy.sign(&all).expect("a token")).is_ok());
    }
}

#[test]
fn threat_17_a_token_without_a_signature_is_none_however_none_is_spelt() {
    let key = SigningKey::ed25519();
    let (authorizer, kid) = (JwtAuthorizer::from_jwks(&key.jwks()).expect("keys"), jwk(&key.jwks())["kid"].clone());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            let token = format!("{}.{signature}", message(&json!({ "alg": alg, "kid": kid, "typ": "JWT" }), &claims()));
            assert!(matches!(authorizer.read(&token), Err(Refused::Malformed(_))), "{alg} {signature}");
        }
    }
    let without = message(&json!({ "kid": kid }), &claims());
    assert!(matches!(authorizer.read(&format!("{without}.")), Err(Refused::Malformed(_))));
    assert!(matches!(authorizer.read(&without), Err(Refused::Malformed(_))));
}

#[test]
fn threat_17_a_public_key_is_no_secret_of_an_hmac() {
    let (key, other) = (SigningKey::ed25519(), SigningKey::hs256().expect("a key"));
    let public = jwk(&key.jwks());
    let bytes = BASE64URL_NOPAD.decode(public["x"].as_str().expect("x").as_bytes()).expect("base64url");
    for keys in [key.jwks(), set(&[&key, &other])] {
        let authorizer = JwtAuthorizer::from_jwks(&keys).expect("keys");
        // The classic: the public key as the secret of an HMAC, in each form that it is published in.
        for secret in [bytes.as_slice(), public["x"].as_str().expect("x").as_bytes(), key.jwks().as_bytes(), b""] {
            let token = hmac(&json!({ "alg": "HS256", "kid": public["kid"] }), &claims(), secret);
            assert_eq!(authorizer.read(&token).expect_err("forged"), Refused::Malformed("its alg is not that of its key".into()));
            let token = hmac(&json!({ "alg": "EdDSA", "kid": public["kid"] }), &claims(), secret);
            assert_eq!(authorizer.read(&token).expect_err("forged"), Refused::Signature);
        }
    }
    // Nor the other way round: a token of one key under the name of another.
    let authorizer = JwtAuthorizer::from_jwks(&set(&[&key, &other])).expect("keys");
    let shared = jwk(&other.jwks());
    let token = key.sign(&claims()).expect("a token");
    let rest = token.split_once('.').expect("a header").1;
    for header in [json!({ "alg": "EdDSA", "kid": shared["kid"] }), json!({ "alg": "HS256", "kid": shared["kid"] })] {
        let token = format!("{}.{rest}", BASE64URL_NOPAD.encode(header.to_string().as_bytes()));
        assert!(authorizer.read(&token).is_err());
    }
}

#[test]
fn threat_17_a_header_cannot_bring_its_own_key_or_demand_what_is_not_understood() {
    let (key, stranger) = (SigningKey::ed25519(), SigningKey::hs256().expect("a key"));
    let authorizer = JwtAuthorizer::from_jwks(&key.jwks()).expect("keys");
    let secret = BASE64URL_NOPAD.decode(jwk(&stranger.jwks())["k"].as_str().expect("k").as_bytes()).expect("base64url");
    for header in [
        json!({ "alg": "HS256", "jwk": jwk(&stranger.jwks()) }),
        json!({ "alg": "HS256", "jku": "https://evil.example/keys" }),
        json!({ "alg": "HS256", "kid": "../../dev/null" }),
        json!({ "alg": "HS256", "x5u": "https://evil.example/cert" }),
    ] {
        assert!(authorizer.read(&hmac(&header, &claims(), &secret)).is_err(), "{header}");
    }
    let shared = JwtAuthorizer::from_jwks(&stranger.jwks()).expect("keys");
    let plain = json!({ "alg": "HS256", "kid": jwk(&stranger.jwks())["kid"] });
    assert!(shared.read(&hmac(&plain, &claims(), &secret)).is_ok());
    for (field, value) in
        [("crit", json!(["exp"])), ("crit", json!([])), ("alg", json!("HS512")), ("alg", json!("RS256")), ("kid", json!(7))]
    {
        let mut header = plain.clone();
        header[field] = value;
        assert!(shared.read(&hmac(&header, &claims(), &secret)).is_err(), "{header}");
    }
}

#[test]
fn threat_17_claims_that_are_not_of_their_form_are_malformed_and_no_text_of_theirs_is_told() {
    let key = SigningKey::ed25519();
    let authorizer = JwtAuthorizer::from_jwks(&key.jwks()).expect("keys");
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        claims[field] = value;
        authorizer.read(&key.sign(&claims).expect("a token"))
    };
    for (field, value) in [
        ("sub", json!("")),
        ("sub", json!("x".repeat(257))),
        ("sub", json!("SECRET\n")),
        ("sub", json!(["SECRET"])),
        ("exp", Value::Null),
        ("exp", json!("SECRET")),
        ("exp", json!(-1)),
        ("nbf", json!("SECRET")),
        ("jti", json!("")),
        // What the file of those that were taken back cannot name.
        ("jti", json!("#SECRET")),
        ("jti", json!("sub:SECRET")),
        ("jti", json!(" SECRET")),
        ("sub", json!("SECRET ")),
        ("listen", json!(["SECRET".repeat(30)])),
        ("listen", json!([""])),
        ("join", json!({ "SECRET": 1 })),
        ("quota", json!({ "names": -1 })),
        ("quota", json!("SECRET")),
    ] {
        match with(field, value.clone()) {
            Err(error @ (Refused::Malformed(_) | Refused::Expired)) => assert!(!error.to_string().contains("SECRET"), "{error}"),
            other => panic!("{field} {value}: {other:?}"),
        }
    }
    assert!(with("exp", json!(1e300)).is_err());
    assert!(with("exp", json!(u64::MAX)).is_ok_and(|identity| identity.expires.is_some()), "as good as for ever");
    let doubled = format!(r#"{{"sub":"ann","exp":{},"connect":[],"connect":["*"]}}"#, now() + 60);
    let secret = SigningKey::hs256().expect("a key");
    let bytes = BASE64URL_NOPAD.decode(jwk(&secret.jwks())["k"].as_str().expect("k").as_bytes()).expect("base64url");
    let head = BASE64URL_NOPAD.encode(br#"{"alg":"HS256"}"#);
    let message = format!("{head}.{}", BASE64URL_NOPAD.encode(doubled.as_bytes()));
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(&bytes).expect("any key").chain_update(&message).finalize().into_bytes();
    let token = format!("{message}.{}", BASE64URL_NOPAD.encode(&mac));
    assert!(matches!(JwtAuthorizer::from_jwks(&secret.jwks()).expect("keys").read(&token), Err(Refused::Malformed(_))));
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_what_to_do() {
    let (ed, shared) = (SigningKey::ed25519(), SigningKey::hs256().expect("a key"));
    let change = |key: &SigningKey, field: &str, value: Value| {
        let mut jwk = jwk(&key.jwks());
        jwk[field] = value;
        json!({ "keys": [jwk] }).to_string()
    };
    let twice = jwk(&ed.jwks());
    for (jwks, says) in [
        ("nonsense".to_owned(), "not a JWKS"),
        ("{}".to_owned(), "not a JWKS"),
        (r#"{"keys":[]}"#.to_owned(), "no key in it"),
        (change(&ed, "alg", Value::Null), "write kty OKP"),
        (change(&ed, "alg", json!("HS256")), "write kty OKP"),
        (change(&ed, "crv", json!("P-256")), "write kty OKP"),
        (change(&ed, "use", json!("enc")), "not for signatures"),
        (change(&ed, "d", json!("AAAA")), "secret half"),
        (change(&ed, "x", json!("AAAA")), "not 32 bytes"),
        (change(&ed, "x", json!("!")), "not in base64url"),
        (change(&shared, "k", json!("AAAA")), "shorter than 32 bytes"),
        (change(&shared, "alg", json!("RS256")), "write kty OKP"),
        (json!({ "keys": [twice, twice] }).to_string(), "same kid"),
    ] {
        let error = JwtAuthorizer::from_jwks(&jwks).err().expect(says).to_string();
        assert!(error.contains(says), "{error}");
    }
    assert!(SigningKey::from_json(&jwk(&ed.jwks()).to_string()).is_err(), "a public half makes no tokens");
    assert!(
        !format!("{:?}", serde_json::from_str::<Key>(&shared.to_json()).expect("a key")).contains(&jwk(&shared.jwks())["k"].to_string())
    );
}

#[test]
fn threat_17_keys_rotate_and_tokens_are_taken_back_while_it_runs_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (keys, withdrawn) = (folder.path().join("keys.json"), folder.path().join("revoked"));
    let (old, new) = (SigningKey::ed25519(), SigningKey::ed25519());
    let mut written = std::time::SystemTime::now();
    let mut write = |path: &std::path::Path, text: &str| {
        fs::write(path, text).expect("written");
        // Each is a second younger than the one before, whatever the file system's clock can tell.
        written += Duration::from_secs(1);
        fs::File::options().write(true).open(path).expect("there").set_modified(written).expect("set");
    };
    write(&keys, &old.jwks());
    write(&withdrawn, "# nobody yet\n");
    let authorizer = JwtAuthorizer::open(&keys).expect("keys").withdrawn(&withdrawn).expect("readable");
    let token = |key: &SigningKey, sub: &str, jti: &str| key.sign(&json!({ "sub": sub, "exp": now() + 60, "jti": jti })).expect("a token");
    let (ann, bob, of_new) = (token(&old, "ann", "1"), token(&old, "bob", "2"), token(&new, "ann", "3"));
    let all = |authorizer: &JwtAuthorizer| [&ann, &bob, &of_new].map(|token| authorizer.read(token).err());
    assert_eq!(all(&authorizer), [None, None, Some(Refused::Key)]);
    write(&keys, &set(&[&old, &new]));
    assert_eq!(all(&authorizer), [None, None, Some(Refused::Key)], "it has not looked yet");
    authorizer.refresh(false);
    assert_eq!(all(&authorizer), [None, None, None]);
    write(&withdrawn, "  1  \n\nsub: bob \n");
    authorizer.refresh(false);
    assert_eq!(all(&authorizer), [Some(Refused::Revoked), Some(Refused::Revoked), None]);
    write(&keys, "{ broken");
    fs::remove_file(&withdrawn).expect("there");
    authorizer.refresh(true);
    assert_eq!(all(&authorizer), [Some(Refused::Revoked), Some(Refused::Revoked), None], "what was read before holds on");
    write(&keys, &new.jwks());
    authorizer.refresh(false);
    assert_eq!(all(&authorizer), [Some(Refused::Key), Some(Refused::Key), None]);
    let gone = folder.path().join("nowhere");
    assert!(JwtAuthorizer::open(&gone).err().expect("no file").to_string().contains("check the path"));
}

#[test]
fn threat_17_a_file_of_what_was_taken_back_that_is_empty_for_a_moment_lets_nobody_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, withdrawn) = (SigningKey::ed25519(), folder.path().join("revoked"));
    let token = key.sign(&json!({ "sub": "ann", "exp": now() + 60, "jti": "1" })).expect("a token");
    fs::write(&withdrawn, "1\n").expect("written");
    let authorizer = JwtAuthorizer::from_jwks(&key.jwks()).expect("keys").withdrawn(&withdrawn).expect("readable");
    let look = |text: &str| {
        fs::write(&withdrawn, text).expect("written");
        authorizer.refresh(false);
        authorizer.read(&token).err()
    };
    assert_eq!(look(""), Some(Refused::Revoked), "somebody may be writing it");
    assert_eq!(look("1\n# again\n"), Some(Refused::Revoked));
    assert_eq!(look(""), Some(Refused::Revoked), "each time anew");
    assert_eq!(look(""), None, "it is meant");
    assert_eq!(look("sub:ann\n"), Some(Refused::Revoked));
    assert_eq!(look("# nobody\n"), None, "nobody has only begun to write it");
}

#[test]
fn threat_17_no_error_of_a_file_of_keys_shows_what_stands_in_it() {
    for jwks in [
        r#"{"keys":["SECRET"]}"#,
        r#"{"keys":[{"kty":"oct","k":["SECRET"]}]}"#,
        r#"{"keys":"SECRET"}"#,
        "SECRET",
        r#"{"keys":{"SECRET":1}}"#,
    ] {
        let error = JwtAuthorizer::from_jwks(jwks).err().expect("no keys");
        let said = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!said.contains("SECRET") && said.contains("line 1, column "), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn threat_17_a_shared_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let (ed, shared) = (SigningKey::ed25519(), SigningKey::hs256().expect("a key"));
    let open = |keys: &str, mode: u32| {
        fs::write(&file, keys).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("ours");
        JwtAuthorizer::open(&file)
    };
    for mode in [0o644, 0o640, 0o604] {
        assert!(open(&ed.jwks(), mode).is_ok(), "who knows a public key makes no tokens");
        let error = open(&set(&[&ed, &shared]), mode).err().expect("exposed").to_string();
        assert!(error.contains(&format!("(mode {mode:o})")) && error.contains("chmod 600"), "{error}");
    }
    let authorizer = open(&shared.jwks(), 0o600).expect("its owner's alone");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    authorizer.refresh(true);
    assert!(authorizer.read(&shared.sign(&claims()).expect("a token")).is_ok(), "what was read before holds on");
}

#[test]
fn threat_17_who_has_a_token_of_a_key_that_is_gone_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let (old, new) = (SigningKey::ed25519(), SigningKey::ed25519());
    fs::write(&file, set(&[&old, &new])).expect("written");
    let authorizer = JwtAuthorizer::open(&file).expect("keys").anonymous(Rights::none());
    let known = [&old, &new].map(|key| authorizer.read(&key.sign(&claims()).expect("a token")).expect("it holds"));
    let gone = || known.each_ref().map(|identity| authorizer.is_withdrawn(identity));
    assert_eq!(gone(), [false, false]);
    fs::write(&file, new.jwks()).expect("written");
    authorizer.refresh(true);
    assert_eq!(gone(), [true, false]);
    // Another key under the same name is another key.
    let mut posing = jwk(&old.jwks());
    posing["kid"] = jwk(&new.jwks())["kid"].clone();
    fs::write(&file, json!({ "keys": [posing] }).to_string()).expect("written");
    authorizer.refresh(true);
    assert_eq!(gone(), [false, true]);
    let anybody = Identity::anonymous(Rights::none());
    assert!(!authorizer.is_withdrawn(&anybody));
    assert!(format!("{known:?}").contains("made_by: Some(KeyMark(…))"), "no log shows what a key is made of");
}
