#!/bin/sh
# Brings the TURN server that the tests of relayed connections need: coturn.
# One on the PATH is taken as it is. Where it is missing, Debian's package and the libraries that this machine lacks for it are unpacked below
# target/turn and not installed: no service starts, and the machine stays as it is.
set -eu

folder="$(dirname "$0")/../target/turn"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

runs() {
    libraries="$(find "$folder/usr/lib" -name '*.so.*' -exec dirname {} \; 2>/dev/null | sort -u | tr '\n' ':')"
    PATH="$PATH:$folder/usr/bin" LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:-}" turnserver --version >/dev/null 2>&1
}
runs && exit 0

# Says what to do where this script cannot.
help() {
    echo "The tests of relayed connections need coturn." >&2
    echo "On Debian: sudo apt-get install --no-install-recommends coturn" >&2
    exit 1
}

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
command -v apt-get >/dev/null 2>&1 || help
echo "Unpacking: coturn"
$as_root apt-get update -qq || help
packages="$(mktemp -d)"
trap 'rm -rf "$packages"' EXIT
needed="$(apt-get install --simulate --no-install-recommends coturn | sed -n 's/^Inst \([^ ]*\) .*/\1/p')"
for package in ${needed:-coturn}; do
    (cd "$packages" && apt-get download -qq -o APT::Sandbox::User=root "$package" && dpkg-deb -x "$package"_*.deb "$folder") || help
done
runs || help
