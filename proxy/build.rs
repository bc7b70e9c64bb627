//! Makes cargo notice what `npm run build` puts into `assets/`: the files are part of the binary, and rust-embed alone does not watch the
//! folder. And tells `bss --version` what it was built from.

use std::{env, fs, path::Path, process::Command};

fn main() -> std::io::Result<()> {
    // A folder that is missing would count as changed at every build.
    fs::create_dir_all("assets")?;
    println!("cargo:rerun-if-changed=assets");
    let profile = env::var("PROFILE").ok();
    // A build for development would have to be made anew after each commit.
    let commit = if profile.as_deref() == Some("release") { commit() } else { None };
    let rustc = env::var("RUSTC").ok().and_then(|rustc| said(&rustc, &["--version"]));
    let rustc = rustc.map(|line| line.trim_start_matches("rustc ").to_owned());
    for (fact, value) in [("COMMIT", commit), ("TARGET", env::var("TARGET").ok()), ("RUSTC", rustc), ("PROFILE", profile)] {
        println!("cargo:rustc-env=BSS_BUILT_{fact}={}", value.as_deref().unwrap_or("unknown"));
    }
    Ok(())
}

/// The commit that is checked out, or that the package was made of.
fn commit() -> Option<String> {
    if let Ok(packaged) = fs::read_to_string(".cargo_vcs_info.json") {
        return packaged.split_once("\"sha1\": \"").and_then(|(_, sum)| sum.get(..LENGTH).map(str::to_owned));
    }
    // A repository that only has our files lying in it says nothing of them.
    said("git", &["ls-files", "--error-unmatch", "build.rs"])?;
    for file in ["HEAD", "logs/HEAD"] {
        let path = said("git", &["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    said("git", &["rev-parse", "HEAD"])?.get(..LENGTH).map(str::to_owned)
}

/// What a program prints, if it is there and content.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// As many digits of a commit as tell it from any other.
const LENGTH: usize = 12;
