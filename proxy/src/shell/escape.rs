//! What may stand in a line: no character that a terminal obeys, that nobody sees, or that changes how its neighbours look.

use std::fmt::Write;

/// The same text, such characters as JSON escapes them: where they stood in JSON it stays the same JSON.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_seen(character) {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a text does not fail.
            let _ = write!(safe, "\\u{unit:04x}");
        }
    }
    safe
}

fn is_seen(character: char) -> bool {
    !(character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}'))
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_is_seen_stays_and_the_rest_is_spelled() {
        assert_eq!(escaped("日本 é ‘x’ \\"), "日本 é ‘x’ \\");
        assert_eq!(escaped("a\u{1b}[2Jb\u{9b}c\u{7f}\u{202e}\u{feff}"), "a\\u001b[2Jb\\u009bc\\u007f\\u202e\\ufeff");
        assert_eq!(escaped("\u{e0041}"), "\\udb40\\udc41");
    }
}
