#!/usr/bin/env bash
# Fuzzes each target for as many seconds as the first argument says; installs cargo-fuzz if it is missing.
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")"

missing() {
    echo "$1" >&2
    exit 1
}

command -v rustup >/dev/null || missing "fuzzing needs rustup, for a nightly Rust: https://rustup.rs"
cargo +nightly --version >/dev/null 2>&1 || missing "fuzzing needs a nightly Rust: rustup toolchain install nightly --profile minimal"
command -v c++ >/dev/null || missing "fuzzing needs a C++ compiler for libFuzzer: on Debian, apt-get install g++"
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked

for target in $(cargo +nightly fuzz list --fuzz-dir .); do
    printf '\n== fuzz %s, %d s\n' "$target" "$seconds"
    cargo +nightly fuzz run --fuzz-dir . "$target" -- -max_total_time="$seconds" -max_len=4096 -len_control=10 -timeout=10 -print_final_stats=1
done
