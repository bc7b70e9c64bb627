#!/bin/sh
# Brings the authority that the tests of ACME ask for certificates: pebble, and its name server. Prints the folder of both.
# Where they are missing, Debian's package is unpacked below target/pebble and not installed: the machine stays as it is.
set -eu

folder="$(dirname "$0")/../target/pebble"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
PATH="$PATH:$folder/usr/bin"

runs() { command -v pebble >/dev/null 2>&1 && command -v pebble-challtestsrv >/dev/null 2>&1; }

# Says what to do where this script cannot.
help() {
    echo "The tests of ACME need pebble." >&2
    echo "On Debian: sudo apt-get install --no-install-recommends pebble" >&2
    exit 1
}

if ! runs; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    command -v apt-get >/dev/null 2>&1 || help
    echo "Unpacking: pebble" >&2
    $as_root apt-get update -qq >&2 || help
    packages="$(mktemp -d)"
    trap 'rm -rf "$packages"' EXIT
    (cd "$packages" && apt-get download -qq -o APT::Sandbox::User=root pebble >&2 && dpkg-deb -x pebble_*.deb "$folder") || help
    runs || help
fi
dirname "$(command -v pebble)"
