//! The vectors that both languages and a second implementation read (`tests/vectors/seal.json`): made here, and compared with what is there.
//!
//! `BSS_WRITE_VECTORS=1 cargo test -p browser-stream-client seal::tests` writes them anew.

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hkdf::Hkdf;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Address, Keys, PublicKey, Tampered,
    cipher::Direction,
    handshake::{Initiator, Pattern, Unreadable, prologue, respond},
    record::{Inbound, Outbound, PLAIN_MAX},
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/seal.json");

fn keys(first: u8) -> Keys {
    let secret: [u8; 32] = std::array::from_fn(|at| first + at as u8);
    Keys::from_text(&format!("bss-seal-secret-{}", BASE64URL_NOPAD.encode(&secret))).unwrap()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

const STREAM: [u8; 16] = [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f];

/// One handshake, with every key fixed.
fn handshake(name: &str, pattern: Pattern, stream: [u8; 16], server_name: &str, meta: &str) -> Value {
    let (server, client) = (keys(0x00), keys(0x20));
    let (client_ephemeral, server_ephemeral) = (keys(0x60), keys(0x80));
    let (us, them) = (client_ephemeral.secret(), server_ephemeral.secret());
    let ours = (pattern == Pattern::Ik).then_some(&client);
    let prologue = prologue(&stream, server_name);
    let (initiator, first) = Initiator::begin(&server.public(), ours, &prologue, meta.as_bytes(), Some(us)).unwrap();
    let responded = respond(pattern, &server, &prologue, &first, Some(them)).unwrap();
    let split = initiator.finish(&responded.message).unwrap();
    assert_eq!((&split.client, &split.server, split.hash), (&responded.split.client, &responded.split.server, responded.split.hash));
    assert_eq!((&responded.payload[..], responded.client), (meta.as_bytes(), ours.map(Keys::public)));
    let mut vector = json!({
        "name": name,
        "protocol": pattern.protocol(),
        "server_name": server_name,
        "stream": hex(stream),
        "prologue": hex(&prologue),
        "server": {"secret": hex(server.secret()), "public": hex(server.public().0)},
        "client_ephemeral": hex(us),
        "server_ephemeral": hex(them),
        "meta": meta,
        "message_1": hex(&first),
        "open": {"v": 1, "pattern": if ours.is_some() { "IK" } else { "NK" }, "message": base64(&first)},
        "message_2": hex(&responded.message),
        "reply": {"v": 1, "message": base64(&responded.message)},
        "hash": hex(split.hash),
        "client_key": hex(*split.client),
        "server_key": hex(*split.server),
        "resume_secret": hex(split.resume_secret().0),
    });
    if ours.is_some() {
        vector["client"] = json!({"secret": hex(client.secret()), "public": hex(client.public().0)});
    }
    vector
}

/// First messages that a server with the keys of the handshakes cannot use, and second ones that a client cannot.
fn refused_messages() -> Value {
    let (server, other) = (keys(0x00), keys(0xa0));
    let right = prologue(&STREAM, "NAME");
    let first =
        |to: &Keys, prologue: &[u8]| Initiator::begin(&to.public(), None, prologue, br#""hello""#, Some(keys(0x60).secret())).unwrap();
    let (_, good) = first(&server, &right);
    let flipped = |at: usize| {
        let mut message = good.clone();
        message[at] ^= 1;
        message
    };
    let messages = [
        ("for another key", first(&other, &right).1),
        ("of another name", first(&server, &prologue(&STREAM, "name")).1),
        ("of another stream", first(&server, &prologue(&[0x50; 16], "NAME")).1),
        ("without a stream", first(&server, &prologue(&[0; 16], "NAME")).1),
        ("a bit of the ephemeral key flipped", flipped(0)),
        ("a bit of the payload flipped", flipped(33)),
        ("a bit of the tag flipped", flipped(good.len() - 1)),
        ("cut by one byte", good[..good.len() - 1].to_vec()),
        ("one byte longer", [&good[..], &[0]].concat()),
        ("shorter than a key", good[..31].to_vec()),
        ("empty", Vec::new()),
        ("an ephemeral key of small order", [&[0; 32], &good[32..]].concat()),
    ];
    let firsts = messages.map(|(name, message)| {
        assert!(respond(Pattern::Nk, &server, &right, &message, None).is_err(), "{name}");
        json!({"name": name, "message_1": hex(message)})
    });
    let answer = respond(Pattern::Nk, &server, &right, &good, Some(keys(0x80).secret())).unwrap().message;
    let mut forged = answer.clone();
    forged[40] ^= 1;
    let of_another = respond(Pattern::Nk, &other, &right, &first(&other, &right).1, Some(keys(0x80).secret())).unwrap().message;
    let seconds = [
        ("a bit flipped", forged),
        ("cut by one byte", answer[..answer.len() - 1].to_vec()),
        ("one byte longer", [&answer[..], &[0]].concat()),
        ("empty", Vec::new()),
        ("of a server with another key", of_another),
        ("an ephemeral key of small order", [&[0; 32], &answer[32..]].concat()),
    ]
    .map(|(name, message)| {
        assert!(first(&server, &right).0.finish(&message).is_err(), "{name}");
        json!({"name": name, "message_2": hex(message)})
    });
    json!({
        "prologue": hex(&right),
        "server": {"secret": hex(server.secret()), "public": hex(server.public().0)},
        "client_ephemeral": hex(keys(0x60).secret()),
        "meta": r#""hello""#,
        "message_1": hex(&good),
        "first": firsts,
        "second": seconds,
    })
}

/// What a direction's records are, under a key that is replaced after so many.
fn direction(name: &str, records_per_key: u64, parts: &[Vec<u8>]) -> Value {
    let key = [0xc0; 32];
    let mut outbound = Outbound::over(Direction::with(&key, records_per_key));
    let mut all = Vec::new();
    let mut records = Vec::new();
    for plain in parts.iter().map(|part| Some(&part[..])).chain([None]) {
        let record = plain.map_or_else(Bytes::new, |plain| outbound.seal(plain));
        let record = if plain.is_none() { outbound.end() } else { record };
        all.extend_from_slice(&record);
        records.push(match plain {
            Some(plain) if plain.len() > 64 => {
                json!({"zeros": plain.len(), "sha256": hex(Sha256::digest(&record)), "length": record.len()})
            }
            plain => json!({"plain": hex(plain.unwrap_or_default()), "record": hex(record)}),
        });
    }
    let mut inbound = Inbound::over(Direction::with(&key, records_per_key));
    inbound.received(&all);
    let mut back = Vec::new();
    while let Some(plain) = inbound.next().unwrap() {
        back.extend_from_slice(&plain);
    }
    assert_eq!((inbound.finished(), back), (Ok(()), parts.concat()));
    json!({"name": name, "key": hex(key), "records_per_key": records_per_key, "records": records})
}

/// Whole directions under one key that are not what was sealed.
fn refused_directions() -> Value {
    let key = [0xc0; 32];
    let mut outbound = Outbound::new(&key);
    let (first, second, end) = (outbound.seal(b"first"), outbound.seal(b"second"), outbound.end());
    let flipped = |record: &[u8], at: usize| {
        let mut record = record.to_vec();
        record[at] ^= 1;
        record
    };
    let other = Outbound::new(&[0xc1; 32]).seal(b"first");
    let directions: Vec<(&str, Vec<u8>)> = vec![
        ("cut before its end", [&first[..], &second].concat()),
        ("cut within a record", first[..10].to_vec()),
        ("cut within the end", [&first[..], &second, &end[..17]].concat()),
        ("nothing at all", Vec::new()),
        ("a bit of a length flipped", [&flipped(&first, 1)[..], &second, &end].concat()),
        ("a bit of the bytes flipped", [&flipped(&first, 2)[..], &second, &end].concat()),
        ("a bit of a tag flipped", [&first[..], &flipped(&second, second.len() - 1), &end].concat()),
        ("a record twice", [&first[..], &first, &second, &end].concat()),
        ("a record left out", [&second[..], &end].concat()),
        ("two records exchanged", [&second[..], &first, &end].concat()),
        ("a record of another stream", [&other[..], &second, &end].concat()),
        ("something behind the end", [&first[..], &second, &end, &[0]].concat()),
        ("a second end", [&first[..], &second, &end, &end].concat()),
        ("a length of 15", [&[0, 15][..], &[0; 15]].concat()),
        ("a length of 0", vec![0, 0]),
        ("a length of 32,785", vec![0x80, 0x11]),
    ];
    let refused = directions.into_iter().map(|(name, bytes)| {
        let mut inbound = Inbound::new(&key);
        inbound.received(&bytes);
        let read = loop {
            match inbound.next() {
                Ok(Some(_)) => {}
                Ok(None) => break inbound.finished(),
                Err(Tampered) => break Err(Tampered),
            }
        };
        assert_eq!(read, Err(Tampered), "{name}");
        json!({"name": name, "bytes": hex(bytes)})
    });
    json!({"key": hex(key), "directions": refused.collect::<Vec<_>>()})
}

/// What is connected to sealed, what in the clear, and what not at all.
fn addresses() -> Value {
    let key = keys(0).public().to_string();
    let of = |address: String| {
        let read: Option<Address> = address.parse().ok();
        let key = read.as_ref().and_then(|read| Some(read.key?.to_string()));
        json!({"address": address, "name": read.map(|read| read.name), "key": key})
    };
    let last = &key[..42];
    json!([
        of(format!("NAME#{key}")),
        of(format!("a#b#{key}")),
        of(format!("#{key}")),
        of(format!("été 日本#{key}")),
        of("NAME".into()),
        of("NAME#".into()),
        of(format!("NAME#{last}")),
        of(format!("NAME#{key}=")),
        // Two bits of the last character are not 0.
        of(format!("NAME#{last}1")),
        of(format!("NAME#{}", "+".repeat(43))),
        of(format!("NAME#{key} ")),
        of(format!("NAME#{key}\n")),
        of(format!("NAME#{key}.")),
        of(format!("NAME#{key}).")),
        of(format!("NAME#{key}»")),
        of(format!("NAME#{key}#")),
        of(format!("NAME# {key}")),
        of(format!("NAME#{key}A")),
        of(format!("NAME#{}", &key[..20])),
        of(format!("NAME#{}", &key[..19])),
        of(format!("NAME#{}. ", &key[..19])),
        of(format!("NAME {key}")),
        of(format!("a#b {key}")),
        of("a-name-of-more-than-twenty-characters".into()),
        of("room#7".into()),
        of(format!("NAME#{key} thanks")),
        of(format!("NAME #{key}")),
        of(format!("NAME%23{key}")),
    ])
}

/// The keys of the signals of direct carriers, which the Rust client has not, and what the first notes become.
fn signals() -> Value {
    let (secret, nonces): ([u8; 32], [u8; 32]) = (std::array::from_fn(|at| 0xd0 ^ at as u8), std::array::from_fn(|at| 0x10 + at as u8));
    let key = |side: &str| {
        let mut key = [0; 32];
        let label = format!("bss-seal-1 signals {side}");
        Hkdf::<Sha256>::new(Some(&nonces), &secret).expand(label.as_bytes(), &mut key).unwrap();
        key
    };
    let side = |side: &str, notes: &[&str]| {
        let key = key(side);
        let mut outbound = Outbound::new(&key);
        let notes = notes.iter().map(|note| json!({"note": note, "framed": hex(outbound.seal(note.as_bytes()))}));
        json!({"key": hex(key), "notes": notes.collect::<Vec<_>>()})
    };
    json!({
        "secret": hex(secret),
        "client_nonce": hex(&nonces[..16]),
        "server_nonce": hex(&nonces[16..]),
        "client": side("client", &[r#"{"note":"description","value":{"type":"offer","sdp":"v=0"}}"#, r#"{"note":"candidate","value":null}"#]),
        "server": side("server", &[r#"{"note":"description","value":{"type":"answer","sdp":"été"}}"#]),
    })
}

fn all() -> Value {
    let (nk, ik) = (Pattern::Nk, Pattern::Ik);
    let parts = |parts: &[&[u8]]| parts.iter().map(|part| part.to_vec()).collect::<Vec<_>>();
    let pairs = [0x00, 0x20, 0xa0].map(|first| {
        let keys = keys(first);
        let text = keys.to_text().as_str().to_owned();
        json!({"secret": hex(keys.secret()), "text": text, "public": hex(keys.public().0), "key": keys.public().to_string()})
    });
    json!({
        "keys": pairs,
        "addresses": addresses(),
        "handshakes": [
            handshake("a client without a key", nk, STREAM, "NAME", r#"{"as":"été"}"#),
            handshake("a client with a key", ik, STREAM, "NAME", r#"{"as":"été"}"#),
            handshake("nothing said, a stream that does not resume", nk, [0; 16], "NAME", ""),
            handshake("a client with a key, nothing said, another name", ik, [0; 16], "été 日本", ""),
        ],
        "refused_messages": refused_messages(),
        "directions": [
            direction("records of one key", 1 << 20, &parts(&[b"hello", b"x", b"world"])),
            direction("nothing", 1 << 20, &[]),
            direction("the longest record", 1 << 20, &[vec![0; PLAIN_MAX], b"and more".to_vec()]),
            direction("a key for two records", 2, &parts(&[b"zero", b"one", b"two", b"three", b"four", b"five"])),
            direction("a key for each record", 1, &parts(&[b"zero", b"one"])),
        ],
        "refused_directions": refused_directions(),
        "signals": signals(),
    })
}

#[test]
fn the_vectors_are_what_this_makes() {
    let made = all();
    if std::env::var_os("BSS_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, format!("{made:#}\n")).unwrap();
    }
    let there: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(there, made, "see the head of this file for how they are written anew");
}

#[test]
fn a_key_of_small_order_is_refused_by_both_sides() {
    let begun = Initiator::begin(&PublicKey([0; 32]), None, b"", b"", None).map(|_| ());
    assert_eq!(begun, Err(Unreadable));
}
