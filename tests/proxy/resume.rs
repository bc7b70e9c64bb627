//! What resumes or seals a stream goes through the proxy as it is.

use harness::{Peer, Proxy, reply, within};
use serde_json::{Value, json};

/// Connects with this `resume`, and has it answered with that; what each side saw.
async fn resume(owner: &mut Peer, client: &Peer, asked: &Value, answered: &str) -> (Value, Value) {
    let mut near = client.begin("/browser-server/connect/NAME", json!({ "resume": asked }));
    let (open, mut far) = owner.next().await;
    far.write_frame(format!(r#"{{"resume":{answered}}}"#).as_bytes());
    let reply = reply(&mut near).await.unwrap();
    // Behind both, bytes are bytes.
    near.write_chunk("\x09".into()).await.unwrap();
    assert_eq!(within(far.read_chunk()).await.unwrap().unwrap(), "\x09");
    (open, reply)
}

#[tokio::test(start_paused = true)]
async fn resume_goes_from_the_client_to_the_server_and_back() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let _control = owner.claim("NAME").await.unwrap();
    let birth = json!({ "v": 1, "id": "40".repeat(16), "secret": "00".repeat(32), "early": 0, "grace": 120 });
    let join = json!({ "v": 1, "join": true });
    for (asked, answered) in [(birth, r#"{"v":1,"grace":60}"#), (join.clone(), r#"{"v":1,"grace":120}"#), (json!(null), "null")] {
        let (open, reply) = resume(&mut owner, &client, &asked, answered).await;
        assert_eq!((open.get("resume"), reply.get("resume")), (Some(&asked), serde_json::from_str(answered).ok().as_ref()));
        assert!(open["id"].is_string() && open["path"] == "/browser-server/accept/NAME");
        assert!(reply["instance"].is_string(), "so that a client knows whether it is the same server");
    }
    let mut near = client.begin("/browser-server/connect/NAME", json!({}));
    let (open, mut far) = owner.next().await;
    far.write_frame(b"{}");
    assert!(open.get("resume").is_none() && reply(&mut near).await.unwrap().get("resume").is_none(), "absent stays absent");
    let mut near = client.begin("/browser-server/connect/NAME", json!({ "resume": join }));
    let (_, mut far) = owner.next().await;
    far.write_frame(br#"{"error":{"code":"gone","message":"no such stream"}}"#);
    assert_eq!(reply(&mut near).await.err().as_deref(), Some("gone"));
}

#[tokio::test(start_paused = true)]
async fn what_seals_a_stream_goes_through_as_it_is_and_only_to_a_server_that_seals() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let control = owner.claim_with("NAME", json!({ "capabilities": ["seal"] })).await.unwrap();
    for (asked, answered) in
        [(r#"{"v" : 1}"#, r#"{"v":1.0,"key":"k"}"#), ("7", "null"), (r#"{"v":1,"message":"m"}"#, r#"{"v":1,"message":"n"}"#)]
    {
        let asked: Value = serde_json::from_str(asked).unwrap();
        let mut near = client.begin("/browser-server/connect/NAME", json!({ "need": ["seal"], "seal": asked }));
        let (open, mut far) = owner.next().await;
        assert_eq!((&open["seal"], &open["need"]), (&asked, &json!(["seal"])));
        far.write_frame(format!(r#"{{"seal":{answered}}}"#).as_bytes());
        assert_eq!(reply(&mut near).await.unwrap().get("seal"), serde_json::from_str(answered).ok().as_ref());
    }
    drop(control);
    let mut plain = proxy.peer();
    let _control = plain.claim("OTHER").await.unwrap();
    let refused = client.connect_with("OTHER", json!({ "need": ["seal"], "seal": { "v": 1 } })).await.err();
    assert_eq!(refused.as_deref(), Some("unsupported"));
    let mut near = client.begin("/browser-server/connect/OTHER", json!({}));
    let (open, mut far) = plain.next().await;
    assert!(open.get("seal").is_none(), "the first open that the server saw");
    far.write_frame(b"{}");
    assert!(reply(&mut near).await.unwrap().get("seal").is_none());
}

#[tokio::test(start_paused = true)]
async fn capabilities_of_a_claim_answer_what_clients_need() {
    let proxy = Proxy::new();
    let (mut owner, client) = (proxy.peer(), proxy.peer());
    let lease = json!({ "lease": true, "instance": "40".repeat(16), "capabilities": ["seal", "resume"] });
    let control = owner.claim_with("NAME", lease).await.unwrap();
    let (connected, (open, _)) = tokio::join!(client.connect_with("NAME", json!({ "need": ["seal"] })), owner.accept());
    connected.unwrap();
    assert_eq!(open["need"], json!(["seal"]));
    assert_eq!(client.connect_with("NAME", json!({ "need": ["seal", "other"] })).await.err().as_deref(), Some("unsupported"));
    // The next life of a claim says anew what it has.
    let again = json!({ "lease": control.reply["lease"], "attempt": 1, "capabilities": ["other"] });
    let _again = owner.claim_with("NAME", again).await.unwrap();
    assert_eq!(client.connect_with("NAME", json!({ "need": ["seal"] })).await.err().as_deref(), Some("unsupported"));
}
