//! The codes of refusals and resets.

use browser_stream_mux::Code;

use super::{between, documented, read, row};

/// The page.
pub fn page() -> String {
    let source = read("proxy/mux/src/code.rs");
    let meanings = documented(between(&source, "pub enum Code {\n", "\n}\n"), |line| {
        Some(line.trim().strip_suffix(',')?.split(' ').next()?.to_owned())
    });
    let failures = read("proxy/src/shell/failure.rs");
    let statuses = between(&failures, "match code {\n        Code::BadRequest =>", "\n    }\n");
    let statuses = format!("Code::BadRequest =>{statuses}");
    let status = |code: Code| {
        let names = format!("Code::{code:?}");
        let arm = statuses.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once(" => "));
        let found = arm.into_iter().find(|(codes, _)| codes.split(" | ").any(|name| name == names));
        found.unwrap_or_else(|| panic!("bss has no status for {code}")).1.to_owned()
    };
    let rows: String = Code::ALL
        .into_iter()
        .map(|code| {
            let (_, meaning) = meanings.iter().find(|(name, _)| *name == format!("{code:?}")).expect("every code has a meaning");
            row([&code.number().to_string(), &format!("`{code}`"), meaning, &status(code)])
        })
        .collect();
    format!(
        "\
# Codes

Made from the code (`make reference`). A refusal and a reset have one of these, the same in all programs: `error.code` in a page, `code()` in Rust. On the wire a reset has the number.

| number | code | when | status of `bss` |
|---:|---|---|---:|
{rows}| 256 and up | in decimal digits, as `4001` | the application's own: `stream.reset(4001)` | 70 |

`bss` also exits 0 when it is done, 1 where `serve` could not run, 69 where no proxy is, 74 where a file, port or program of its machine failed, 130 and 143 when it was told to end, and 141 when nobody reads
its stdout any more. Which code is said where: [PROTOCOL.md](../PROTOCOL.md#4-codes).
"
    )
}
