#!/usr/bin/env bash
# Lists the threat table of proxy/SECURITY.md: a line per row, its number first, with the tests whose names begin `threat_NN_`, and where they are.
# A test is a function in Rust, and what `test`, `it` or `describe` (with `.each(…)` too) calls by that name elsewhere; of a name that is put together only what is fixed counts.
# A row without one, of which the table does not say `none yet` and why, is an error; so is a test for a row that is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t code < <(git ls-files --cached --others --exclude-standard -- '*.rs' '*.ts' '*.mjs')
awk -v table=proxy/SECURITY.md '
    BEGIN {
        while ((getline line < table) > 0) {
            if (line !~ /^\| [0-9]+ \|/) continue
            cells = split(line, cell, / *\| */)
            rows[++count] = cell[2] + 0
            known[cell[2] + 0] = 1
            if (cell[cells - 1] ~ /^none yet/) why[cell[2] + 0] = cell[cells - 1]
        }
        if (count == 0) { print "no table in " table > "/dev/stderr"; failed = 1; exit 1 }
    }
    # What a line calls a test by: whatever comes first there, so that nothing in a comment counts.
    function called(line, before) {
        if (FILENAME ~ /\.rs$/) return match(line, /^ *(pub )?(async )?fn threat_[0-9][0-9]_[a-z0-9_]+/)
        if (match(line, /^ *(test|it|describe)\(["`]threat_[0-9][0-9]_[^"`$]+/)) return 1
        if (match(line, /^ *\]( as const)?\)\(["`]threat_[0-9][0-9]_[^"`$]+/)) return 1
        # `it.each([…])(`, and the name on a line of its own.
        if (before ~ /(^ *(test|it|describe)(\.each\(.*\))?|^ *\]( as const)?\))\($/) return match(line, /^ *["`]threat_[0-9][0-9]_[^"`$]+/)
        return match(line, /^ *(test|it|describe)\.each\(.*\)\(["`]threat_[0-9][0-9]_[^"`$]+/)
    }
    FNR == 1 { before = "" }
    /threat_[0-9][0-9]_/ && called($0, before) {
        name = substr($0, RSTART, RLENGTH)
        sub(/^.*[ "`(]threat_/, "threat_", name)
        gsub(/[^A-Za-z0-9_%]+/, "_", name)
        sub(/_+$/, "", name)
        row = substr(name, 8, 2) + 0
        if (!((FILENAME, name) in seen)) {
            seen[FILENAME, name] = 1
            if (row in known) tests[row] = tests[row] (tests[row] == "" ? "" : ", ") name " (" FILENAME ":" FNR ")"
            else astray = astray " " name
        }
    }
    { before = $0 }
    END {
        if (failed) exit 1
        for (at = 1; at <= count; at++) {
            row = rows[at]
            if (row in tests) print row ": " tests[row]
            else if (row in why) print row ": " why[row]
            else { print row ": no test, and " table " does not say why"; failed = 1 }
        }
        if (astray != "") { print "of no row:" astray > "/dev/stderr"; failed = 1 }
        exit failed
    }' "${code[@]}"
