#!/usr/bin/env bash
# Runs make targets one after the other, each under a heading, and goes on where one fails. At the end it repeats how those ended, and sums up what each took.
set -uo pipefail

ENDING=30 # lines

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

summary=""
failed=()
for step in "$@"; do
    printf '\n== %s\n' "$step"
    since=$SECONDS
    verdict=""
    if ! make --no-print-directory "$step" </dev/null 2>&1 | tee "$logs/$step"; then
        verdict="  failed"
        failed+=("$step")
    fi
    summary+=$(printf '%-16s %4d s%s' "$step" $((SECONDS - since)) "$verdict")'\n'
done

for step in "${failed[@]}"; do
    printf '\n== how %s ended\n' "$step"
    tail -n "$ENDING" "$logs/$step"
done
printf '\n%b%-16s %4d s\n' "$summary" "all" "$SECONDS"
[ ${#failed[@]} = 0 ] || { printf '\nFailed; run it alone with: make %s\n' "${failed[*]}"; exit 1; }
printf '\nPassed.\n'
