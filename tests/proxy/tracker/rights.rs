//! What a token lets one find and announce.

use harness::Peer;
use serde_json::{Value, json};

use super::{Member, content, hear, name, say};
use crate::tokens::{Guard, Known};

/// What a find, and then an announcement, of this content come to.
async fn come_to(peer: &Peer, number: usize) -> [String; 2] {
    let (_, mut stream) = peer.ask("/swarm/track", json!({})).await.expect("coming needs no right");
    say(&mut stream, "find", json!({ "ask": 5, "id": content(number) }));
    let found = hear(&mut stream).await.expect("an answer").expect("no end");
    say(&mut stream, "announce", json!({ "name": name(1), "contents": [{ "id": content(number), "pieces": 1 }] }));
    say(&mut stream, "find", json!({ "ask": 6, "id": content(number) }));
    let next = hear(&mut stream).await.expect("an answer").expect("no end");
    let what = |note: &Value, ask: u64| match note["note"].as_str() {
        Some("refused") if note["value"]["ask"].as_u64() == (ask == 5).then_some(5) => {
            note["value"]["code"].as_str().unwrap_or_default().to_owned()
        }
        _ => "granted".to_owned(),
    };
    [what(&found, 5), what(&next, 6)]
}

#[tokio::test(start_paused = true)]
async fn threat_25_to_find_needs_subscribe_and_to_announce_needs_publish_each_of_that_content() {
    let guard = Guard::new();
    let (own, any) = (format!("swarm-{}", content(1)), "swarm-*".to_owned());
    let verbs = ["listen", "connect", "publish", "subscribe", "join", "admin"];
    for verb in verbs {
        for (pattern, is_for) in [(&own, true), (&any, true), (&content(1), false), (&format!("swarm-{}", content(2)), false)] {
            let mut claims = json!({ "listen": ["swarm-*"] });
            if verb == "listen" {
                claims = json!({ "listen": [pattern, "swarm-0*"] });
            } else {
                claims[verb] = json!([pattern]);
            }
            let peer = guard.peer(claims).await;
            let (_, mut claim) = peer.ask(&format!("/swarm/listen/{}", name(1)), json!({})).await.expect("it may");
            let may = |of: &str| if verb == of && is_for { "granted" } else { "forbidden" };
            assert_eq!(come_to(&peer, 1).await, [may("subscribe"), may("publish")], "{verb} of {pattern}");
            claim.finish();
            assert_eq!(harness::note(&mut claim).await, None);
        }
    }
    assert!(guard.proxy.refused("forbidden") > 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_new_token_does_not_allow_is_withdrawn_when_it_is_renewed() {
    let guard = Guard::new();
    let may = |numbers: &[usize]| {
        let contents: Vec<_> = numbers.iter().map(|&number| format!("swarm-{}", content(number))).collect();
        json!({ "listen": ["swarm-*"], "subscribe": ["*"], "publish": contents })
    };
    let mut known = guard.peer(may(&[1, 2])).await;
    let Known { peer, session: _session, .. } = guard.peer(may(&[])).await;
    let mut asker = Member::over(peer, 9).await;
    let (_, _claim) = known.ask(&format!("/swarm/listen/{}", name(1)), json!({})).await.expect("it may");
    let (_, mut stream) = known.ask("/swarm/track", json!({})).await.expect("it may");
    let contents = [1, 2].map(|number| json!({ "id": content(number), "pieces": 1 }));
    say(&mut stream, "announce", json!({ "name": name(1), "contents": contents }));
    harness::until(|| guard.proxy.tracker.contents().len() == 2).await;
    known.renew(&guard.token(may(&[2])));
    // It is judged in its own time.
    let (_, mut beside) = known.ask("/swarm/track", json!({})).await.expect("it may");
    for _ in 0..100 {
        say(&mut stream, "renew", json!({}));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        if guard.proxy.tracker.contents().len() == 1 {
            break;
        }
    }
    assert_eq!((asker.names(1).await, asker.names(2).await), (vec![], vec![name(1)]));
    beside.finish();
}

#[tokio::test(start_paused = true)]
async fn one_content_that_may_not_be_announced_refuses_the_whole_note() {
    let guard = Guard::new();
    let claims = json!({ "listen": ["swarm-*"], "publish": [format!("swarm-{}", content(1))] });
    let Known { peer, session: _session, .. } = guard.peer(claims).await;
    let mut member = Member::over(peer, 1).await;
    member.announce(&[1, 2]);
    assert_eq!(member.refused("announce").await, "forbidden");
    assert!(guard.proxy.tracker.contents().is_empty());
}
