#!/usr/bin/env bash
# Lists the threat table of proxy/SECURITY.md: a line per row, its number first, with the tests whose names begin `threat_NN_`, and where they are.
# A row without one says so; so does a test for a row that is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files --cached --others --exclude-standard -- '*.rs' '*.ts' '*.mjs' |
    xargs grep -HnoE 'threat_[0-9]{2}_\w+' 2>/dev/null |
    awk -F: -v table=proxy/SECURITY.md '
        BEGIN {
            while ((getline line < table) > 0) {
                if (line !~ /^\| [0-9]+ \|/) continue
                split(line, cell, / *\| */)
                rows[++count] = cell[2] + 0
                known[cell[2] + 0] = 1
            }
            if (count == 0) { print "no table in " table > "/dev/stderr"; failed = 1; exit 1 }
        }
        {
            row = substr($3, 8, 2) + 0
            if (($1, $3) in seen) next
            seen[$1, $3] = 1
            if (row in known) tests[row] = tests[row] (tests[row] == "" ? "" : ", ") $3 " (" $1 ":" $2 ")"
            else astray = astray " " $3
        }
        END {
            if (failed) exit 1
            for (at = 1; at <= count; at++) print rows[at] ": " (rows[at] in tests ? tests[rows[at]] : "no test yet; SECURITY.md says why")
            if (astray != "") { print "of no row:" astray > "/dev/stderr"; exit 1 }
        }'
