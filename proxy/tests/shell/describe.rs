//! What the program says of itself.

use std::process::Stdio;

use tokio::process::Command;

use crate::program::{Program, bss};

const COMMANDS: [&str; 12] =
    ["serve", "connect", "listen", "forward", "ls", "keygen", "send", "recv", "seed", "trace", "completions", "man"];

async fn printed(args: &[&str]) -> String {
    Program::start(&mut bss(args)).ended().await.stdout()
}

#[tokio::test]
async fn the_version_is_the_packages_and_behind_it_are_the_facts_of_the_build() {
    assert_eq!(printed(&["-V"]).await, format!("bss {}\n", env!("CARGO_PKG_VERSION")));
    let text = printed(&["--version"]).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("bss {}", env!("CARGO_PKG_VERSION")));
    let facts: Vec<_> = lines[1..].iter().filter_map(|line| line.split_once(' ')).map(|(name, fact)| (name, fact.trim())).collect();
    let [("commit", commit), ("target", target), ("rustc", rustc), ("profile", profile)] = facts[..] else { panic!("{text}") };
    assert!(commit == "unknown" || (commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())), "{text}");
    assert!(target.contains(std::env::consts::ARCH) && rustc.starts_with("1."), "{text}");
    assert_eq!(profile, if cfg!(debug_assertions) { "debug" } else { "release" });
    assert!(!text.contains('/'), "no path: {text}");
}

#[tokio::test]
async fn every_shell_has_completions_for_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = printed(&["completions", shell]).await;
        for command in COMMANDS {
            assert!(text.contains(command), "{shell}: {command}");
        }
        assert!(text.contains("allow-origin"), "{shell}");
    }
    let ended = Program::start(&mut bss(&["completions", "csh"])).ended().await;
    assert!(ended.code == Some(2) && ended.stderr.contains("bash"), "{ended:?}");
}

#[tokio::test]
async fn bash_completes_commands_and_flags() {
    let completions = printed(&["completions", "bash"]).await;
    for (typed, offered) in
        [("liste", "listen"), ("serve --allow-o", "--allow-origin"), ("completions zs", "zsh"), ("connect --fing", "--fingerprint")]
    {
        let asks = "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _bss bss \"${COMP_WORDS[COMP_CWORD]}\"; echo \"${COMPREPLY[@]}\"";
        let script = format!("{completions}\nCOMP_WORDS=(bss {typed}); {asks}");
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = Program::start(&mut bash).ended().await;
        assert_eq!(String::from_utf8(ended.stdout).expect("text").trim(), offered, "{typed}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn there_is_a_page_of_the_manual_for_bss_and_for_each_command() {
    let all = printed(&["man"]).await;
    assert!(all.contains(".TH bss 1") && all.contains("Exit statuses"), "{all}");
    for command in COMMANDS {
        assert!(all.contains(&format!("bss\\-{command}(1)")), "{command} is referred to: {all}");
        let page = printed(&["man", command]).await;
        assert!(page.contains(&format!(".TH bss-{command} 1")) && page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(printed(&["man", "serve"]).await.contains("BSS_BIND"));
    Program::start(&mut bss(&["man", "swerve"])).ended().await.failed(2, "bad_request: no such command; one of serve, connect");
}

#[tokio::test]
async fn a_reader_that_is_gone_is_no_news() {
    for args in [&["completions", "bash"][..], &["man"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = Program::start(bss(args).stdout(writer)).ended().await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(141), ""), "{args:?}");
    }
}
