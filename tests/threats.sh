#!/usr/bin/env bash
# Lists every test named `threat_NN_…` with its place, then the rows of the threat table (1 to 33) that have none.
set -euo pipefail

git ls-files --cached --others --exclude-standard -- '*.rs' '*.ts' '*.mjs' |
    xargs grep -HnoE 'threat_[0-9]{2}_\w+' 2>/dev/null |
    awk -F: -v rows=33 '
        {
            row = substr($3, 8, 2) + 0
            if ($3 in place) next
            place[$3] = $1 ":" $2
            tests[row] = tests[row] sprintf("  %s  %s\n", $3, place[$3])
        }
        END {
            for (row = 1; row <= rows; row++) {
                if (row in tests) printf "%s", tests[row]
                else missing = missing " " row
            }
            print "Rows without a test:" (missing == "" ? " none" : missing)
        }'
