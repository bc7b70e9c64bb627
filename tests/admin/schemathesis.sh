#!/usr/bin/env bash
# Has schemathesis ask a running proxy whatever its API says that may be asked: schemathesis.sh BSS. No answer is an error of the proxy's own, and each is of the shape that is described.
set -euo pipefail
cd "$(dirname "$0")/../.."
bss=$1
here=tests/admin
work=${CARGO_TARGET_DIR:-target}/admin

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "admin: the API is not exercised, for there is no python3 with venv here; install one (apt-get install python3-venv)" >&2
    exit 1
fi
if ! cmp -s "$here/requirements.txt" "$work/installed.txt"; then
    echo "admin: installing schemathesis into $work"
    rm -rf "$work"
    mkdir -p "$work"
    python3 -m venv "$work/venv"
    if ! "$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >"$work/install.log" 2>&1; then
        cat "$work/install.log" >&2
        echo "admin: the API is not exercised, for schemathesis does not install; it needs the package index" >&2
        exit 1
    fi
    cp "$here/requirements.txt" "$work/installed.txt"
fi

fail() {
    echo "admin: $1" >&2
    exit 1
}

# Its own log says where it listens; that of the last run is not to be taken for it.
: >"$work/bss.out"
: >"$work/bss.log"
RUST_LOG=info "$bss" serve --bind 127.0.0.1:0 --admin 127.0.0.1:0 --admin-actions >"$work/bss.out" 2>"$work/bss.log" &
serving=$!
peers=
trap 'kill $peers "$serving" 2>/dev/null || true; wait 2>/dev/null || true' EXIT
for _ in $(seq 200); do
    url=$(grep -o 'http://[^ ]*/metrics' "$work/bss.log" || true)
    url=${url%/metrics}
    # Where peers come in it says elsewhere: either may be there first.
    mux=$(sed -n 's|.*\(http://[^ ]*\)/$|\1/mux|p' "$work/bss.out")
    [ -z "$url" ] || [ -z "$mux" ] || break
    kill -0 "$serving" 2>/dev/null || fail "bss does not serve: $(cat "$work/bss.log")"
    sleep 0.05
done
[ -n "$url" ] && [ -n "$mux" ] || fail "bss does not say where it listens: $(cat "$work/bss.log")"

# Somebody who is told of: a name, and a client of it that stays.
"$bss" listen echo --exec cat --url "$mux" 2>/dev/null &
peers="$!"
rm -f "$work/open"
mkfifo "$work/open"
# Open at both ends, so that it never ends.
exec 3<>"$work/open"
"$bss" connect echo --wait 10 --url "$mux" <&3 >/dev/null 2>&1 &
peers="$peers $!"
for _ in $(seq 200); do
    ! curl --silent --fail --noproxy '*' "$url/admin/api/streams" | grep -q '"kind":"stream"' || break
    sleep 0.05
done
curl --silent --fail --noproxy '*' "$url/admin/api/streams" | grep -q '"kind":"stream"' || fail "no stream is told of: $(tail -n 20 "$work/bss.log")"

# Going down is asked for once, at the end. It keeps notes in the folder that it runs in.
(cd "$work" && NO_PROXY='*' venv/bin/schemathesis run "$url/admin/api/openapi.json" --exclude-path /admin/api/drain --seed 1 --max-examples "${EXAMPLES:-50}" \
    --checks not_a_server_error,response_schema_conformance,content_type_conformance --suppress-health-check all --no-color) >"$work/report.txt" 2>&1 ||
    fail "the API is not as it is described, or broke: $(tail -n 100 "$work/report.txt")"
grep -E '^ *[0-9]+ (generated|passed)|No issues' "$work/report.txt" || tail -n 5 "$work/report.txt"
kill -0 "$serving" 2>/dev/null || fail "bss is gone: $(tail -n 20 "$work/bss.log")"
"$bss" admin "$url" drain --deadline 0
wait "$serving" || fail "bss did not end well: $(tail -n 20 "$work/bss.log")"
echo "admin: the API answers whatever it is asked"
