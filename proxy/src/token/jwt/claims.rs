//! What a token says.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::{Identity, Pattern, Quota, Refused, Rights, Verb};

/// The claims of a token: who has it, until when it holds, and what may be done with it.
///
/// See [`JwtAuthorizer`](super::JwtAuthorizer).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Claims {
    /// Who has it.
    pub sub: String,
    /// Until when, in seconds since 1970.
    pub exp: f64,
    /// From when on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<f64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<f64>,
    /// For whom: a text, or a list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<serde_json::Value>,
    /// Which token it is, for who takes one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Names that it may serve under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Pattern>,
    /// Names that it may connect to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connect: Vec<Pattern>,
    /// Channels that it may publish in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Pattern>,
    /// Channels that it may subscribe to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<Pattern>,
    /// Rooms that it may join.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<Pattern>,
    /// What it may do that is not about one name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<Pattern>,
    /// How much of it.
    #[serde(default, skip_serializing_if = "QuotaClaim::is_empty")]
    pub quota: QuotaClaim,
}

/// How much the `sub` of a token may have at once; what is not said is as much as the proxy allows.
///
/// ```
/// use browser_stream_server::token::{Claims, QuotaClaim};
///
/// let mut claims = Claims::default();
/// claims.quota.names = Some(3); // and as much of the rest as the proxy allows
/// assert_ne!(claims.quota, QuotaClaim::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct QuotaClaim {
    /// Sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<u32>,
    /// Streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// Streams opened in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens_per_s: Option<u32>,
}

impl QuotaClaim {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Claims {
    /// The patterns of one verb.
    pub fn of_mut(&mut self, verb: Verb) -> &mut Vec<Pattern> {
        match verb {
            Verb::Listen => &mut self.listen,
            Verb::Connect => &mut self.connect,
            Verb::Publish => &mut self.publish,
            Verb::Subscribe => &mut self.subscribe,
            Verb::Join => &mut self.join,
            Verb::Admin => &mut self.admin,
        }
    }

    /// What a token says, whoever made it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn unproven(token: &str) -> Result<Self, Refused> {
        let data = jsonwebtoken::dangerous::insecure_decode::<Self>(token);
        data.map(|data| data.claims).map_err(|error| super::verify::refused(error.kind()))
    }

    /// Whether a proxy would understand them.
    ///
    /// # Errors
    /// Says which claim is not of the right form.
    pub fn check(&self) -> Result<(), Refused> {
        self.clone().identity().map(drop)
    }

    /// How long a proxy whose clock says `now` takes it: until `exp`, and 30 s more because clocks differ.
    pub fn left(&self, now: SystemTime) -> Duration {
        left(self.exp, now)
    }

    /// Whoever these claims are true of.
    pub(super) fn identity(mut self) -> Result<Identity, Refused> {
        let bad = |why: String| Refused::Malformed(why.into());
        let said = |claim: &str, text: &str| match text {
            "" => Err(bad(format!("{claim} is empty"))),
            text if text.len() > SUB_BYTES_MAX => Err(bad(format!("{claim} has more than {SUB_BYTES_MAX} bytes"))),
            text if text.chars().any(char::is_control) => Err(bad(format!("{claim} has a control character"))),
            _ => Ok(()),
        };
        said("sub", &self.sub)?;
        self.jti.as_deref().map_or(Ok(()), |jti| said("jti", jti))?;
        // What no line of the file of those that were taken back can say could not be taken back.
        if self.sub.trim() != self.sub {
            return Err(bad("sub has a blank at an end".into()));
        }
        if self.jti.as_deref().is_some_and(|jti| jti.trim() != jti || jti.starts_with('#') || jti.starts_with("sub:")) {
            return Err(bad("jti begins with # or sub:, or has a blank at an end".into()));
        }
        let rights = Verb::ALL.into_iter().fold(Rights::none(), |rights, verb| rights.with(verb, &std::mem::take(self.of_mut(verb))));
        let mut identity = Identity::new(self.sub, rights.bounded().map_err(|error| bad(error.to_string()))?);
        identity.id = self.jti.map(Into::into);
        let QuotaClaim { sessions, names, streams, opens_per_s } = self.quota;
        identity.quota = Quota { sessions, names, streams, opens_per_s };
        identity.expires = Some(left(self.exp, SystemTime::now()));
        Ok(identity)
    }
}

fn left(exp: f64, now: SystemTime) -> Duration {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    // One that holds for longer than any process lives holds for ever.
    Duration::from_secs_f64((exp - now + LEEWAY.as_secs_f64()).clamp(0.0, LIFE_MAX.as_secs_f64()))
}

/// How far the clock may differ from that of whoever made the token.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

const SUB_BYTES_MAX: usize = 256;
/// A hundred years.
const LIFE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
