//! Who a peer is and what it may do: the [`Authorizer`] that says so, and the words it has for that (PROTOCOL.md, section 7).
//!
//! See [`Authorizer`].

mod authorizer;
mod identity;
#[cfg(feature = "jwt")]
mod jwt;
mod rights;

pub use authorizer::{Asking, Authorizer, Refused, Token};
pub use browser_stream_protocol::{BadPattern, Pattern};
pub use identity::{Identity, Quota};
#[cfg(feature = "jwt")]
pub use jwt::{Claims, JwtAuthorizer, Key, KeyError, KeysError, QuotaClaim, SigningKey};
pub use rights::{BadRight, Right, Rights, TooMany, Verb};
