#!/bin/sh
# Installs what the browser tests need, where that can be done without asking: Chromium, Firefox ESR, a font, ffmpeg, which makes the media example's media,
# and iproute2, which joins networks.
# A machine that has them is left as it is. CHROMIUM_PATH and FIREFOX_PATH name browsers elsewhere.
set -eu

missing=
has() { command -v "$1" >/dev/null 2>&1; }
need() { missing="$missing $1"; }

chromium_found() {
    if [ -n "${CHROMIUM_PATH:-}" ]; then [ -x "$CHROMIUM_PATH" ]; return; fi
    has chromium || has chromium-browser || has google-chrome-stable || has google-chrome
}
firefox_found() {
    if [ -n "${FIREFOX_PATH:-}" ]; then [ -x "$FIREFOX_PATH" ]; return; fi
    has firefox-esr || has firefox
}
# Without fontconfig nobody can tell; then the pages bring the machine's fallback, and only screenshots suffer.
font_found() {
    ! has fc-list || [ -n "$(fc-list 2>/dev/null | head -n 1)" ]
}

chromium_found || need chromium
firefox_found || need firefox-esr
font_found || need fonts-dejavu-core
has ffmpeg || need ffmpeg
has ip || [ -x /usr/sbin/ip ] || need iproute2
if [ -z "$missing" ]; then
    exit 0
fi
# A fresh machine gets the font with its first browser.
case "$missing" in *fonts-*) ;; *) missing="$missing fonts-dejavu-core" ;; esac

as_root=
if [ "$(id -u)" != 0 ]; then
    if has sudo && sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=none; fi
fi
if ! has apt-get || [ "$as_root" = none ]; then
    echo "The browser tests need:$missing" >&2
    echo "On Debian: sudo apt-get install --no-install-recommends$missing" >&2
    echo "Elsewhere: install Chromium, Firefox and ffmpeg, or set CHROMIUM_PATH and FIREFOX_PATH." >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y --no-install-recommends $missing
