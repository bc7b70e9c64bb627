//! Values as JSON.

use serde::{Serialize, de::DeserializeOwned};

use super::codec::{Cause, Codec, DEPTH_MAX};

/// JSON text, as a page's `json`: what `serde_json` makes of a type, nested at most 100 levels deep.
///
/// See [`Codec`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Codec for Json {
    fn encode<T: Serialize + ?Sized>(&self, value: &T, into: &mut Vec<u8>) -> Result<(), Cause> {
        let from = into.len();
        serde_json::to_writer(&mut *into, value)?;
        check_depth(&into[from..])
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Cause> {
        check_depth(bytes)?;
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Refuses text that is nested too deep; whether it is JSON is for others to say.
fn check_depth(text: &[u8]) -> Result<(), Cause> {
    let (mut depth, mut in_text) = (0_usize, false);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => drop(bytes.next()),
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX} levels").into());
        }
    }
    Ok(())
}
