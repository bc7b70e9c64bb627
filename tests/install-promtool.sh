#!/bin/sh
# Prints the path of promtool, which judges metrics; fails, and says what to do, where it cannot be had.
# One on the PATH is taken as it is. Else that of Debian's package is taken out of it into target/promtool, and nothing is installed.
set -eu

folder="$(dirname "$0")/../target/promtool"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

for program in "$(command -v promtool || true)" "$folder/promtool"; do
    if [ -n "$program" ] && "$program" --version >/dev/null 2>&1; then
        echo "$program"
        exit 0
    fi
done

help() {
    echo "promtool is missing (apt-get install --no-install-recommends prometheus)" >&2
    exit 1
}

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
command -v apt-get >/dev/null 2>&1 || help
package="$(mktemp -d)"
trap 'rm -rf "$package"' EXIT
cd "$package"
fetch() { apt-get download -qq -o APT::Sandbox::User=root prometheus >&2; }
# The list of what there is may be missing, or old.
fetch 2>/dev/null || { $as_root apt-get update -qq >&2 && fetch; } || help
# Of 200 MiB one program is wanted.
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -xO ./usr/bin/promtool >"$folder/promtool" || help
chmod +x "$folder/promtool"
"$folder/promtool" --version >/dev/null 2>&1 || help
echo "$folder/promtool"
