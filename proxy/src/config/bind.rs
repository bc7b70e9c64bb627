//! Where to listen, as it is typed.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
};

/// An address and a port, such as `127.0.0.1:8080` or `[::1]:8080`. `localhost` is 127.0.0.1; no other name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bind(pub(super) SocketAddr);

/// A text that is no address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address and a port: write it as 127.0.0.1:8080, [::1]:8080 or localhost:8080")]
pub(super) struct BindError;

impl FromStr for Bind {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        let address = match text.strip_prefix("localhost:") {
            Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST).parse(),
            None => text.parse(),
        };
        address.map(Self).map_err(|_| BindError)
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_localhost_is_one() {
        for (text, address) in [("127.0.0.1:8080", "127.0.0.1:8080"), ("[::1]:0", "[::1]:0"), ("localhost:18480", "127.0.0.1:18480")] {
            assert_eq!(text.parse::<Bind>().map(|bind| bind.to_string()).as_deref(), Ok(address));
        }
        for text in ["", "9999", ":9999", "localhost", "localhost:", "localhost:x", "localhost:1:2", "example.com:80", "127.0.0.1"] {
            assert_eq!(text.parse::<Bind>(), Err(BindError), "{text}");
        }
    }
}
