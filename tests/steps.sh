#!/usr/bin/env bash
# Runs make targets one after the other, each under a heading, stops at the first that fails, and sums up what each took.
set -uo pipefail

summary=""
started=$SECONDS

sum_up() {
    printf '\n%s\n%b%-16s %4d s\n' "$1" "$summary" "all" $((SECONDS - started))
}

for step in "$@"; do
    printf '\n== %s\n' "$step"
    since=$SECONDS
    if ! make --no-print-directory "$step" </dev/null; then
        summary+=$(printf '%-16s %4d s  failed' "$step" $((SECONDS - since)))'\n'
        sum_up "Failed at $step; run it alone with: make $step"
        exit 1
    fi
    summary+=$(printf '%-16s %4d s' "$step" $((SECONDS - since)))'\n'
done
sum_up "Passed."
