//! A server's keys, and the address that they make of its name.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::resolver;

/// A key pair: whoever has its secret half is who its public half says. Clones share it.
#[derive(Clone)]
pub struct Keys(Arc<Pair>);

struct Pair {
    secret: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

/// What others know somebody by: 32 bytes, written as 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A name, and the key that its server must show if the address says one: `NAME#key`, else `NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without the key.
    pub name: String,
    /// Behind the last `#`.
    pub key: Option<PublicKey>,
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key: {0}")]
pub struct BadKey(&'static str);

/// From so many characters on a word behind a `#` is taken for a key that lost some.
const KEY_LIKE: usize = 20;

/// In front of a secret in a file, so that nobody gives it away as the address.
const SECRET: &str = "bss-seal-secret-";

impl Keys {
    /// A fresh pair.
    pub fn generate() -> Self {
        Self::of(Zeroizing::new(rand::random()))
    }

    /// The pair with this secret half: any 32 bytes.
    fn of(secret: Zeroizing<[u8; 32]>) -> Self {
        let public = PublicKey(resolver::public(&secret));
        Self(Arc::new(Pair { secret, public }))
    }

    /// The half that others may know.
    pub fn public(&self) -> PublicKey {
        self.0.public
    }

    /// The address of a server with these keys under that name: `NAME#key`.
    pub fn address(&self, name: &str) -> String {
        format!("{name}#{}", self.public())
    }

    /// The secret half, to be kept: `bss-seal-secret-…`. Pages and programs read the same text.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{SECRET}{}", BASE64URL_NOPAD.encode(&*self.0.secret)))
    }

    /// Reads what [`to_text`](Self::to_text) wrote; white space around it does not count.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn from_text(text: &str) -> Result<Self, BadKey> {
        let text = text.trim().strip_prefix(SECRET).ok_or(BadKey("the secret half begins with bss-seal-secret-"))?;
        Ok(Self::of(Zeroizing::new(bytes(text)?)))
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.0.secret
    }
}

impl Address {
    /// What follows the last `#` is a key if it can be one, else a part of the name.
    pub fn read(text: &str) -> Self {
        let sealed = text.rsplit_once('#').and_then(|(name, key)| Some((name, key.parse().ok()?)));
        match sealed {
            Some((name, key)) => Self { name: name.to_owned(), key: Some(key) },
            None => Self { name: text.to_owned(), key: None },
        }
    }
}

impl Address {
    /// The name in front of what looks like a key and is none: somebody meant to seal, and copied too little, or something behind it. Nobody is connected to
    /// such a text as a name, and nobody listens under it.
    pub(crate) fn misspelt(&self) -> Option<&str> {
        let is_of_a_key = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
        let text = self.name.trim_end_matches(|character| !is_of_a_key(character));
        let before = text.trim_end_matches(is_of_a_key);
        let name = before.trim_end_matches(|character| character != '#' && !is_of_a_key(character)).strip_suffix('#')?;
        (self.key.is_none() && text.len() - before.len() >= KEY_LIKE).then_some(name)
    }

    /// The name of a server that was given an address, or what looks like one.
    pub(crate) fn of_no_server(&self) -> Option<&str> {
        if self.key.is_some() { Some(&self.name) } else { self.misspelt() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.key.map_or(Ok(()), |key| write!(f, "#{key}"))
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        bytes(text).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Without the secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, …)", self.public())
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.secret().ct_eq(other.secret()).into()
    }
}

impl Eq for Keys {}

/// The last character of 43 has two bits that must be 0: a key has one spelling.
fn bytes(text: &str) -> Result<[u8; 32], BadKey> {
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadKey("43 characters of A–Z a–z 0–9 - _ in one spelling"))?;
    decoded.try_into().map_err(|_| BadKey("it has 43 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_text_and_are_never_shown() {
        let keys = Keys::generate();
        let text = keys.to_text();
        assert_eq!(Keys::from_text(&format!("  {}\n", *text)).as_ref(), Ok(&keys));
        assert_ne!(Keys::generate(), keys);
        assert!(!format!("{keys:?}").contains(&text[SECRET.len()..]));
        for wrong in ["", &text[..text.len() - 1], &text[SECRET.len()..], &keys.public().to_string()] {
            assert!(Keys::from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_sealed_if_it_ends_in_a_key_in_its_one_spelling() {
        let keys = Keys::generate();
        for name in ["NAME", "a#b", "été 日本", ""] {
            let address = Address::read(&keys.address(name));
            assert_eq!((address.name.as_str(), address.key), (name, Some(keys.public())));
            assert_eq!(address.to_string(), keys.address(name));
        }
        let zeros = "A".repeat(43);
        for plain in ["NAME", "NAME#", "NAME#key", &format!("NAME#{}B", &zeros[..42]), &format!("NAME#{zeros}="), &format!("NAME#{zeros}A")]
        {
            assert_eq!(Address::read(plain), Address { name: plain.into(), key: None });
        }
    }
}
