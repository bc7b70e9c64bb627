//! The open and the reply that the proxy writes for every client, field by field: a serializer costs several times as much, and there is one of each for every stream.

use std::{cell::Cell as Slot, mem, ops::Deref};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Instance, open::encode};

/// A frame that holds a JSON object of one field at least. Fields stand in the order in which they are added; no name may need escaping, or come twice.
pub(crate) struct Fields(Vec<u8>);

/// A frame that is copied to where it leaves from: the next one of this thread has its memory.
pub(crate) struct Frame(Vec<u8>);

thread_local! {
    /// Memory of the last frame.
    static SPARE: Slot<Vec<u8>> = const { Slot::new(Vec::new()) };
}

impl Fields {
    pub fn new() -> Self {
        let mut bytes = SPARE.take();
        bytes.reserve(USUAL_BYTES);
        bytes.extend_from_slice(&[0; 2]);
        Self(bytes)
    }

    #[inline]
    pub fn id(mut self, name: &str, id: Uuid) -> Self {
        self.name(name);
        self.quoted(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        self
    }

    /// 32 lower-case hexadecimal digits.
    #[inline]
    pub fn instance(mut self, name: &str, instance: Instance) -> Self {
        self.name(name);
        self.quoted(Uuid::from_bytes(*instance.bytes()).simple().encode_lower(&mut Uuid::encode_buffer()));
        self
    }

    /// JSON as it is, where there is any.
    #[inline]
    pub fn raw(mut self, name: &str, json: Option<&RawValue>) -> Self {
        if let Some(json) = json {
            self.name(name);
            self.0.extend_from_slice(json.get().as_bytes());
        }
        self
    }

    /// A text, escaped where that is needed.
    #[cfg(feature = "cluster")]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        self.0.extend_from_slice(&encode(&text));
        self
    }

    /// What is said only where it is so.
    #[cfg(feature = "cluster")]
    pub fn flag(mut self, name: &str, is_so: bool) -> Self {
        if is_so {
            self.name(name);
            self.0.extend_from_slice(b"true");
        }
        self
    }

    /// A whole number.
    #[cfg(feature = "cluster")]
    pub fn number(mut self, name: &str, number: u128) -> Self {
        self.name(name);
        self.0.extend_from_slice(number.to_string().as_bytes());
        self
    }

    /// Texts, where there are any.
    pub fn texts(mut self, name: &str, texts: &[String]) -> Self {
        if !texts.is_empty() {
            self.name(name);
            self.0.extend_from_slice(&encode(&texts));
        }
        self
    }

    /// Whose session it is, and who that is where it is known: an object in the object.
    #[inline]
    pub fn peer(mut self, session: Uuid, sub: Option<&str>) -> Self {
        self.name("peer");
        self.0.extend_from_slice(b"{\"session\":");
        self.quoted(session.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        if let Some(sub) = sub {
            self.name("sub");
            self.0.extend_from_slice(&encode(&sub));
        }
        self.0.push(b'}');
        self
    }

    /// The whole frame, with the length in front.
    pub fn frame(mut self) -> Frame {
        self.0.push(b'}');
        // What came in is bounded far below what a length can say, and little is added.
        let [high, low] = u16::try_from(self.0.len() - 2).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(start) = self.0.first_chunk_mut() {
            *start = [high, low, b'{'];
        }
        Frame(self.0)
    }

    /// With a comma in front; that of the first becomes the brace.
    #[inline]
    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// A text that needs no escaping.
    #[inline]
    fn quoted(&mut self, text: &str) {
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT_BYTES {
            self.0.clear();
            SPARE.set(mem::take(&mut self.0));
        }
    }
}

/// Room for the usual, so that none is moved while it grows.
const USUAL_BYTES: usize = 256;

/// A thread keeps no more than this for its next frame.
const KEPT_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::session::{Open, Peer, Reply, open::frame};

    #[test]
    fn what_is_written_by_hand_is_what_the_serializer_writes() {
        let id = Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0);
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (path, need) in [("/a/%20", vec![]), ("/\"\\\n\u{1}/é", vec!["seal".to_owned(), "\"".to_owned()])] {
            for (meta, sub) in [(None, None), (Some(raw(r#"{"a" : [1.0]}"#)), Some("a \"b\""))] {
                let hand = Fields::new()
                    .raw("path", Some(&to_raw_value(path).unwrap()))
                    .id("id", id)
                    .raw("meta", meta.as_deref())
                    .texts("need", &need)
                    .raw("resume", meta.as_deref())
                    .peer(id, sub)
                    .frame();
                let open = Open {
                    id: Some(id.to_string()),
                    need: need.clone(),
                    resume: meta.clone(),
                    peer: Some(Peer { session: id.to_string(), sub: sub.map(str::to_owned) }),
                    meta,
                    ..Open::to(path)
                };
                assert_eq!(hand[..], frame(&open));
            }
        }
        let instance = Instance::random();
        let hand = Fields::new().id("id", id).instance("instance", instance).frame();
        assert_eq!(hand[..], frame(&Reply { instance: Some(instance), ..Reply::accept(id.to_string()) }));
    }
}
