#!/usr/bin/env bash
# Builds the program without any library, and runs it as an image would: nobody's, in a root that holds it alone and that it cannot write to.
set -euo pipefail
work=$1
target=$(rustc -vV | sed -n 's/^host: //p')

RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --quiet --target "$target" -p browser-stream-server
program=${CARGO_TARGET_DIR:-target}/$target/release/bss
needs=$(ldd "$program" 2>&1 || true)
case "$needs" in
*"statically linked"* | *"not a dynamic executable"*) ;;
*)
    echo "deploy: the program needs libraries that an empty image does not have: $needs" >&2
    exit 1
    ;;
esac

root=$work/alone
rm -rf "$root"
mkdir -p "$root/dev"
cp "$program" "$root/bss"
# What a container has of its own accord, and the program takes its random numbers from.
touch "$root/dev/random" "$root/dev/urandom"
if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
    echo "deploy: built without libraries, and not run in a root of its own, for that takes root's rights here"
    exit 0
fi

# As docker run --read-only does.
exec {output}< <(exec unshare --mount bash -c '
    mount --bind "$1" "$1" && mount --bind /dev/random "$1/dev/random" && mount --bind /dev/urandom "$1/dev/urandom" &&
        mount -o remount,ro,bind "$1" &&
        exec chroot --userspec=65532:65532 "$1" /bss serve --bind 127.0.0.1:0 2>"$2"' \
    alone "$root" "$work/alone.log")
running=$!
trap 'kill "$running" 2>/dev/null || true' EXIT
read -r -t 20 line <&"$output" || {
    cat "$work/alone.log" >&2
    echo "deploy: the program does not start in an empty root" >&2
    exit 1
}
url=${line#browser-stream-server is at }
for path in readyz browser-stream-server.js; do
    curl --fail --silent --show-error --max-time 10 --output /dev/null "$url$path"
done
kill -TERM "$running"
wait "$running"
echo "deploy: without libraries, alone in a read-only root, as nobody: ready, and ended well"
