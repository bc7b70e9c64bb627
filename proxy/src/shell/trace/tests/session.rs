//! Sessions written by hand, and what is told of them.

use harness::{ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, frame, wire::framed};

use super::told::{ANSWER, REQUEST, Watched, message, websocket};
use crate::shell::trace::{
    line::Side::{Peer, Proxy},
    scribe::Shown,
};

const PLAIN: Shown = Shown { data: false, secrets: false };
const SECRET: &str = "s3cret";

fn data(flags: u16, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload.len() as u32, payload)
}

/// All of a session: its upgrade, a token, a name, a resumable stream with its data, a channel, a room, and its end.
fn session() -> Vec<(crate::shell::trace::line::Side, Vec<u8>)> {
    let mut steps = vec![(Peer, REQUEST.to_vec()), (Proxy, ANSWER.to_vec())];
    let mut say = |side, frames: &[u8]| steps.push((side, message(side, frames)));
    say(Peer, &data(SYN, 1, &framed(r#"{"path":"/session","library":"x/1","token":"s3cret"}"#)));
    say(Proxy, &[frame(WINDOW_UPDATE, ACK, 1, 0, b""), data(0, 1, &framed(r#"{"session":"7","limits":{}}"#))].concat());
    say(Peer, &data(0, 1, &framed(r#"{"note":"token","value":"s3cret"}"#)));
    let birth = r#"{"path":"/browser-server/connect/N","resume":{"v":1,"id":"0","secret":"s3cret","early":5,"grace":120}}"#;
    say(Peer, &data(SYN, 3, &[framed(birth), b"early".to_vec()].concat()));
    say(Proxy, &data(ACK, 3, &[framed(r#"{"id":"c","resume":{"v":1,"grace":120}}"#), b"\x03\x05\x00".to_vec()].concat()));
    say(Peer, &data(0, 3, b"\x01\x05\x05hello\x02\x0a"));
    say(Proxy, &data(FIN, 3, b"\x05"));
    say(Peer, &data(SYN, 5, &framed(r#"{"path":"/channel/publish/C"}"#)));
    say(Proxy, &data(ACK, 5, &[framed(r#"{"id":"p","channel":{"number":0}}"#), b"\x01\x02".to_vec()].concat()));
    say(Peer, &data(0, 5, b"\x01\x03abc\x02\x00\x04\x0e\x03bye"));
    say(Peer, &data(SYN, 7, &framed(r#"{"path":"/room/join/R","room":{"seat":{"id":"7","secret":"s3cret"}}}"#)));
    say(Proxy, &data(ACK, 7, &[framed(r#"{"id":"m","room":{"secret":"s3cret"}}"#), b"\x01\x01\x00\x04chat\x01\x90".to_vec()].concat()));
    say(Peer, &data(0, 7, b"\x01\x04\x02\x01\x02\x04chat\x01\x90"));
    say(Proxy, &frame(WINDOW_UPDATE, RST, 7, 9, b""));
    say(Peer, &[frame(PING, SYN, 0, 6, b""), frame(GO_AWAY, 0, 0, 0, b"")].concat());
    steps.push((Peer, websocket(Peer, 0x88, b"\x03\xe8done")));
    steps
}

const TOLD: [&str; 40] = [
    "→     - tcp       event=opened from=a:1 to=b:2",
    r#"→     - upgrade   path="/mux?(hidden)" host=h:1 subprotocol="bss.1, (hidden)" authorization="(hidden)""#,
    "←     - upgrade   status=101 subprotocol=bss.1",
    "→     1 data      flags=SYN length=54",
    r#"→     1 open      {"path":"/session","library":"x/1","token":"(hidden)"}"#,
    "←     1 window    flags=ACK credit=0",
    "←     1 data      length=29",
    r#"←     1 reply     {"session":"7","limits":{}}"#,
    "→     1 data      length=35",
    r#"→     1 note      {"note":"token","value":"(hidden)"}"#,
    "→     3 data      flags=SYN length=109",
    r#"→     3 open      {"path":"/browser-server/connect/N","resume":{"v":1,"id":"0","secret":"(hidden)","early":5,"grace":120}}"#,
    "←     3 data      flags=ACK length=44",
    r#"←     3 reply     {"id":"c","resume":{"v":1,"grace":120}}"#,
    "←     3 record    type=ACK received=5 room=0",
    "→     3 data      length=10",
    "→     3 record    type=DATA offset=5 length=5",
    "→     3 record    type=FIN total=10",
    "←     3 data      flags=FIN length=1",
    "←     3 record    type=DONE",
    "→     5 data      flags=SYN length=31",
    r#"→     5 open      {"path":"/channel/publish/C"}"#,
    "←     5 data      flags=ACK length=37",
    r#"←     5 reply     {"id":"p","channel":{"number":0}}"#,
    "←     5 channel   type=READERS count=2",
    "→     5 data      length=13",
    "→     5 channel   type=PART length=3",
    "→     5 channel   type=LAST length=0",
    "→     5 channel   type=END code=lost text=bye",
    "→     7 data      flags=SYN length=70",
    r#"→     7 open      {"path":"/room/join/R","room":{"seat":{"id":"7","secret":"(hidden)"}}}"#,
    "←     7 data      flags=ACK length=49",
    r#"←     7 reply     {"id":"m","room":{"secret":"(hidden)"}}"#,
    "←     7 room      type=EVENT from=1 name=chat length=1",
    "→     7 data      length=12",
    "→     7 room      type=EMIT flags=to to=[1,2] name=chat length=1",
    "←     7 reset     flags=RST code=busy number=9",
    "→     0 ping      flags=SYN token=6",
    "→     0 goaway    code=normal number=0",
    "→     - websocket type=close code=1000 reason=done",
];

#[test]
fn a_session_is_told_frame_by_frame_wherever_its_bytes_are_cut() {
    for size in [1, 2, 5, 13, 4096] {
        let mut watched = Watched::new(PLAIN);
        for (side, bytes) in session() {
            bytes.chunks(size).for_each(|piece| watched.says(side, piece));
        }
        assert_eq!(watched.told(), TOLD, "in pieces of {size}");
    }
}

#[test]
fn threat_17_no_token_and_no_secret_is_told_however_much_is_shown_unless_it_is_asked_for() {
    for (shown, is_told) in [(PLAIN, false), (Shown { data: true, secrets: false }, false), (Shown { data: false, secrets: true }, true)] {
        let mut watched = Watched::new(shown);
        for (side, bytes) in session() {
            watched.says(side, &bytes);
        }
        let hex = data_encoding::HEXLOWER.encode(SECRET.as_bytes());
        for text in watched.lines.iter().flat_map(|line| [line.plain(), line.json()]) {
            assert!(is_told || !(text.contains(SECRET) || text.contains(&hex)), "{text}");
        }
        let times = watched.lines.iter().filter(|line| line.plain().contains(SECRET)).count();
        assert_eq!(times, if is_told { 6 } else { 0 });
    }
}

#[test]
fn the_first_bytes_of_what_is_carried_are_shown_where_that_is_asked_for() {
    let mut watched = Watched::new(Shown { data: true, secrets: false });
    for (side, bytes) in session() {
        watched.says(side, &bytes);
    }
    let told = watched.told();
    for line in [
        "→     3 bytes     length=5 hex=6561726c79",
        "→     3 record    type=DATA offset=5 length=5 hex=68656c6c6f",
        "→     5 channel   type=PART length=3 hex=616263",
        "←     7 room      type=EVENT from=1 name=chat length=1 hex=90",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
    watched.sends(Peer, &data(SYN, 9, &framed(r#"{"path":"/mine"}"#)));
    watched.told();
    watched.sends(Peer, &data(0, 9, &[0xab; 100]));
    let raw = format!("→     9 bytes     length=100 hex={}", "ab".repeat(64));
    assert_eq!(watched.told(), ["→     9 data      length=100".to_owned(), raw]);
}

#[test]
fn what_breaks_the_protocol_is_said_and_decoding_goes_on_where_it_can() {
    let mut watched = Watched::upgraded(PLAIN);
    watched.sends(Peer, &[frame(DATA, 0, 0, 3, b"abc"), data(SYN, 2, b""), data(SYN, 1, b""), data(SYN, 1, b"")].concat());
    let zero = "violation: stream_zero stream frame on stream 0";
    let parity = "violation: parity stream id of the wrong parity";
    let reuse = "violation: reuse stream id already in use";
    let expected = [
        format!("→     - {zero}"),
        "→     2 data      flags=SYN length=0".into(),
        format!("→     2 {parity}"),
        "→     1 data      flags=SYN length=0".into(),
        "→     1 data      flags=SYN length=0".into(),
        format!("→     1 {reuse}"),
    ];
    assert_eq!(watched.told(), expected);
    watched.sends(Peer, &data(0, 1, &framed("no JSON")));
    assert_eq!(watched.told()[1], "→     1 violation: bad_request open of 7 bytes that is no JSON");
    watched.sends(Peer, &[data(FIN, 1, b""), data(0, 1, b"more")].concat());
    assert_eq!(watched.told()[2], "→     1 violation: after_fin data behind its own finish");
    watched.sends(Proxy, &[frame(WINDOW_UPDATE, RST, 1, 0, b""), data(0, 1, b"late")].concat());
    assert_eq!(watched.told(), ["←     1 reset     flags=RST code=cancelled number=0", "←     1 data      length=4 late=true"]);
    watched.says(Peer, &websocket(Peer, 0x81, b"text"));
    watched.says(Peer, &websocket(Proxy, 0x89, b""));
    assert_eq!(
        watched.told(),
        [
            "→     - violation: 1003 a text message",
            "→     - violation: 1002 the peer does not mask its frames",
            "→     - websocket type=ping length=0",
        ]
    );
    watched.sends(Peer, &[1; 12]);
    assert_eq!(
        watched.told(),
        [
            "→     - violation: version unknown yamux version",
            "→     - limit     text=\"nothing that follows in this direction can be told apart\"",
        ]
    );
    watched.sends(Peer, &frame(PING, SYN, 0, 1, b""));
    watched.sends(Proxy, &frame(PING, SYN, 0, 1, b""));
    assert_eq!(watched.told(), ["←     0 ping      flags=SYN token=1"]);
}

#[test]
fn where_there_is_no_room_that_is_said_and_frames_are_told_all_the_same() {
    let mut watched = Watched::upgraded(PLAIN);
    let all = watched.budget.take(watched.budget.left()).expect("all of it");
    watched.sends(Peer, &data(SYN, 1, &framed(r#"{"path":"/mine"}"#)));
    let limit = "→     1 limit     text=\"no room for what is known of another stream: it is not decoded\"";
    assert_eq!(watched.told(), [limit, "→     1 data      flags=SYN length=18"]);
    drop(all);
    watched.sends(Proxy, &data(ACK, 1, b"reply"));
    assert_eq!(watched.told(), ["←     1 data      flags=ACK length=5"]);
    watched.sends(Peer, &data(SYN, 3, b""));
    let all = watched.budget.take(watched.budget.left()).expect("all of it");
    watched.sends(Peer, &data(0, 3, &framed(r#"{"path":"/mine"}"#)));
    let limit = "→     3 limit     text=\"no room for the 16 bytes of its open: it is not decoded\"";
    assert_eq!(watched.told()[1..], ["→     3 data      length=18", limit]);
    drop(all);
}

#[test]
fn a_message_in_fragments_is_one_and_a_ping_may_stand_between_them() {
    let mut watched = Watched::upgraded(PLAIN);
    let frames = data(SYN, 1, &framed(r#"{"path":"/session"}"#));
    let (one, two) = frames.split_at(9);
    watched.says(Peer, &websocket(Peer, 0x02, one));
    watched.says(Peer, &websocket(Peer, 0x89, b"x"));
    watched.says(Peer, &websocket(Peer, 0x80, two));
    assert_eq!(
        watched.told(),
        ["→     - websocket type=ping length=1", "→     1 data      flags=SYN length=21", r#"→     1 open      {"path":"/session"}"#]
    );
    watched.says(Peer, &websocket(Peer, 0x80, b""));
    assert_eq!(watched.told(), ["→     - violation: 1002 a fragment of no message"]);
}

#[test]
fn bytes_that_are_missing_within_what_is_carried_cost_nothing_else() {
    let mut watched = Watched::upgraded(PLAIN);
    watched.sends(Peer, &data(SYN, 1, &framed(r#"{"path":"/mine"}"#)));
    let bytes = message(Peer, &[data(0, 1, &[7; 1000]), data(0, 1, b"")].concat());
    watched.says(Peer, &bytes[..300]);
    watched.misses(Peer, 500);
    watched.says(Peer, &bytes[800..]);
    assert_eq!(
        watched.told()[2..],
        ["→     1 data      length=1000", "→     - tcp       event=missing bytes=500", "→     1 data      length=0"]
    );
    watched.misses(Peer, 1);
    watched.sends(Peer, &data(0, 1, b""));
    let lost = "→     - tcp       event=missing bytes=1 text=\"what follows in this direction is not decoded\"";
    assert_eq!(watched.told(), [lost]);
}

#[test]
fn a_refusal_and_what_is_no_websocket_are_told() {
    let mut watched = Watched::new(PLAIN);
    watched.says(Peer, REQUEST);
    watched.says(Proxy, b"HTTP/1.1 503 Service Unavailable\r\n\r\ndraining: come back\x1b[2J\n");
    assert_eq!(watched.told()[2], r#"←     - upgrade   status=503 text="draining: come back\u001b[2J""#);
    let mut watched = Watched::new(PLAIN);
    watched.says(Peer, b"\x16\x03\x01");
    assert_eq!(watched.told()[1], "→     - tcp       event=\"not decoded\" text=\"it does not begin with an upgrade to a WebSocket\"");
}

#[test]
fn sealed_records_are_told_by_their_lengths_alone() {
    let mut watched = Watched::upgraded(PLAIN);
    watched.sends(Peer, &data(SYN, 1, &framed(r#"{"path":"/b/connect/N","need":["seal"],"seal":{"v":1,"message":"AA"}}"#)));
    watched.sends(Proxy, &data(ACK, 1, &framed(r#"{"seal":{"v":1,"message":"AA"}}"#)));
    watched.told();
    let record = |length: usize| [&(length as u16).to_be_bytes()[..], &vec![0x55; length]].concat();
    watched.sends(Peer, &data(0, 1, &[record(20), record(16)].concat()));
    watched.sends(Peer, &data(0, 1, &record(15)));
    assert_eq!(
        watched.told(),
        [
            "→     1 data      length=40",
            "→     1 sealed    length=20",
            "→     1 sealed    length=16 end=true",
            "→     1 data      length=17",
            "→     1 violation: tampered a sealed record of 15 bytes",
        ]
    );
}
