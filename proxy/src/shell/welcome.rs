//! What `bss serve` prints when it is ready.

use std::{
    io::{self, IsTerminal, Write, stdout},
    net::{IpAddr, SocketAddr},
};

use browser_stream_server::tls::Identity;
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

use super::here;

/// Prints where the proxy is; over TLS also where others of the network find it, the fingerprint to compare, and on a terminal a code for a phone.
pub fn welcome(url: &str, at: SocketAddr, public: Option<String>, identity: Option<&Identity>) -> io::Result<()> {
    let mut text = format!("browser-stream-server is at {url}\n");
    if let Some((certificate, fingerprint)) = identity.and_then(|identity| Some((identity.certificate()?, identity.fingerprint()?))) {
        let elsewhere = elsewhere(at, &here::addresses());
        for address in elsewhere.iter().filter(|_| at.ip().is_unspecified()) {
            text += &format!("in this network: https://{address}/\n");
        }
        text += &format!("certificate: {}, SHA-256 {}\n", certificate.display(), fingerprint);
        let phone = public.or_else(|| elsewhere.first().map(|address| format!("https://{address}/")));
        if let Some(code) = phone.filter(|_| stdout().is_terminal()).and_then(|url| code(&url)) {
            text += &code;
        }
    }
    let mut stdout = stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// The sockets by which others reach one that is bound there.
fn elsewhere(at: SocketAddr, addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let bound = at.ip().to_canonical();
    if bound.is_loopback() {
        return Vec::new();
    }
    if !bound.is_unspecified() {
        return vec![SocketAddr::new(bound, at.port())];
    }
    // What is bound to all of IPv6 takes IPv4 as well, as every system has it unless told otherwise.
    let reached = addresses.iter().filter(|address| at.is_ipv6() || address.is_ipv4());
    reached.map(|address| SocketAddr::new(*address, at.port())).collect()
}

/// A QR code, black on white whatever the terminal's colours are; `None` for what is too long.
pub fn code(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true).build();
    Some(drawn.lines().map(|line| format!("\x1b[97;40m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_the_addresses_that_they_can_reach() {
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|address| address.parse().expect("an address"));
        for (at, told) in [
            ("127.0.0.1:80", &[][..]),
            ("[::1]:80", &[]),
            ("0.0.0.0:80", &["192.0.2.7:80"]),
            ("[::]:80", &["192.0.2.7:80", "[2001:db8::7]:80"]),
            ("192.0.2.7:80", &["192.0.2.7:80"]),
        ] {
            let elsewhere: Vec<_> = elsewhere(at.parse().expect("an address"), &addresses).iter().map(SocketAddr::to_string).collect();
            assert_eq!(elsewhere, told, "{at}");
        }
    }

    #[test]
    fn a_code_is_drawn_two_rows_to_a_line_and_white_around() {
        let drawn = code("https://192.0.2.7:8443/").expect("short enough");
        let lines: Vec<_> = drawn.lines().map(|line| line.trim_start_matches("\x1b[97;40m").trim_end_matches("\x1b[0m")).collect();
        // 25 modules (version 2), 4 of quiet on each side.
        assert!(lines.iter().all(|line| line.chars().count() == 33), "{drawn}");
        assert_eq!(lines.len(), 17);
        assert!(lines[..2].iter().all(|line| line.chars().all(|half| half == '█')), "{drawn}");
        assert_eq!(code(&"x".repeat(5000)), None);
    }
}
