//! A server's keys, and the address that they make of its name.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::resolver;

/// A key pair: whoever has its secret half is who its public half says. Clones share it.
///
/// ```
/// use browser_stream_client::seal::{Address, BadAddress, BadKey, Keys, PublicKey};
///
/// let keys = Keys::generate();
/// let again = Keys::from_text(&keys.to_text())?; // the text is the secret half: keep it where nobody reads it
/// assert_eq!(again.public(), keys.public());
///
/// let address: Address = keys.address("NAME").parse()?;
/// assert_eq!((address.name.as_str(), address.key), ("NAME", Some(keys.public())));
/// assert_eq!("NAME#cut".parse::<Address>(), Err(BadAddress));
/// assert!("no key".parse::<PublicKey>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keys(Arc<Pair>);

struct Pair {
    secret: Zeroizing<[u8; 32]>,
    public: PublicKey,
}

/// What others know somebody by: 32 bytes, written as 43 characters of base64url.
///
/// See [`Keys`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A name, and the key that its server must show if the address says one: `NAME#key`, else `NAME`.
///
/// See [`Keys`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without the key.
    pub name: String,
    /// Behind the `#`.
    pub key: Option<PublicKey>,
}

/// A text that is no key.
///
/// See [`Keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key: {0}")]
pub struct BadKey(&'static str);

/// A text with a `#` that is no address: somebody meant to seal, and copied too little, or something behind it. Nobody is connected to it as a name.
///
/// See [`Keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what follows the # is not a whole key: copy the whole address, NAME#key, and nothing behind it; no name has a #")]
pub struct BadAddress;

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

impl FromStr for Address {
    type Err = BadAddress;

    /// What stands before the `#` is the name, what follows is the key. Without one all of it is a name, whatever that looks like.
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let Some((name, key)) = text.split_once('#') else { return Ok(Self { name: text.to_owned(), key: None }) };
        Ok(Self { name: name.to_owned(), key: Some(key.parse().map_err(|_| BadAddress)?) })
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
    fn an_address_has_a_key_in_its_one_spelling_and_a_name_has_no_number_sign() {
        let keys = Keys::generate();
        for name in ["NAME", "été 日本", ""] {
            let address: Address = keys.address(name).parse().expect("an address");
            assert_eq!((address.name.as_str(), address.key), (name, Some(keys.public())));
            assert_eq!(address.to_string(), keys.address(name));
        }
        assert_eq!("NAME".parse(), Ok(Address { name: "NAME".into(), key: None }));
        let zeros = "A".repeat(43);
        let last = &zeros[..42];
        for cut in
            ["NAME#", "NAME#key", &format!("NAME#{last}B"), &format!("NAME#{zeros}="), &format!("NAME#{zeros}A"), &format!("a#b#{zeros}")]
        {
            assert_eq!(cut.parse::<Address>(), Err(BadAddress), "{cut}");
        }
    }
}
