//! The `resume` field of opens and replies.

use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::resume::{Identity, Secret, StreamId};

/// The version that we speak; an open of another is a plain stream to us.
const VERSION: u32 = 1;

/// What an open says: a new stream, or one more carrier. A secret stands in it: it is never printed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Field {
    v: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    join: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    early: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grace: Option<u64>,
}

/// What a reply says that takes a stream up: the server's grace in seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grace: Option<u64>,
}

/// A field as its receiver understands it.
pub(crate) enum Asked {
    Birth(Asking),
    Join,
    /// Of another version; perhaps of the stream with this id.
    Unknown(Option<StreamId>),
}

/// What a birth open says.
pub(crate) struct Asking {
    pub(crate) id: StreamId,
    /// A sealed stream's is not said.
    pub(crate) secret: Option<Secret>,
    pub(crate) early: u32,
    pub(crate) grace: Duration,
}

/// It is of our version, and not what it should be.
pub(crate) struct Malformed;

impl Field {
    /// Of the open that begins the stream.
    pub(crate) fn birth(identity: &Identity, early: u32, grace: Duration) -> Self {
        Self {
            v: VERSION,
            join: false,
            id: HEXLOWER.encode(&identity.id.0),
            // What a sealed stream resumes by, both ends have from the handshake.
            secret: identity.letters.as_ref().map_or_else(|| HEXLOWER.encode(&identity.secret.0), |_| String::new()),
            early: Some(early),
            grace: Some(grace.as_secs()),
        }
    }

    /// Of each later one.
    pub(crate) fn join() -> Self {
        Self { v: VERSION, join: true, id: String::new(), secret: String::new(), early: None, grace: None }
    }

    pub(crate) fn is_join(&self) -> bool {
        self.join
    }

    /// What an open asks for.
    pub(crate) fn read(raw: &RawValue) -> Result<Asked, Malformed> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
            #[serde(default)]
            id: serde_json::Value,
        }
        let Version { v, id } = serde_json::from_str(raw.get()).map_err(|_| Malformed)?;
        if v != VERSION {
            return Ok(Asked::Unknown(id.as_str().and_then(|id| bytes(id).ok()).map(StreamId)));
        }
        let field: Self = serde_json::from_str(raw.get()).map_err(|_| Malformed)?;
        if field.join {
            return Ok(Asked::Join);
        }
        let id = StreamId(bytes(&field.id)?);
        let secret = if field.secret.is_empty() { None } else { Some(Secret(bytes(&field.secret)?)) };
        let (early, grace) = (field.early.ok_or(Malformed)?, Duration::from_secs(field.grace.ok_or(Malformed)?));
        Ok(Asked::Birth(Asking { id, secret, early, grace }))
    }
}

impl Taken {
    /// In the reply to a birth.
    pub(crate) fn with(grace: Duration) -> Self {
        Self { v: VERSION, grace: Some(grace.as_secs()) }
    }

    /// In the reply to a join.
    pub(crate) fn join() -> Self {
        Self { v: VERSION, grace: None }
    }

    /// The server's grace, if it took up what we asked for.
    pub(crate) fn grace(self) -> Option<Duration> {
        self.grace.filter(|_| self.v == VERSION).map(Duration::from_secs)
    }
}

fn bytes<const N: usize>(hex: &str) -> Result<[u8; N], Malformed> {
    let decoded = HEXLOWER.decode(hex.as_bytes()).map_err(|_| Malformed)?;
    decoded.try_into().map_err(|_| Malformed)
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.join { "Field(join)" } else { "Field(birth …)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Asked, Malformed> {
        Field::read(&RawValue::from_string(json.into()).unwrap())
    }

    #[test]
    fn a_birth_says_who_it_is_and_a_join_nothing() {
        let identity = Identity { id: StreamId([0x40; 16]), secret: Secret([0xab; 32]), name: "NAME".into(), letters: None };
        let birth = Field::birth(&identity, 5, Duration::from_secs(120));
        let json = serde_json::to_string(&birth).unwrap();
        let expected = format!(r#"{{"v":1,"id":"{}","secret":"{}","early":5,"grace":120}}"#, "40".repeat(16), "ab".repeat(32));
        assert_eq!(json, expected);
        let Ok(Asked::Birth(back)) = read(&json) else { panic!("a birth") };
        assert_eq!((back.id, back.secret.as_ref(), back.early), (identity.id, Some(&identity.secret), 5));
        assert_eq!(back.grace.as_secs(), 120);
        // What a page says of direct connections is nothing to us.
        assert!(matches!(read(&json.replace(r#""v":1"#, r#""v":1,"direct":true"#)), Ok(Asked::Birth(_))));
        assert_eq!(serde_json::to_string(&Field::join()).unwrap(), r#"{"v":1,"join":true}"#);
        assert!(matches!(read(r#"{"v":1,"join":true,"later":1}"#), Ok(Asked::Join)));
        assert!(!format!("{birth:?}").contains("ab"));
    }

    #[test]
    fn another_version_is_not_ours_and_what_is_no_field_is_malformed() {
        assert!(matches!(read(r#"{"v":2,"id":7}"#), Ok(Asked::Unknown(None))));
        let (id, secret) = ("40".repeat(16), "ab".repeat(32));
        for wrong in [
            "null".to_owned(),
            "{}".into(),
            r#"{"v":1}"#.into(),
            format!(r#"{{"v":1,"id":"{id}","secret":"{secret}","early":5}}"#),
            format!(r#"{{"v":1,"id":"{id}","secret":"{id}","early":5,"grace":120}}"#),
            format!(r#"{{"v":1,"id":"{}","secret":"{secret}","early":5,"grace":120}}"#, "4G".repeat(16)),
            format!(r#"{{"v":1,"id":"{id}","secret":"{secret}","early":-5,"grace":120}}"#),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reply_takes_up_what_it_knows() {
        let grace = |json: &str| serde_json::from_str::<Taken>(json).unwrap().grace();
        assert_eq!(grace(&serde_json::to_string(&Taken::with(Duration::from_secs(60))).unwrap()), Some(Duration::from_secs(60)));
        assert_eq!((grace(r#"{"v":2,"grace":60}"#), grace(r#"{"v":1}"#)), (None, None));
    }
}
