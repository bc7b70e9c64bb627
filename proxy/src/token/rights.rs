//! What somebody may do: verbs, and for each the names that it is for.

use std::{fmt, str::FromStr, sync::Arc};

use super::Pattern;

/// What a right lets one do.
///
/// See [`Rights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Serve under a name: claim it, stand by for it, take it back.
    Listen,
    /// Connect to a name, watch it, and see it in a list of names.
    Connect,
    /// Publish in a channel.
    Publish,
    /// Subscribe to a channel.
    Subscribe,
    /// Join a room, and see it in the directory.
    Join,
    /// What is not about one name: `names` to list all of them, `everywhere` to send to all rooms; `metrics`, `read` and `act` for whoever runs the proxy, to read its
    /// metrics, to read what there is, and to change it.
    Admin,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 6] = [Self::Listen, Self::Connect, Self::Publish, Self::Subscribe, Self::Join, Self::Admin];

    /// Its name, as in a token's claims.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Connect => "connect",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
            Self::Join => "join",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody may do. Cheap to clone; nobody may do anything that no pattern is for.
///
/// ```
/// use browser_stream_server::token::{Pattern, Rights, Verb};
///
/// let team: Pattern = "team-*".parse().unwrap();
/// let rights = Rights::none().with(Verb::Connect, [&team]);
/// assert!(rights.allow(Verb::Connect, "team-1"));
/// assert!(!rights.allow(Verb::Listen, "team-1"));
/// let too_many = rights.with(Verb::Connect, &vec![team; 100]);
/// assert!(too_many.bounded().is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rights(Arc<[Vec<Pattern>; Verb::ALL.len()]>);

/// More patterns for one verb than may be.
///
/// See [`Rights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: at most {PATTERNS_MAX} patterns")]
pub struct TooMany(Verb);

/// Patterns that one verb has at most: each open looks at them one after the other.
const PATTERNS_MAX: usize = 64;

impl Rights {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything, as without tokens.
    pub fn all() -> Self {
        let any = "*".parse::<Pattern>().into_iter().collect::<Vec<_>>();
        Self(Arc::new(std::array::from_fn(|_| any.clone())))
    }

    /// These, and this one for all names that one of the patterns is for.
    #[must_use]
    pub fn with<'a>(mut self, verb: Verb, patterns: impl IntoIterator<Item = &'a Pattern>) -> Self {
        Arc::make_mut(&mut self.0)[verb as usize].extend(patterns.into_iter().cloned());
        self
    }

    /// The patterns of one verb.
    pub fn of(&self, verb: Verb) -> &[Pattern] {
        &self.0[verb as usize]
    }

    /// Whether it may be done with this name.
    pub fn allow(&self, verb: Verb, name: &str) -> bool {
        self.of(verb).iter().any(|pattern| pattern.matches(name))
    }

    /// Itself, where no verb has more than 64 patterns.
    ///
    /// # Errors
    /// Names the verb that has more.
    pub fn bounded(self) -> Result<Self, TooMany> {
        match Verb::ALL.into_iter().find(|verb| self.of(*verb).len() > PATTERNS_MAX) {
            Some(verb) => Err(TooMany(verb)),
            None => Ok(self),
        }
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = Verb::ALL.into_iter().filter(|verb| !self.of(*verb).is_empty());
        f.debug_map().entries(said.map(|verb| (verb.as_str(), self.of(verb)))).finish()
    }
}

/// One verb and the names that it is for, as it is typed: `connect=public-*`.
///
/// ```
/// use browser_stream_server::token::{BadRight, Right, Rights, Verb};
///
/// let right: Right = "connect=public-*".parse()?;
/// assert_eq!((right.verb, right.pattern.as_str()), (Verb::Connect, "public-*"));
/// assert_eq!("connect".parse::<Right>(), Err(BadRight));
/// assert!(Rights::from_iter([right]).allow(Verb::Connect, "public-1"));
/// # Ok::<(), BadRight>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// What may be done.
    pub verb: Verb,
    /// With which names.
    pub pattern: Pattern,
}

/// A text that is no right.
///
/// See [`Right`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as connect=public-*: one of listen, connect, publish, subscribe, join, admin, and a pattern of 1 to 128 bytes")]
pub struct BadRight;

impl FromStr for Right {
    type Err = BadRight;

    fn from_str(text: &str) -> Result<Self, BadRight> {
        let (verb, pattern) = text.split_once('=').ok_or(BadRight)?;
        let verb = Verb::ALL.into_iter().find(|known| known.as_str() == verb).ok_or(BadRight)?;
        Ok(Self { verb, pattern: pattern.parse().map_err(|_| BadRight)? })
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.verb, self.pattern)
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<T: IntoIterator<Item = Right>>(rights: T) -> Self {
        rights.into_iter().fold(Self::none(), |all, Right { verb, pattern }| all.with(verb, [&pattern]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_for_its_own_verb_and_for_the_names_of_any_of_its_patterns() {
        let rights: Rights =
            ["listen=ann-*", "listen=desk", "admin=names"].map(|text| text.parse::<Right>().unwrap()).into_iter().collect();
        for (verb, name, may) in [
            (Verb::Listen, "ann-1", true),
            (Verb::Listen, "desk", true),
            (Verb::Listen, "bob-1", false),
            (Verb::Connect, "ann-1", false),
            (Verb::Admin, "names", true),
            (Verb::Admin, "everywhere", false),
        ] {
            assert_eq!(rights.allow(verb, name), may, "{verb} {name}");
        }
        assert!(Verb::ALL.into_iter().all(|verb| Rights::all().allow(verb, "x") && !Rights::none().allow(verb, "x")));
        assert_eq!(format!("{rights:?}"), r#"{"listen": ["ann-*", "desk"], "admin": ["names"]}"#);
    }

    #[test]
    fn threat_17_a_verb_has_64_patterns_at_most() {
        let many = |count| Rights::none().with(Verb::Join, &vec!["*".parse::<Pattern>().unwrap(); count]);
        assert!(many(64).bounded().is_ok());
        assert_eq!(many(65).bounded().unwrap_err().to_string(), "join: at most 64 patterns");
    }

    #[test]
    fn what_is_no_right_is_refused() {
        for text in ["", "connect", "connect=", "dance=x", "Connect=x", "=x"] {
            assert_eq!(text.parse::<Right>(), Err(BadRight), "{text}");
        }
        assert_eq!("join=a=b".parse::<Right>().unwrap().to_string(), "join=a=b");
    }
}
