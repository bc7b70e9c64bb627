#!/bin/sh
# Brings what the tests of a proxy in front need: nginx and Caddy, and openssl for a certificate.
# Programs on the PATH are taken as they are. Where one is missing, Debian's package is unpacked below target/front and not installed: no
# service starts, and the machine stays as it is.
set -eu

folder="$(dirname "$0")/../target/front"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
PATH="$PATH:/usr/sbin:$folder/usr/sbin:$folder/usr/bin"

has() { command -v "$1" >/dev/null 2>&1; }

missing=
for program in nginx caddy openssl; do
    has "$program" || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

# Says what to do where this script cannot.
help() {
    echo "The tests of a proxy in front need:$missing" >&2
    echo "On Debian: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
}

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
has apt-get || help
echo "Unpacking:$missing"
$as_root apt-get update -qq || help
packages="$(mktemp -d)"
trap 'rm -rf "$packages"' EXIT
for program in $missing; do
    (cd "$packages" && apt-get download -qq -o APT::Sandbox::User=root "$program" && dpkg-deb -x "$program"_*.deb "$folder") || help
done
# A library that one of them is linked with may be missing.
for program in $missing; do
    case "$program" in nginx) version=-v ;; *) version=version ;; esac
    "$program" $version >/dev/null 2>&1 || help
done
