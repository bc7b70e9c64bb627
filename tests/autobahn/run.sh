#!/usr/bin/env bash
# Runs the Autobahn test suite against the WebSocket codec and judges its report. The suite needs Python 2.7: without one nothing is run.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/autobahn
target=${CARGO_TARGET_DIR:-target}
work=$target/autobahn

# A Python 2.7 with pip: $PYTHON27, one on the path, or one of pyenv's.
python=
pyenv=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}
for candidate in "${PYTHON27:-}" python2.7 python2 "$pyenv"/versions/2.7*/bin/python; do
    if [ -n "$candidate" ] && "$candidate" -c 'import pip, sys; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Autobahn: not run, no Python 2.7 with pip here; install one (pyenv install 2.7.18) or set PYTHON27=/path/to/python2.7"
    exit 0
fi

suite=$work/suite
if ! cmp -s "$here/requirements.txt" "$suite/installed.txt"; then
    echo "Autobahn: installing the suite into $suite"
    rm -rf "$suite"
    mkdir -p "$work"
    if ! "$python" -m pip install --quiet --no-deps --target "$suite" --requirement "$here/requirements.txt" >"$work/install.log" 2>&1; then
        cat "$work/install.log" >&2
        echo "Autobahn: the suite does not install; it needs the package index and a C compiler" >&2
        exit 1
    fi
    cp "$here/requirements.txt" "$suite/installed.txt"
fi

cargo build --quiet --locked -p browser-stream-tests --bin autobahn-echo
exec {output}< <(exec "$target/debug/autobahn-echo")
echo_server=$!
trap 'kill "$echo_server" 2>/dev/null || true' EXIT
read -r address <&"$output"

rm -rf "$work/report"
cat >"$work/cases.json" <<JSON
{"outdir": "$work/report", "servers": [{"agent": "echo", "url": "ws://$address"}], "cases": ["*"], "exclude-cases": [], "exclude-agent-cases": {}}
JSON
# The folder goes through site for the .pth file that makes zope a namespace.
start='import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite.wstest import run; run()'
if ! PYTHONPATH=$suite timeout 300 "$python" -c "$start" "$suite" --mode fuzzingclient --spec "$work/cases.json" >"$work/suite.log" 2>&1; then
    tail -n 20 "$work/suite.log" >&2
    echo "Autobahn: the suite did not come to its end" >&2
    exit 1
fi
node "$here/judge.mjs" "$work/report/index.json"
