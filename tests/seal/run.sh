#!/usr/bin/env bash
# Checks the vectors of sealed streams with a second implementation, in Python: the noiseprotocol package for the handshakes, cryptography for the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/seal
work=${CARGO_TARGET_DIR:-target}/seal

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "Sealed streams: not verified, for there is no python3 with venv here; install one (apt-get install python3-venv)" >&2
    exit 1
fi
if ! cmp -s "$here/requirements.txt" "$work/installed.txt"; then
    echo "Sealed streams: installing a second implementation into $work"
    rm -rf "$work"
    mkdir -p "$work"
    python3 -m venv "$work/venv"
    if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >"$work/install.log" 2>&1; then
        cat "$work/install.log" >&2
        echo "Sealed streams: not verified, for the second implementation does not install; it needs the package index" >&2
        exit 1
    fi
    cp "$here/requirements.txt" "$work/installed.txt"
fi
exec "$work/venv/bin/python" "$here/check.py" tests/vectors/seal.json
