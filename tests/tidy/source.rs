//! The files of the repository, and how a rule reports what breaks it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file that is tracked, or will be, by its path from the root.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// Lines with their numbers.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub fn has_extension(&self, extensions: &[&str]) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
    }
}

pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests crate lies in the repository").to_owned()
}

/// Every file that git tracks or would add.
pub fn paths() -> Vec<String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root()).output().expect("git lists the files");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("paths are UTF-8");
    list.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file()).map(str::to_owned).collect()
}

/// The text files among them; a font or an image has no lines to judge.
pub fn sources() -> Vec<Source> {
    let read = |path: String| Some(Source { text: fs::read_to_string(root().join(&path)).ok()?, path });
    paths().into_iter().filter_map(read).collect()
}

/// What broke a rule, one line each.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn add(&mut self, path: &str, line: usize, why: &str) {
        self.0.push(format!("{path}:{line}: {why}"));
    }

    pub fn assert_none(self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}
