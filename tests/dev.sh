#!/usr/bin/env bash
# Serves the debug build of the proxy; rebuilds the library and the pages, and restarts the proxy, when their sources change.
set -uo pipefail
bind=${1:-127.0.0.1:8080}

# Two sums differ when a Rust source was edited, added or removed.
sources() {
    find Cargo.toml Cargo.lock proxy -name assets -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -name '*.lock' \) -exec cksum {} + | cksum
}

proxy="" pages=""
stop() {
    [ -n "$1" ] && kill "$1" 2>/dev/null && wait "$1" 2>/dev/null
}
trap 'stop "$proxy"; stop "$pages"' EXIT
trap 'exit 0' INT TERM

(cd browser-lib && exec node build.mjs --watch) &
pages=$!

built=""
while true; do
    now=$(sources)
    if [ "$now" != "$built" ]; then
        built=$now
        # While it does not compile the last good one keeps serving.
        if cargo build -p browser-stream-server; then
            stop "$proxy"
            target/debug/bss serve --bind "$bind" &
            proxy=$!
        fi
    fi
    sleep 1
done
