//! A name that somebody else gave a file, made safe for a folder of ours.

/// Leaves room for a number, and for the ending of a part, within the 255 that a disk takes.
const BYTES_MAX: usize = 200;

/// The same name as far as it stays in its folder, is seen there, shows what it is, and can be written on any disk.
pub fn safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.trim().chars().map(|character| if is_kept(character) { character } else { '_' }).collect();
    let kept = kept.trim_end_matches(['.', ' ']);
    let shown = match kept.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => kept.to_owned(),
    };
    if shown.is_empty() { "file".into() } else { short(&shown) }
}

/// The name, then the same with a number in front of its ending: `a.txt`, `a (1).txt`, `a (2).txt`.
pub fn candidates(name: &str) -> impl Iterator<Item = String> {
    let (stem, ending) = split(name);
    std::iter::once(name.to_owned()).chain((1..).map(move |number: u32| format!("{stem} ({number}){ending}")))
}

/// Neither a control character, nor one that a disk refuses, nor one that turns the direction of the text around, so that an ending is not seen.
fn is_kept(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(character.is_control() || turns || "<>:\"|?*".contains(character))
}

fn split(name: &str) -> (&str, &str) {
    name.rfind('.').filter(|dot| *dot > 0).map_or((name, ""), |dot| name.split_at(dot))
}

fn short(name: &str) -> String {
    if name.len() <= BYTES_MAX {
        return name.to_owned();
    }
    let (stem, ending) = split(name);
    let ending = if ending.len() <= BYTES_MAX / 4 { ending } else { "" };
    format!("{}{ending}", &stem[..stem.floor_char_boundary(BYTES_MAX - ending.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_folder_and_is_seen_there() {
        for (name, kept) in [
            ("été 日本.png", "été 日本.png"),
            ("صورة.png", "صورة.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\cmd.exe", "cmd.exe"),
            ("/", "file"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "_bashrc"),
            ("a\0b\nc", "a_b_c"),
            ("a:b?.txt", "a_b_.txt"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("name. . ", "name"),
            ("  ", "file"),
        ] {
            assert_eq!(safe(name), kept, "{name:?}");
        }
        let long = safe(&format!("{}.tar", "日".repeat(300)));
        assert!(long.len() <= BYTES_MAX && long.ends_with(".tar"), "{long}");
        assert!(safe(&format!("a.{}", "b".repeat(400))).len() <= BYTES_MAX);
    }

    #[test]
    fn a_name_that_is_taken_has_a_number_before_its_ending() {
        let first = |name| candidates(name).take(3).collect::<Vec<_>>();
        assert_eq!(first("a.txt"), ["a.txt", "a (1).txt", "a (2).txt"]);
        assert_eq!(first("a"), ["a", "a (1)", "a (2)"]);
    }
}
