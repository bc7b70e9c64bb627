//! The code of an exchange, and the link that holds it.

use std::{fmt, str::FromStr};

use browser_stream_client::seal::PublicKey;
use data_encoding::HEXLOWER;
use rand::Rng;
use sha2::{Digest, Sha256};

/// Twelve characters that two people pass on: whoever has them may have the files.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; LENGTH]);

/// The digits, and the letters that nobody takes for one or for each other.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 12;
const SALT: &str = "browser-stream-server file-exchange 1 ";

/// A text that is no code, and no link with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    #[error("no code: it has 12 letters and digits, such as h4k2-9xqd-7mwz; a link has it at its end")]
    NoCode,
    #[error("the link is not whole: the sender's key, behind its last full stop, is cut or altered; copy all of the link again")]
    CutKey,
}

impl Code {
    /// Sixty bits that nobody guesses.
    pub fn random() -> Self {
        let mut random = rand::rng();
        Self(std::array::from_fn(|_| ALPHABET[random.random_range(0..ALPHABET.len())]))
    }

    /// The name that the sender has at the proxy, and the key that a receiver shows it.
    pub fn name_and_key(&self) -> (String, String) {
        let digest = Sha256::new().chain_update(SALT).chain_update(self.0).finalize();
        let (name, key) = digest.split_at(digest.len() / 2);
        (format!("files-{}", HEXLOWER.encode(name)), HEXLOWER.encode(key))
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let letters = text.chars().filter(char::is_ascii_alphanumeric).map(|letter| match letter.to_ascii_lowercase() {
            'o' => b'0',
            'i' | 'l' => b'1',
            letter => letter as u8,
        });
        let letters: Vec<u8> = letters.collect();
        let letters: [u8; LENGTH] = letters.try_into().map_err(|_| CodeError::NoCode)?;
        if letters.iter().all(|letter| ALPHABET.contains(letter)) { Ok(Self(letters)) } else { Err(CodeError::NoCode) }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in self.0.iter().enumerate() {
            let hyphen = if at > 0 && at % 4 == 0 { "-" } else { "" };
            write!(f, "{hyphen}{}", char::from(*letter))?;
        }
        Ok(())
    }
}

/// It is as good as the files.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// A code, and the proxy where it counts if a link said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub code: Code,
    /// The sender's.
    pub key: Option<PublicKey>,
    /// A URL to dial.
    pub proxy: Option<String>,
}

impl FromStr for Invitation {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let Some((page, code)) = text.split_once('#') else {
            let (code, key) = code_and_key(text)?;
            return Ok(Self { code, key, proxy: None });
        };
        let (scheme, rest) = page.split_once("://").ok_or(CodeError::NoCode)?;
        let scheme = match scheme {
            "http" => "ws",
            "https" => "wss",
            _ => return Err(CodeError::NoCode),
        };
        let host = rest.split('/').next().filter(|host| !host.is_empty()).ok_or(CodeError::NoCode)?;
        let (code, key) = code_and_key(code)?;
        Ok(Self { code, key, proxy: Some(format!("{scheme}://{host}/mux")) })
    }
}

/// A code, and a key if there is a full stop behind a whole one: what was cut there had a key.
fn code_and_key(text: &str) -> Result<(Code, Option<PublicKey>), CodeError> {
    let Some((code, key)) = text.trim().rsplit_once('.') else { return Ok((text.parse()?, None)) };
    match code.parse() {
        Ok(code) => Ok((code, Some(key.parse().map_err(|_| CodeError::CutKey)?))),
        // Full stops within a code are as good as its hyphens.
        Err(_) => Ok((text.parse()?, None)),
    }
}

/// The link to an exchange at the proxy with this URL, whose sender has this key.
pub fn link(proxy: &str, page: Option<&str>, code: &Code, key: PublicKey) -> String {
    if let Some(page) = page {
        return format!("{}#{code}.{key}", page.split('#').next().unwrap_or_default());
    }
    let (scheme, rest) = proxy.split_once("://").unwrap_or(("ws", proxy));
    let scheme = if matches!(scheme, "wss" | "https") { "https" } else { "http" };
    format!("{scheme}://{}/examples/file-exchange/#{code}.{key}", rest.split('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_somebody_wrote_it_down() {
        let code: Code = "h4k2-9xqd-7mwz".parse().expect("a code");
        for text in ["H4K2 9XQD 7MWZ", "h4k29xqd7mwz", " h4k2.9xqd.7mwz\n"] {
            assert_eq!(text.parse().as_ref(), Ok(&code), "{text}");
        }
        assert_eq!("OIL0-0000-0000".parse::<Code>().expect("a code").to_string(), "0110-0000-0000");
        assert_eq!(code.to_string(), "h4k2-9xqd-7mwz");
        for text in ["", "h4k2-9xqd-7mw", "h4k2-9xqd-7mwzz", "u4k2-9xqd-7mwz", "日本"] {
            assert_eq!(text.parse::<Code>(), Err(CodeError::NoCode), "{text}");
        }
    }

    #[test]
    fn the_name_and_the_key_are_those_of_the_pages_protocol() {
        let code: Code = "h4k2-9xqd-7mwz".parse().expect("a code");
        assert_eq!(code.name_and_key(), ("files-d5c5abf42da3c12704abaa8274c0580a".into(), "d37c357a025d1074e498fbb7f11a6344".into()));
        assert_ne!(Code::random(), Code::random());
        assert_eq!(Code::random().to_string().len(), 14);
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn a_link_has_the_proxy_the_code_and_the_key() {
        let code: Code = "h4k2-9xqd-7mwz".parse().expect("a code");
        let key: PublicKey = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8".parse().expect("a key");
        for (proxy, page) in [
            ("ws://127.0.0.1:8080/mux", "http://127.0.0.1:8080/examples/file-exchange/#h4k2-9xqd-7mwz"),
            ("wss://[::1]:1/mux", "https://[::1]:1/examples/file-exchange/#h4k2-9xqd-7mwz"),
        ] {
            let sealed = format!("{page}.{key}");
            assert_eq!(link(proxy, None, &code, key), sealed);
            assert_eq!(sealed.parse(), Ok(Invitation { code: code.clone(), key: Some(key), proxy: Some(proxy.into()) }));
            assert_eq!(page.parse(), Ok(Invitation { code: code.clone(), key: None, proxy: Some(proxy.into()) }));
        }
        let elsewhere = link("ws://h/mux", Some("https://pages.example/x/"), &code, key);
        assert_eq!(elsewhere, format!("https://pages.example/x/#h4k2-9xqd-7mwz.{key}"));
        assert_eq!(format!(" H4K2.9XQD.7MWZ.{key}\n").parse(), Ok(Invitation { code: code.clone(), key: Some(key), proxy: None }));
        assert_eq!("h4k29xqd7mwz".parse(), Ok(Invitation { code, key: None, proxy: None }));
        // Half a key, or one in another spelling, is no link: it was meant to be sealed to somebody.
        let key = key.to_string();
        for cut in [key[..42].to_owned(), format!("{}9", &key[..42]), key[..1].to_owned(), String::new()] {
            let cut = format!("h4k2-9xqd-7mwz.{cut}");
            assert_eq!(cut.parse::<Invitation>(), Err(CodeError::CutKey), "{cut}");
            assert_eq!(format!("https://host/#{cut}").parse::<Invitation>(), Err(CodeError::CutKey), "{cut}");
        }
        for text in ["https://host/", "ftp://host/#h4k2-9xqd-7mwz", "https:///#h4k2-9xqd-7mwz", "https://host/#code"] {
            assert_eq!(text.parse::<Invitation>(), Err(CodeError::NoCode), "{text}");
        }
    }
}
