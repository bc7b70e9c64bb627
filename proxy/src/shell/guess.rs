//! What the parser of the command line guesses that a mistyped flag was meant to be.

use clap::error::{ContextKind, ContextValue, Error};

/// The same error without the guess that `--open` was meant: what is copied from a terminal must not be the one flag that lets everybody in.
pub fn unguessed(mut error: Error) -> Error {
    if error.get(ContextKind::SuggestedArg) == Some(&ContextValue::String("--open".into())) {
        error.remove(ContextKind::SuggestedArg);
        // It shows the guess, too.
        error.remove(ContextKind::Usage);
    }
    error
}
