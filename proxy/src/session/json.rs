//! Checks a peer's JSON before anything is built from it: one object, not too deep, no key twice.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Checks that `text` is one JSON object with at most `depth_max` levels of objects and arrays and no key twice in any of them.
///
/// Two keys alike are refused because two parsers may disagree on which one counts, and a peer's `meta` goes on to other parsers.
pub fn check_object(text: &str, depth_max: usize) -> Result<(), serde_json::Error> {
    if !text.trim_start().starts_with('{') {
        return Err(de::Error::custom("an object was expected"));
    }
    check_value(text, depth_max)
}

/// The same for any one JSON value.
pub fn check_value(text: &str, depth_max: usize) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Strict { levels_left: depth_max }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Walks any value without building it.
#[derive(Clone, Copy)]
struct Strict {
    levels_left: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let levels_left = self.levels_left.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { levels_left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = Seen::default();
        while let Some(key) = entries.next_key::<Key<'de>>()? {
            if !seen.insert(key.0) {
                return Err(de::Error::custom("a key stands twice"));
            }
            entries.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// The keys of one object: compared one by one while they are few, as in every open, and hashed when they are many.
#[derive(Default)]
struct Seen<'a> {
    few: [Option<Cow<'a, str>>; FEW],
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    /// Whether the key is new.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        for place in &mut self.few {
            match place {
                Some(seen) if *seen == key => return false,
                Some(_) => {}
                None => {
                    *place = Some(key);
                    return true;
                }
            }
        }
        self.many.insert(key)
    }
}

const FEW: usize = 8;

/// A key, borrowed from the text unless it has escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{{\"meta\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))
    }

    #[test]
    fn sixteen_levels_pass_and_seventeen_do_not() {
        assert!(check_object(&nested(16), 16).is_ok());
        assert!(check_object(&nested(17), 16).is_err());
    }

    #[test]
    fn a_key_may_stand_once_at_every_level() {
        assert!(check_object(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#, 16).is_ok());
        for twice in [r#"{"a":1,"a":2}"#, r#"{"meta":{"x":1,"x":1}}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(check_object(twice, 16).is_err(), "{twice}");
        }
    }

    #[test]
    fn a_key_is_found_again_among_few_and_among_many() {
        let object = |last: &str| {
            let keys: String = (0..100).map(|n| format!("\"k{n}\":1,")).collect();
            format!("{{{keys}\"{last}\":1}}")
        };
        assert!(check_object(&object("new"), 16).is_ok());
        for twice in ["k0", "k7", "k8", "k99"] {
            assert!(check_object(&object(twice), 16).is_err(), "{twice}");
        }
    }

    #[test]
    fn only_one_whole_object_passes() {
        for wrong in ["", "[]", "1", "null", "{", "{} {}", "{}x", r#"{"a":01}"#, "{\"a\":\"\u{1}\"}"] {
            assert!(check_object(wrong, 16).is_err(), "{wrong:?}");
        }
        assert!(check_object(r#" {"__proto__":{"x":1e400}} "#, 16).is_err(), "a number no double holds");
        assert!(check_object(r#"{"__proto__":{"x":-1.5}}"#, 16).is_ok());
    }
}
