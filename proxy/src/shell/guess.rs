//! What the parser of the command line guesses, and what it cannot know.

use std::ffi::OsString;

use browser_stream_server::private::lacking;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

/// The error as it is shown: without a guess that does harm, and with the reason for what is refused only by rule, or in this build alone.
pub fn explained(error: Error) -> Error {
    elsewhere(reasoned(unguessed(error)))
}

/// The same error for a flag that other builds have.
fn elsewhere(error: Error) -> Error {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
            lacking(flag).map_or(error, |text| Error::raw(ErrorKind::UnknownArgument, format!("{text}\n")))
        }
        _ => error,
    }
}

/// What the environment says that this build does not hear, where to go on without it would be another thing: a node that is alone.
pub fn unheard(said: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    said("BSS_CLUSTER").and_then(|_| lacking("BSS_CLUSTER"))
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

    #[cfg(not(feature = "cluster"))]
    #[test]
    fn a_build_without_a_feature_knows_what_the_feature_is_that_a_flag_needs() {
        let told = |line: &[&str]| explained(Args::try_parse_from(["bss"].iter().chain(line)).expect_err("no command line"));
        for line in [["--cluster-listen", "127.0.0.1:7070"], ["serve", "--cluster=nats://127.0.0.1"]] {
            let error = told(&line);
            assert!(error.to_string().contains("--features cluster") && error.exit_code() == 2, "{error}");
        }
        assert!(!told(&["--clusters", "x"]).to_string().contains("--features"));
        assert!(unheard(|_| Some("nats://127.0.0.1".into())).is_some_and(|text| text.contains("--features cluster")));
        assert_eq!(unheard(|_| None), None);
    }
}
