// Judges a report of the Autobahn test suite: node judge.mjs REPORT/index.json. Every case ran, none failed, and each that is not OK
// is listed in not-ok.json with its reason, as it is.

import { readFileSync } from "node:fs";

const FAILURES = ["FAILED", "FAILED BY CLIENT", "UNCLEAN", "WRONG CODE"];

const { cases, notOk } = JSON.parse(readFileSync(new URL("not-ok.json", import.meta.url), "utf8"));
const [report] = Object.values(JSON.parse(readFileSync(process.argv[2], "utf8")));
const results = Object.entries(report).map(([id, { behavior, behaviorClose }]) => ({ id, behavior, behaviorClose }));
const findings = [];

/** Whether a case's id is the listed one, or lies below `n.*`. */
const matches = (listed, id) => (listed.endsWith("*") ? id.startsWith(listed.slice(0, -1)) : id === listed);

for (const what of ["behavior", "behaviorClose"]) {
  const names = [...new Set(results.map((result) => result[what]))];
  const counts = names.map((name) => `${results.filter((result) => result[what] === name).length} ${name}`);
  console.log(`${what}: ${counts.join(", ")}`);
}
if (results.length !== cases) {
  findings.push(`${results.length} cases ran, and the suite has ${cases}`);
}
for (const { id, behavior, behaviorClose } of results) {
  const listed = notOk.find((entry) => matches(entry.cases, id));
  if ([behavior, behaviorClose].some((found) => FAILURES.includes(found))) {
    findings.push(`${id}: ${behavior}, its close ${behaviorClose}`);
  } else if (behavior === "OK" && behaviorClose === "OK") {
    if (listed) findings.push(`${id}: is OK now: take ${listed.cases} off not-ok.json`);
  } else if (listed?.behavior !== behavior || !["OK", behavior].includes(behaviorClose)) {
    findings.push(`${id}: ${behavior}, its close ${behaviorClose}, and not-ok.json gives no reason for that`);
  }
}
for (const entry of notOk) {
  if (!results.some(({ id }) => matches(entry.cases, id)))
    findings.push(`${entry.cases}: no such case: take it off not-ok.json`);
}
for (const finding of findings) {
  console.error(finding);
}
process.exitCode = findings.length > 0 ? 1 : 0;
