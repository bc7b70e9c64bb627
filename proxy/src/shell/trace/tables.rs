//! The records of resumable streams (RESUME.md, section 1), of channels (PROTOCOL.md, section 12) and of rooms (section 14).

use browser_stream_client::resume::DATA_MAX;
use browser_stream_protocol::{
    channel::{JOINED_MAX, PART_MAX, TEXT_MAX},
    room::{BODY_MAX, MEMBER_MAX, NAMED_MAX, PROFILE_MAX, TIMEOUT_MS_MAX},
};

use super::{
    layout::{Form, LARGE, Layout, SMALL, announced, field, layout},
    line::Kind,
};

/// The records of one direction, and what lines about them are.
#[derive(Debug)]
pub struct Table {
    pub kind: Kind,
    pub layouts: &'static [Layout],
}

const ANY: Form = Form::Integer(0, LARGE);
const NUMBER: Form = Form::Integer(0, SMALL);
const FLAG: Form = Form::Integer(0, 1);
const WORDS: Form = Form::Text(TEXT_MAX as u64);
const BODY: Form = Form::Payload(0, BODY_MAX as u64);
const MEMBER: Form = Form::Json(MEMBER_MAX as u64);
const PROFILE: Form = Form::Json(PROFILE_MAX as u64);
/// Who can be asked at once: more than any room has.
const ASKED_MAX: u64 = 65_536;
/// Names of rooms, JSON.
const ROOMS_MAX: u64 = 65_536;
/// Where to a member was moved, JSON.
const MOVED_MAX: u64 = 1024;

/// Both ends of a resumable stream.
pub const RESUME: Table = Table {
    kind: Kind::Record,
    layouts: &[
        layout(1, "DATA", &[field("offset", ANY), field("length", Form::Payload(1, DATA_MAX as u64))]),
        layout(2, "FIN", &[field("total", ANY)]),
        layout(3, "ACK", &[field("received", ANY), field("room", ANY)]),
        layout(4, "RESET", &[field("code", Form::Text(64)), field("message", Form::Text(1024))]),
        layout(5, "DONE", &[]),
        layout(6, "GONE", &[]),
        layout(7, "PING", &[field("token", ANY)]),
        layout(8, "PONG", &[field("token", ANY)]),
        layout(9, "JOIN", &[field("id", Form::Fixed(16)), field("nonce", Form::Fixed(16))]),
        layout(10, "PROVE", &[field("nonce", Form::Fixed(16)), field("mac", Form::Proof(32))]),
        layout(11, "PROOF", &[field("mac", Form::Proof(32))]),
    ],
};

/// From a publisher.
pub const PUBLISHED: Table = Table {
    kind: Kind::Channel,
    layouts: &[
        layout(1, "PART", &[field("length", Form::Payload(1, PART_MAX as u64))]),
        layout(2, "LAST", &[field("length", Form::Payload(0, PART_MAX as u64))]),
        layout(3, "CUT", &[]),
        layout(4, "END", &[field("code", Form::Code), field("text", WORDS)]),
    ],
};

/// To a subscriber.
pub const DELIVERED: Table = Table {
    kind: Kind::Channel,
    layouts: &[
        layout(1, "PART", &[field("publisher", NUMBER), field("length", Form::Payload(1, PART_MAX as u64))]),
        layout(2, "LAST", &[field("publisher", NUMBER), field("length", Form::Payload(0, PART_MAX as u64))]),
        layout(3, "CUT", &[field("publisher", NUMBER)]),
        layout(4, "JOINED", &[field("publisher", NUMBER), field("first", ANY), field("json", Form::Json(JOINED_MAX as u64))]),
        layout(5, "SKIPPED", &[field("publisher", NUMBER), field("messages", ANY)]),
        layout(6, "LEFT", &[field("publisher", NUMBER), field("code", Form::Code), field("text", WORDS)]),
        layout(7, "END", &[field("code", Form::Code), field("text", WORDS)]),
    ],
};

/// To a publisher.
pub const NEWS: Table = Table {
    kind: Kind::Channel,
    layouts: &[
        layout(1, "READERS", &[field("count", ANY)]),
        layout(2, "CAME", &[field("reader", NUMBER), field("id", Form::Fixed(16))]),
        layout(3, "LEFT", &[field("reader", NUMBER), field("code", Form::Code), field("taken", ANY)]),
        layout(4, "PROGRESS", &[field("slowest", ANY), field("delivered", ANY)]),
        layout(5, "END", &[field("code", Form::Code), field("text", WORDS)]),
    ],
};

/// From a member of a room.
pub const SAID: Table = Table {
    kind: Kind::Room,
    layouts: &[
        layout(
            1,
            "EMIT",
            &[
                field("flags", Form::Bits(&["volatile", "asks", "to", "except", "everywhere"])),
                announced(2, "ref", ANY),
                announced(2, "timeout", Form::Integer(1, TIMEOUT_MS_MAX)),
                announced(4, "to", Form::Numbers(1, NAMED_MAX as u64)),
                announced(8, "except", Form::Numbers(1, NAMED_MAX as u64)),
                field("name", Form::Event),
                field("length", BODY),
            ],
        ),
        layout(2, "ANSWER", &[field("ask", ANY), field("code", Form::Code), field("text", Form::Answer)]),
        layout(3, "PROFILE", &[field("json", PROFILE)]),
        layout(4, "GOT", &[field("count", ANY)]),
        layout(5, "LEAVE", &[field("scope", FLAG), field("text", WORDS)]),
    ],
};

/// To a member of a room.
pub const TOLD: Table = Table {
    kind: Kind::Room,
    layouts: &[
        layout(
            1,
            "EVENT",
            &[
                field("from", NUMBER),
                field("flags", Form::Bits(&["volatile", "asks"])),
                announced(2, "ask", ANY),
                field("name", Form::Event),
                field("length", BODY),
            ],
        ),
        layout(2, "ANSWER", &[field("ref", ANY), field("from", NUMBER), field("code", Form::Code), field("text", Form::Answer)]),
        layout(3, "ASKED", &[field("ref", ANY), field("numbers", Form::Numbers(0, ASKED_MAX))]),
        layout(4, "MEMBER", &[field("number", NUMBER), field("live", FLAG), field("json", MEMBER)]),
        layout(5, "JOINED", &[field("number", NUMBER), field("json", MEMBER)]),
        layout(6, "PROFILE", &[field("number", NUMBER), field("json", PROFILE)]),
        layout(7, "LIVE", &[field("number", NUMBER), field("live", FLAG)]),
        layout(
            8,
            "LEAVING",
            &[field("number", NUMBER), field("code", Form::Code), field("text", WORDS), field("rooms", Form::Json(ROOMS_MAX))],
        ),
        layout(9, "LEFT", &[field("number", NUMBER), field("code", Form::Code), field("text", WORDS)]),
        layout(10, "LOST", &[field("count", ANY)]),
        layout(11, "GOT", &[field("count", ANY)]),
        layout(12, "REFUSED", &[field("code", Form::Code), field("text", WORDS)]),
        layout(13, "MOVED", &[field("json", Form::Json(MOVED_MAX))]),
        layout(14, "END", &[field("code", Form::Code), field("text", WORDS)]),
    ],
};
