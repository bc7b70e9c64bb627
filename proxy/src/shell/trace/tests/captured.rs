//! Captures written byte by byte, and what is told of them.

use harness::{
    Capture, Way,
    capture::{HEADERS, LINK, pcap},
    frame,
    wire::framed,
};

use super::told::{ANSWER, REQUEST, message};
use crate::shell::trace::{
    capture::{self, CaptureError},
    flows::Flows,
    line::{Line, Side},
    scribe::Shown,
};

fn told(bytes: &[u8], ports: &[u16]) -> (Vec<String>, Result<(), CaptureError>) {
    let mut lines = Vec::new();
    let mut out = |line: Line| lines.push(line.plain());
    let read = capture::read(bytes, &mut Flows::new(ports, Shown::default(), &mut out));
    (lines, read)
}

/// The same without their times.
fn lines(bytes: &[u8]) -> Vec<String> {
    let (lines, read) = told(bytes, &[]);
    read.expect("read to its end");
    lines.into_iter().map(|line| line[16..].to_owned()).collect()
}

fn data(flags: u16, payload: &[u8]) -> Vec<u8> {
    frame(0, flags, 1, payload.len() as u32, payload)
}

/// A session with an open, a reply and a note.
fn session() -> Capture {
    let mut recorded = Capture::new();
    recorded.says(Way::Up, REQUEST);
    recorded.says(Way::Down, ANSWER);
    recorded.says(Way::Up, &message(Side::Peer, &data(1, &framed(r#"{"path":"/session"}"#))));
    recorded.says(Way::Down, &message(Side::Proxy, &data(2, &framed(r#"{"session":"7"}"#))));
    recorded.says(Way::Down, &message(Side::Proxy, &data(0, &framed(r#"{"note":"drain"}"#))));
    recorded.finishes(Way::Up);
    recorded.finishes(Way::Down);
    recorded
}

const TOLD: [&str; 11] = [
    "→     - tcp       event=opened from=10.0.0.1:4000 to=10.0.0.2:8080",
    r#"→     - upgrade   path="/mux?(hidden)" host=h:1 subprotocol="bss.1, (hidden)" authorization="(hidden)""#,
    "←     - upgrade   status=101 subprotocol=bss.1",
    "→     1 data      flags=SYN length=21",
    r#"→     1 open      {"path":"/session"}"#,
    "←     1 data      flags=ACK length=17",
    r#"←     1 reply     {"session":"7"}"#,
    "←     1 data      length=18",
    r#"←     1 note      {"note":"drain"}"#,
    "→     - tcp       event=finished",
    "←     - tcp       event=finished",
];

#[test]
fn a_capture_is_told_whatever_its_format_its_byte_order_and_its_link() {
    let recorded = session();
    let packets = &recorded.packets;
    assert_eq!(lines(&recorded.pcap()), TOLD);
    assert_eq!(lines(&recorded.pcapng()), TOLD);
    assert_eq!(lines(&recorded.pcap_of_another_machine()), TOLD);
    let of = |link: u32, head: &[u8]| {
        let packets: Vec<Vec<u8>> = packets.iter().map(|packet| [head, &packet[LINK..]].concat()).collect();
        lines(&pcap(link, &packets))
    };
    assert_eq!(of(0, &[2, 0, 0, 0]), TOLD);
    assert_eq!(of(101, &[]), TOLD);
    assert_eq!(of(113, &[0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0]), TOLD);
    assert_eq!(of(276, &[8, 0, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]), TOLD);
    let six = |packet: &Vec<u8>| {
        let (tcp, ends) = (&packet[34..], if packet[29] == 1 { [1, 2] } else { [2, 1] });
        let address = |end: u8| [[0; 15].as_slice(), &[end]].concat();
        let length = (tcp.len() as u16).to_be_bytes();
        [&[0x60, 0, 0, 0], &length[..], &[6, 64], &address(ends[0]), &address(ends[1]), tcp].concat()
    };
    let six: Vec<Vec<u8>> = packets.iter().map(six).collect();
    let told = lines(&pcap(229, &six));
    assert_eq!(told[0], "→     - tcp       event=opened from=[::1]:4000 to=[::2]:8080");
    assert_eq!(told[1..], TOLD[1..]);
}

#[test]
fn times_count_from_the_first_packet() {
    for bytes in [session().pcap(), session().pcapng()] {
        let (lines, _) = told(&bytes, &[]);
        assert!(lines[1].starts_with("   0.002000   1 →"), "{}", lines[1]);
        assert!(lines[10].starts_with("   0.008000   1 ←"), "{}", lines[10]);
    }
}

#[test]
fn segments_out_of_order_and_sent_again_are_told_once() {
    let mut packets = session().packets;
    packets.swap(5, 6);
    let again = packets[4].clone();
    packets.insert(6, again);
    let twice = packets[2].clone();
    packets.insert(3, twice);
    let mut cut = packets[2].clone();
    // The same beginning, and less of it.
    cut.truncate(HEADERS + 30);
    cut[16..18].copy_from_slice(&70_u16.to_be_bytes());
    packets.insert(3, cut);
    assert_eq!(lines(&pcap(1, &packets)), TOLD);
}

#[test]
fn what_was_not_captured_is_said_when_the_other_side_has_it() {
    let mut recorded = session();
    recorded.packets.remove(6);
    let told = lines(&recorded.pcap());
    assert_eq!(told[..7], TOLD[..7]);
    let lost = "←     - tcp       event=missing bytes=32 text=\"what follows in this direction is not decoded\"";
    assert_eq!(told[7..], [TOLD[9], lost, TOLD[10]]);
    // Heads of packets alone: what was cut off lies within payload, and costs nothing else.
    let mut recorded = Capture::new();
    recorded.says(Way::Up, REQUEST);
    recorded.says(Way::Down, ANSWER);
    recorded.says(Way::Up, &message(Side::Peer, &data(1, &framed(r#"{"path":"/mine"}"#))));
    recorded.says(Way::Up, &message(Side::Peer, &data(0, &[7; 1000])));
    recorded.packets[5].truncate(200);
    recorded.says(Way::Up, &message(Side::Peer, &data(4, b"")));
    let told = lines(&recorded.pcap());
    assert_eq!(
        told[5..],
        ["→     1 data      length=1000", "→     - tcp       event=missing bytes=874", "→     1 data      flags=FIN length=0"]
    );
}

#[test]
fn a_capture_that_begins_in_mid_connection_says_so() {
    let mut recorded = Capture::midway();
    recorded.says(Way::Down, &message(Side::Proxy, &data(0, b"x")));
    recorded.says(Way::Up, &message(Side::Peer, &data(0, b"y")));
    let (told, read) = told(&recorded.pcap(), &[8080]);
    read.expect("read");
    let text = "event=\"begins in mid-connection\" text=\"its upgrade was not captured: it is not decoded\"";
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].ends_with("event=opened from=10.0.0.1:4000 to=10.0.0.2:8080") && told[1].ends_with(text), "{told:#?}");
    // The handshake alone is missing: what follows is all there.
    let mut packets = session().packets;
    packets.drain(..2);
    assert_eq!(lines(&pcap(1, &packets)), TOLD);
}

#[test]
fn other_ports_and_what_is_no_websocket_are_passed_over() {
    let (told_of, read) = told(&session().pcap(), &[9999]);
    assert!(told_of.is_empty() && read.is_ok(), "{told_of:#?}");
    let mut recorded = Capture::new();
    recorded.says(Way::Up, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    recorded.says(Way::Down, b"HTTP/1.1 200 OK\r\n\r\n");
    recorded.resets(Way::Up);
    assert!(lines(&recorded.pcap()).is_empty());
    let (told_of, _) = told(&recorded.pcap(), &[8080]);
    assert!(told_of[1].ends_with("text=\"it does not begin with an upgrade to a WebSocket\""), "{told_of:#?}");
}

#[test]
fn a_port_that_is_used_again_is_another_connection() {
    let mut packets = session().packets;
    packets.truncate(6);
    let again = session().packets;
    let mut syn = again[0].clone();
    syn[LINK + 20 + 7] = 98;
    packets.push(syn);
    packets.extend(again);
    let (told_of, _) = told(&pcap(1, &packets), &[]);
    let numbers: Vec<&str> =
        told_of.iter().filter(|line| line.contains("upgrade ") && line.contains('→')).map(|line| line[12..15].trim()).collect();
    assert_eq!(numbers.len(), 2, "{told_of:#?}");
    assert!(numbers[0] != numbers[1]);
}

#[test]
fn what_is_no_capture_ends_early_or_is_of_an_unknown_link_is_said() {
    assert!(matches!(told(b"", &[]).1, Err(CaptureError::Unknown)));
    assert!(matches!(told(b"neither of the two, but long enough", &[]).1, Err(CaptureError::Unknown)));
    let bytes = session().pcap();
    let (lines, read) = told(&bytes[..bytes.len() - 3], &[]);
    assert!(matches!(read, Err(CaptureError::CutOff)), "{read:?}");
    assert!(lines.len() >= 9, "{lines:#?}");
    let other = pcap(147, &session().packets);
    assert!(matches!(told(&other, &[]).1, Err(CaptureError::Link(147))));
}
