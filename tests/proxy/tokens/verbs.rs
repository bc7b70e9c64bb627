//! What a token lets one do: the whole matrix of rights, verbs, patterns and times.

use browser_stream_server::token::Verb;
use serde_json::json;

use super::{Guard, comes_to, now};

/// Where each verb is asked for a name, and what comes of it where it is allowed.
fn asked(verb: Verb, name: &str) -> Vec<(String, &'static str)> {
    match verb {
        Verb::Listen => vec![(format!("/browser-server/listen/{name}"), "granted")],
        Verb::Connect => {
            vec![(format!("/browser-server/connect/{name}"), "not_found"), (format!("/browser-server/watch/{name}"), "granted")]
        }
        Verb::Publish => vec![(format!("/channel/publish/{name}"), "granted")],
        Verb::Subscribe => vec![(format!("/channel/subscribe/{name}-nobody"), "not_found")],
        Verb::Join => vec![(format!("/room/join/{name}"), "granted")],
        _ => vec![("/browser-server/names".to_owned(), "granted")],
    }
}

/// Whether a token is one by its times, and what is asked gets where it is not.
const TIMES: [(&str, i64, i64, bool); 5] = [
    ("holds", 3600, -60, true),
    ("just over", -20, -60, true),
    ("over", -60, -120, false),
    ("just early", 3600, 20, true),
    ("early", 3600, 60, false),
];

#[tokio::test(start_paused = true)]
async fn threat_17_each_right_is_for_its_own_verb_its_own_names_and_its_own_time() {
    let guard = Guard::new();
    let mut tried = 0;
    for granted in Verb::ALL {
        for kind in ["nothing", "all", "whole", "start", "end", "other", "case"] {
            for (time, expires, begins, holds) in TIMES {
                // A name of its own for each, so that none is taken.
                let name = format!("room-{tried}-x");
                tried += 1;
                let target = match granted {
                    Verb::Admin => "names",
                    Verb::Subscribe => &format!("{name}-nobody"),
                    _ => name.as_str(),
                };
                let (pattern, is_for) = match kind {
                    "nothing" => (None, false),
                    "all" => (Some("*".to_owned()), true),
                    "whole" => (Some(target.to_owned()), true),
                    "start" => (Some(format!("{}*", &target[..3])), true),
                    "end" => (Some(format!("*{}", &target[2..])), true),
                    "other" => (Some(format!("{target}?")), false),
                    _ => (Some(target.to_uppercase()), false),
                };
                let at = |seconds: i64| now().saturating_add_signed(seconds);
                let mut claims = json!({ "exp": at(expires), "nbf": at(begins) });
                claims[granted.as_str()] = json!(pattern.into_iter().collect::<Vec<_>>());
                let peer = guard.proxy.peer();
                let session = peer.ask("/session", json!({ "token": guard.token(claims) })).await;
                assert_eq!(session.is_ok(), holds, "{granted} {kind} {time}");
                for verb in Verb::ALL {
                    for (path, allowed) in asked(verb, &name) {
                        let comes = match (holds, verb == granted && is_for) {
                            (false, _) => "unauthorized",
                            (true, true) => allowed,
                            (true, false) => "forbidden",
                        };
                        let came = comes_to(&peer, &path, json!({ "wait": 0 })).await;
                        assert_eq!(came, comes, "{verb} where {granted} is for {kind} and the token {time}: {path}");
                    }
                }
            }
        }
    }
    assert_eq!(tried, 6 * 7 * 5);
}

#[tokio::test(start_paused = true)]
async fn threat_23_joining_needs_the_right_when_tokens_are_on() {
    let guard = Guard::new();
    let (member, stranger) = (guard.peer(json!({ "join": ["club-*"] })).await, guard.peer(json!({ "sub": "bob", "connect": ["*"] })).await);
    let (_, _seat) = member.ask("/room/join/club-1", json!({ "room": { "public": true } })).await.expect("it may");
    assert_eq!(comes_to(&member, "/room/join/other", json!({})).await, "forbidden");
    assert_eq!(comes_to(&stranger, "/room/join/club-1", json!({})).await, "forbidden");
    assert_eq!(guard.proxy.rooms.members("club-1").len(), 1);
}
