//! The token that a command shows: its text, or `@FILE`. No help, log or error has it.

use std::{convert::Infallible, fmt, fs, str::FromStr};

use super::Failure;

/// What was given as a token.
#[derive(Clone)]
pub struct Shown(String);

impl FromStr for Shown {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(…)")
    }
}

impl Shown {
    /// The token itself; nothing where it is empty.
    pub fn read(&self) -> Result<Option<String>, Failure> {
        let text = match self.0.strip_prefix('@') {
            // What stands behind the @ may be a token all the same.
            Some(file) => fs::read_to_string(file).map_err(|error| Failure::local("the file of the token, behind the @", &error))?,
            None => self.0.clone(),
        };
        Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty()))
    }

    /// What helps where the proxy does not take it.
    pub fn advice(&self) -> &'static str {
        let is_of_environment = std::env::var("BSS_TOKEN").is_ok_and(|token| token == self.0);
        // Such as the name of a file; a JWT has three parts.
        let is_odd = !self.0.is_empty() && !self.0.starts_with('@') && self.0.split('.').count() != 3;
        match (is_of_environment, is_odd) {
            (true, _) => "the token is the one in BSS_TOKEN: show another with --token, or none with --token ''",
            (false, true) => "--token is the token itself, and @FILE reads it from a file",
            (false, false) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_17_a_token_is_a_text_or_a_file_and_no_error_shows_it() {
        let shown = |text: &str| text.parse::<Shown>().expect("whatever it is");
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "of.a.file\n").expect("written");
        assert_eq!(shown("a.b.c\n").read().expect("a text").as_deref(), Some("a.b.c"));
        assert_eq!(shown(&format!("@{}", file.path().display())).read().expect("a file").as_deref(), Some("of.a.file"));
        assert_eq!(shown(" ").read().expect("a text"), None);
        let secret = shown(&format!("@SECRET{}", "x".repeat(300)));
        let error = secret.read().expect_err("no file");
        assert!(!format!("{error} {error:?} {secret:?}").contains("SECRET"), "{error}");
    }
}
