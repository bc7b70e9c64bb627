//! What the parser of the command line guesses, and what it cannot know.

use clap::error::{ContextKind, ContextValue, Error};

/// The error as it is shown: without a guess that does harm, and with the reason for what is refused only by rule.
pub fn explained(error: Error) -> Error {
    reasoned(unguessed(error))
}

/// The same error without the guess that `--open` was meant: what is copied from a terminal must not be the one flag that lets everybody in.
fn unguessed(mut error: Error) -> Error {
    if error.get(ContextKind::SuggestedArg) == Some(&ContextValue::String("--open".into())) {
        error.remove(ContextKind::SuggestedArg);
        // It shows the guess, too.
        error.remove(ContextKind::Usage);
    }
    error
}

/// The same error, with what to do instead of having visitors answered by a program that would have to speak HTTP on its stdin and stdout.
fn reasoned(mut error: Error) -> Error {
    if is_about(&error, "--http") && is_about(&error, "--exec") {
        let reason = "a visitor speaks HTTP, which most programs do not on their stdin and stdout: have one listen on a port, and give that with --to";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![reason.into()]));
    }
    error
}

/// Whether it is about this flag.
fn is_about(error: &Error, flag: &str) -> bool {
    [ContextKind::InvalidArg, ContextKind::PriorArg].into_iter().any(|kind| {
        let is_it = |said: &String| said.split(' ').next() == Some(flag);
        match error.get(kind) {
            Some(ContextValue::String(said)) => is_it(said),
            Some(ContextValue::Strings(all)) => all.iter().any(is_it),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{super::Args, *};

    #[test]
    fn who_would_have_a_program_answer_visitors_is_told_what_to_do_instead() {
        let told = |line: &[&str]| explained(Args::try_parse_from(["bss"].iter().chain(line)).expect_err("no command line")).to_string();
        for line in [["listen", "n", "--exec", "cat", "--http"], ["listen", "n", "--http", "--exec", "cat"]] {
            assert!(told(&line).contains("have one listen on a port, and give that with --to"), "{}", told(&line));
        }
        assert!(!told(&["listen", "n", "--exec", "cat", "--once"]).contains("HTTP"));
    }
}
