//! Which names a page may give a file.

/// A name that stays in its folder, is seen there, and can be written on any disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeName(String);

/// Why a name is none; the words are for whoever sees the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeName {
    #[error("a file needs a name")]
    Empty,
    #[error("a name has at most {BYTES_MAX} bytes")]
    Long,
    #[error("a name has no path in it: no / and no \\")]
    Path,
    #[error("a name does not begin with a dot")]
    Hidden,
    #[error("a name does not end with a dot or a space")]
    End,
    #[error("a name has no control characters and none of : * ? \" < > |")]
    Character,
}

/// Leaves room for a number within the 255 that a disk takes.
const BYTES_MAX: usize = 240;

impl TryFrom<&str> for SafeName {
    type Error = UnsafeName;

    fn try_from(name: &str) -> Result<Self, UnsafeName> {
        if name.is_empty() {
            Err(UnsafeName::Empty)
        } else if name.len() > BYTES_MAX {
            Err(UnsafeName::Long)
        } else if name.contains(['/', '\\']) {
            Err(UnsafeName::Path)
        } else if name.starts_with('.') {
            Err(UnsafeName::Hidden)
        } else if name.ends_with(['.', ' ']) {
            Err(UnsafeName::End)
        } else if name.contains(|character: char| character.is_control() || ":*?\"<>|".contains(character)) {
            Err(UnsafeName::Character)
        } else {
            Ok(Self(name.to_owned()))
        }
    }
}

impl SafeName {
    /// The name itself, then the same with a number in front of its ending: `a.txt`, `a (1).txt`, `a (2).txt`.
    pub fn candidates(&self) -> impl Iterator<Item = String> {
        let (stem, ending) = match self.0.rfind('.') {
            Some(dot) => self.0.split_at(dot),
            None => (self.0.as_str(), ""),
        };
        std::iter::once(self.0.clone()).chain((1..).map(move |number: u32| format!("{stem} ({number}){ending}")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_safe_in_any_script() {
        for name in ["a", "a.txt", "Bericht (final) v2.pdf", "写真.jpg", "صورة.png", "archive.tar.gz", "-rf", "a b"] {
            assert!(SafeName::try_from(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_name_that_leaves_the_folder_or_hides_in_it_is_none() {
        let cases = [
            ("", UnsafeName::Empty),
            ("../a", UnsafeName::Path),
            ("/etc/passwd", UnsafeName::Path),
            ("a\\b", UnsafeName::Path),
            ("..", UnsafeName::Hidden),
            (".", UnsafeName::Hidden),
            (".profile", UnsafeName::Hidden),
            ("a.", UnsafeName::End),
            ("a ", UnsafeName::End),
            ("a\0b", UnsafeName::Character),
            ("a\nb", UnsafeName::Character),
            ("c:a", UnsafeName::Character),
            ("what?", UnsafeName::Character),
        ];
        for (name, why) in cases {
            assert_eq!(SafeName::try_from(name), Err(why), "{name:?}");
        }
        assert_eq!(SafeName::try_from("x".repeat(241).as_str()), Err(UnsafeName::Long));
    }

    #[test]
    fn a_number_stands_in_front_of_the_ending() {
        let first = |name: &str| SafeName::try_from(name).unwrap().candidates().take(3).collect::<Vec<_>>();
        assert_eq!(first("a.txt"), ["a.txt", "a (1).txt", "a (2).txt"]);
        assert_eq!(first("notes"), ["notes", "notes (1)", "notes (2)"]);
    }
}
