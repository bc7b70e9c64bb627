#!/usr/bin/env bash
# A newcomer's path, timed: a fresh clone of what is committed here, `make run` as the README has it, and what harness/visit.mjs does in Chromium.
# What npm and cargo have fetched before they do not fetch again. TREE=folder takes one that is there, and built or not, instead of the clone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
patience=${PATIENCE:-3600}
work=$(mktemp -d)
maker=
log=$work/make.log
: >"$log"

leave() {
    if [ -n "$maker" ]; then kill -- "-$maker" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap leave EXIT

took() {
    printf '%-28s %6d s\n' "$1" $((SECONDS - since))
    since=$SECONDS
}

since=$SECONDS
tree=${TREE:-$work/browser-stream-server}
if [ -z "${TREE:-}" ]; then
    git clone --quiet --no-local "$here/.." "$tree"
    took "a fresh clone"
fi

# Nothing of this repository's own builds, whatever the variables say.
env -u CARGO_TARGET_DIR -u MAKEFLAGS -u MAKELEVEL setsid make --directory "$tree" run BIND=127.0.0.1:0 >"$log" 2>&1 &
maker=$!
url=
until url=$(sed -n 's/^browser-stream-server is at \(http[^ ]*\)$/\1/p' "$log") && [ -n "$url" ]; do
    if ! kill -0 "$maker" 2>/dev/null; then
        maker=
        tail -n 40 "$log" >&2
        echo "make run ended before it served" >&2
        exit 1
    fi
    if [ $((SECONDS - since)) -gt "$patience" ]; then
        tail -n 40 "$log" >&2
        echo "make run does not serve within $patience s; PATIENCE=seconds waits longer" >&2
        exit 1
    fi
    sleep 0.2
done
took "make run, until it serves"
node "$here/harness/visit.mjs" "$url"
printf '%-28s %6d s\n' "all" "$SECONDS"
