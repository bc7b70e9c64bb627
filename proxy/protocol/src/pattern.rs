//! Which names a right is for: a text in which `*` stands for any run of characters.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;

use crate::Name;

/// A pattern of names, such as `ann-*`: `*` stands for any run of characters, none included, and everything else for itself.
///
/// It is compared with a name in NFC, as names are.
///
/// ```
/// use browser_stream_protocol::Pattern;
///
/// let pattern: Pattern = "team-*".parse()?;
/// assert!(pattern.matches("team-") && pattern.matches("team-1"));
/// assert!(!pattern.matches("my-team-1"));
/// # Ok::<(), browser_stream_protocol::BadPattern>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Arc<str>,
    /// The stars in it stand for themselves.
    is_exact: bool,
}

/// The most bytes that a pattern has.
///
/// See [`Pattern`].
pub const PATTERN_BYTES_MAX: usize = 128;

/// A text that is no pattern.
///
/// See [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pattern has 1 to {PATTERN_BYTES_MAX} bytes, such as `*`, `ann-*` or a whole name")]
pub struct BadPattern;

impl Pattern {
    /// The pattern as it is compared.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is for this name.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_exact {
            return *self.text == *name;
        }
        let (mut pattern, mut rest) = (self.text.as_bytes(), name.as_bytes());
        // Behind the last star, and the shortest that is left for what stands there: when that does not fit, the star takes one byte more.
        let mut star: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (Some((b'*', behind)), _) => {
                    star = Some((behind, rest));
                    pattern = behind;
                }
                (Some((one, behind)), Some((other, left))) if one == other => (pattern, rest) = (behind, left),
                (None, None) => return true,
                _ => match star {
                    Some((behind, [_, left @ ..])) => {
                        star = Some((behind, left));
                        (pattern, rest) = (behind, left);
                    }
                    _ => return false,
                },
            }
        }
    }
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        // Longer than any that can become short enough by composing.
        if text.is_empty() || text.len() > 4 * PATTERN_BYTES_MAX {
            return Err(BadPattern);
        }
        let composed: String = text.nfc().collect();
        if composed.len() <= PATTERN_BYTES_MAX { Ok(Self { text: composed.into(), is_exact: false }) } else { Err(BadPattern) }
    }
}

/// A pattern for this name alone, also where there is a star in it; such a one can be in no token, for there a star is any run of characters.
impl From<&Name> for Pattern {
    fn from(name: &Name) -> Self {
        Self { text: name.as_str().into(), is_exact: name.as_str().contains('*') }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_exact {
            return Err(serde::ser::Error::custom("a pattern for a name with a star would be read as one for more names"));
        }
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(name)
    }

    #[test]
    fn a_star_is_any_run_of_characters_and_everything_else_is_itself() {
        for (pattern, name) in [
            ("*", "anything at all"),
            ("*", ""),
            ("ann", "ann"),
            ("ann-*", "ann-"),
            ("ann-*", "ann-desk"),
            ("*-desk", "ann-desk"),
            ("a*b*c", "aXbbYbc"),
            ("a*b*c", "abc"),
            ("**a**", "bab"),
            ("日*語", "日本語"),
            ("a?[b]", "a?[b]"),
            ("e\u{301}*", "é!"),
        ] {
            assert!(matches(pattern, name), "{pattern} is for {name}");
        }
        for (pattern, name) in [
            ("ann", "Ann"),
            ("ann", "anna"),
            ("ann", "jann"),
            ("ann-*", "ann"),
            ("*-desk", "ann-desk2"),
            ("a*b*c", "acb"),
            ("a?c", "abc"),
            (".*", "a"),
            ("日*語", "日本"),
            ("*b", ""),
        ] {
            assert!(!matches(pattern, name), "{pattern} is not for {name}");
        }
    }

    #[test]
    fn threat_17_a_pattern_of_a_name_is_for_that_name_alone_whatever_is_in_it() {
        for (name, others) in [("*", ["", "ann"]), ("ann-*", ["ann-", "ann-desk"]), ("ann", ["anna", "*"])] {
            let pattern = Pattern::from(&Name::try_from(name).unwrap());
            assert!(pattern.matches(name) && !others.iter().any(|other| pattern.matches(other)), "{name}");
        }
        let of = |name: &str| Pattern::from(&Name::try_from(name).unwrap());
        assert_eq!(of("ann"), "ann".parse().unwrap());
        assert_ne!(of("ann-*"), "ann-*".parse().unwrap());
        assert_eq!(serde_json::to_string(&of("ann")).unwrap(), r#""ann""#);
        assert!(serde_json::to_string(&of("ann-*")).is_err(), "it would be another one where it is read");
    }

    #[test]
    fn threat_17_a_pattern_of_many_stars_is_judged_at_once() {
        let pattern = "*a".repeat(63) + "b";
        let begun = std::time::Instant::now();
        assert!((0..1000).all(|_| !matches(&pattern, &"a".repeat(128))));
        assert!(begun.elapsed().as_secs() < 10, "it takes at most the product of both lengths");
    }

    #[test]
    fn a_pattern_has_1_to_128_bytes() {
        assert_eq!("".parse::<Pattern>(), Err(BadPattern));
        assert_eq!("a".repeat(129).parse::<Pattern>(), Err(BadPattern));
        assert!("a".repeat(128).parse::<Pattern>().is_ok());
        assert!("e\u{301}".repeat(64).parse::<Pattern>().is_ok(), "128 bytes, once composed");
    }
}
