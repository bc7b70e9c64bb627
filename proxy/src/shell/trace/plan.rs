//! What the two directions of a stream will be, by its open and its reply.

use super::{
    redact::Json,
    tables::{DELIVERED, NEWS, PUBLISHED, RESUME, SAID, TOLD, Table},
};

/// What an open asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    verb: Verb,
    resume: Resume,
    seals: bool,
}

/// What a direction carries behind its open or reply.
#[derive(Clone, Copy, Debug)]
pub enum Next {
    /// Bytes of the application's, or of whatever else.
    Raw,
    /// So many of these, then what the reply decides.
    Early(u64),
    Notes,
    Records(&'static Table),
    /// Records that only the two ends can read.
    Sealed,
}

/// What the path says: its part before the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Notes,
    Publish,
    Subscribe,
    Join,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    No,
    /// So many bytes of the stream stand behind the open.
    Birth(u64),
    Join,
    Signal,
}

impl Plan {
    /// What this open asks for.
    pub fn of(open: &Json) -> Self {
        let resume = open.field("resume").map_or(Resume::No, |resume| {
            if resume.field("signal").is_some() {
                Resume::Signal
            } else if matches!(resume.field("join"), Some(Json::Bool(true))) {
                Resume::Join
            } else if resume.field("id").is_some() {
                Resume::Birth(resume.field("early").and_then(Json::number).unwrap_or_default())
            } else {
                Resume::No
            }
        });
        Self { verb: Verb::of(open.field("path").and_then(Json::text).unwrap_or_default()), resume, seals: open.field("seal").is_some() }
    }

    /// What follows the open before anybody has answered it.
    pub fn opener(self) -> Next {
        match (self.resume, self.verb) {
            (Resume::Birth(early), _) => Next::Early(early),
            (Resume::Join, _) => Next::Records(&RESUME),
            (Resume::Signal, _) | (_, Verb::Notes) => Next::Notes,
            _ if self.seals => Next::Early(0),
            (_, Verb::Publish) => Next::Records(&PUBLISHED),
            (_, Verb::Join) => Next::Records(&SAID),
            _ => Next::Raw,
        }
    }

    /// What both directions are by this reply, the opener's first. Nothing follows a refusal that means anything.
    pub fn answered(self, reply: &Json) -> Option<(Next, Next)> {
        if reply.field("error").is_some() {
            return None;
        }
        let has = |name| matches!(reply.field(name), Some(Json::Object(_)));
        Some(match (self.resume, self.verb) {
            (Resume::Birth(_) | Resume::Join, _) if has("resume") => (Next::Records(&RESUME), Next::Records(&RESUME)),
            (Resume::Signal, _) | (Resume::No, Verb::Notes) => (Next::Notes, Next::Notes),
            _ if self.seals && has("seal") => (Next::Sealed, Next::Sealed),
            (Resume::No, Verb::Publish) if has("channel") => (Next::Records(&PUBLISHED), Next::Records(&NEWS)),
            (Resume::No, Verb::Subscribe) if has("channel") => (Next::Raw, Next::Records(&DELIVERED)),
            (Resume::No, Verb::Join) if has("room") => (Next::Records(&SAID), Next::Records(&TOLD)),
            _ => (Next::Raw, Next::Raw),
        })
    }
}

impl Verb {
    fn of(path: &str) -> Self {
        let mut parts = path.rsplit('/');
        let (last, verb) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match (verb, last) {
            ("listen" | "watch", _) | (_, "session" | "names" | "list") => Self::Notes,
            ("publish", _) => Self::Publish,
            ("subscribe", _) => Self::Subscribe,
            ("join", _) => Self::Join,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(open: &str, reply: &str) -> String {
        let read = |json: &str| Json::read(json.as_bytes()).expect("JSON");
        let plan = Plan::of(&read(open));
        let name = |next| match next {
            Next::Raw => "raw".to_owned(),
            Next::Early(bytes) => format!("early {bytes}"),
            Next::Notes => "notes".into(),
            Next::Records(table) => format!("{:?} of {}", table.kind, table.layouts.len()),
            Next::Sealed => "sealed".into(),
        };
        let answered = plan.answered(&read(reply)).map(|(opener, acceptor)| format!("{}, {}", name(opener), name(acceptor)));
        format!("{}; {}", name(plan.opener()), answered.unwrap_or_else(|| "over".into()))
    }

    #[test]
    fn an_open_and_its_reply_decide_what_follows() {
        for (open, reply, both) in [
            (r#"{"path":"/session"}"#, "{}", "notes; notes, notes"),
            (r#"{"path":"/b/listen/N"}"#, r#"{"id":""}"#, "notes; notes, notes"),
            (r#"{"path":"/b/connect/N"}"#, r#"{"id":""}"#, "raw; raw, raw"),
            (r#"{"path":"/b/connect/N"}"#, r#"{"error":{}}"#, "raw; over"),
            (
                r#"{"path":"/b/accept/N","resume":{"v":1,"id":"","early":7}}"#,
                r#"{"resume":{"v":1}}"#,
                "early 7; Record of 11, Record of 11",
            ),
            (r#"{"path":"/b/accept/N","resume":{"v":1,"id":"","early":7}}"#, "{}", "early 7; raw, raw"),
            (r#"{"path":"/direct","resume":{"v":1,"join":true}}"#, r#"{"resume":{"v":1}}"#, "Record of 11; Record of 11, Record of 11"),
            (r#"{"path":"/b/connect/N","resume":{"v":1,"signal":""}}"#, r#"{"resume":{}}"#, "notes; notes, notes"),
            (r#"{"path":"/b/connect/N","seal":{"v":1}}"#, r#"{"seal":{"v":1,"message":""}}"#, "early 0; sealed, sealed"),
            (r#"{"path":"/channel/publish/N"}"#, r#"{"channel":{}}"#, "Channel of 4; Channel of 4, Channel of 5"),
            (r#"{"path":"/channel/subscribe/N"}"#, r#"{"channel":{}}"#, "raw; raw, Channel of 7"),
            (r#"{"path":"/room/join/N"}"#, r#"{"room":{}}"#, "Room of 5; Room of 5, Room of 14"),
            (r#"{"path":"/mine/join/N"}"#, "{}", "Room of 5; raw, raw"),
        ] {
            assert_eq!(decided(open, reply), both, "{open}");
        }
    }
}
