//! Where a TURN server is, as browsers are told (RFC 7065).

use std::{fmt, str::FromStr};

/// The address of a TURN server, such as `turn:turn.example.com:3478` or `turns:turn.example.com:443?transport=tcp`. Made by parsing.
///
/// See [`Config`](super::Config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnUrl(String);

/// A text that is no such address.
///
/// See [`Config`](super::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a TURN server: write it as turn:host:3478, turn:host:3478?transport=tcp or turns:host:5349")]
pub struct TurnUrlError;

impl FromStr for TurnUrl {
    type Err = TurnUrlError;

    fn from_str(text: &str) -> Result<Self, TurnUrlError> {
        let rest = text.strip_prefix("turns:").or_else(|| text.strip_prefix("turn:")).ok_or(TurnUrlError)?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        // An authority without a user, as HTTP has it: a name, an address, [an IPv6 address], and maybe a port.
        let authority: http::uri::Authority = place.parse().map_err(|_| TurnUrlError)?;
        let is_place = match authority.port_u16() {
            Some(port) => place == format!("{}:{port}", authority.host()),
            None => place == authority.host(),
        };
        let is_transport = matches!(query, None | Some("transport=udp" | "transport=tcp"));
        if is_place && is_transport { Ok(Self(text.to_owned())) } else { Err(TurnUrlError) }
    }
}

impl fmt::Display for TurnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_url_is_a_scheme_a_host_a_port_and_a_transport() {
        for text in
            ["turn:a", "turn:a.example:3478", "turns:192.0.2.1:5349", "turn:[2001:db8::1]:3478?transport=tcp", "turn:a?transport=udp"]
        {
            assert_eq!(text.parse::<TurnUrl>().map(|url| url.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "turn:",
            "stun:a:3478",
            "turn://a:3478",
            "turn:a:",
            "turn:a:x",
            "turn:a:99999",
            "turn:u@a:1",
            "turn:a?transport=sctp",
            "turn:a b",
        ] {
            assert_eq!(text.parse::<TurnUrl>(), Err(TurnUrlError), "{text}");
        }
    }
}
