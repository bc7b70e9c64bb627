/**
 * The API as it is kept in the repository, so that no change of it goes unseen, and the examples that it has. It reads what `make docs` and the library's build have made. `WRITE=1`
 * (`make api`) writes the listings anew, but takes nothing away that the changes do not own up to.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { items as itemsOfLibrary } from "./declarations.mjs";
import { items as itemsOfCrate } from "./rustdoc.mjs";

/** @typedef {{ path: string, lines: string[] }} Item */

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIBRARY = join(ROOT, "browser-lib");
const CRATES = ["browser-stream-mux", "browser-stream-protocol", "browser-stream-client", "browser-stream-server"];

for (const crate of CRATES) {
  test(`the API of ${crate} is the one that is kept`, async () => {
    await hold(join(ROOT, `proxy/api/${crate}.txt`), await itemsOfCrate(await docs(), crate.replaceAll("-", "_")));
  });
}

test("the API of the library is the one that is kept", async () => {
  const { exports } = JSON.parse(await readFile(join(LIBRARY, "package.json"), "utf8"));
  // The single file is the first entry once more. What has no types is a script to serve.
  const entries = Object.keys(exports).filter((entry) => exports[entry].types && entry !== "./single");
  const files = Object.fromEntries(entries.map((entry) => [entry, join(LIBRARY, exports[entry].types)]));
  await hold(join(LIBRARY, "api.txt"), itemsOfLibrary(join(LIBRARY, "dist/"), files));
});

test("each public item has an example, its own or that of what its documentation says to see", async () => {
  const all = (
    await Promise.all(CRATES.map(async (crate) => itemsOfCrate(await docs(), crate.replaceAll("-", "_"))))
  ).flat();
  const pages = new Map(all.map((item) => [item.page, item]));
  const isShown = (/** @type {string} */ page) => (pages.get(page)?.examples.length ?? 0) > 0;
  const without = all
    .filter(({ examples, see }) => examples.length === 0 && !see.some(isShown))
    .map(({ path }) => path);
  assert.deepEqual(
    without,
    [],
    "write one, or say with “See [`Other`].” whose example shows it; what nobody needs is not public",
  );
});

test("a line that is gone has to be owned up to, and one that is new has not", () => {
  const [before, after] = [["a::B\n    fn c()", "a::D\n    one\n    two"], ["a::D\n    two\n    three"]];
  assert.deepEqual(gone(before.join("\n\n"), after.join("\n\n")), ["a::B: fn c()", "a::D: one"]);
  const changes =
    "# Changes\n\n## 0.2.0, not released\n\n- BREAKING: `B::c` is gone.\n\n## 0.1.0\n\n- BREAKING: `D`.\n";
  assert.deepEqual(unowned(gone(before.join("\n\n"), after.join("\n\n")), changes), ["a::D: one"]);
});

/**
 * Fails where these are not the items of the file, and says what to do.
 *
 * @param {string} file
 * @param {Item[]} items
 */
async function hold(file, items) {
  assert.ok(items.length > 0);
  const listing = `${items.map(({ path, lines }) => [path, ...lines.map((line) => `    ${line}`)].join("\n")).join("\n\n")}\n`;
  const kept = await readFile(file, "utf8").catch(() => "");
  if (process.env.WRITE === "1") {
    const changes = await readFile(join(ROOT, "proxy/CHANGELOG.md"), "utf8");
    const silent = unowned(gone(kept, listing), changes);
    assert.deepEqual(
      silent,
      [],
      "is gone or is another now: say so in proxy/CHANGELOG.md, in a line that has BREAKING and the item's name in it, and write again",
    );
    await writeFile(file, listing);
    return;
  }
  const name = file.slice(ROOT.length);
  const differences = [
    ...gone(kept, listing).map((line) => `- ${line}`),
    ...gone(listing, kept).map((line) => `+ ${line}`),
  ];
  assert.deepEqual(
    differences,
    [],
    `${name} is not what there is: \`make api\` writes it anew, for you to look at and to commit`,
  );
  assert.ok(kept === listing, `${name} is in another order or form: \`make api\` writes it anew`);
}

/**
 * The lines of one listing that another has not, each with its item.
 *
 * @param {string} before
 * @param {string} after
 */
function gone(before, after) {
  const there = new Set(facts(after));
  return facts(before).filter((fact) => !there.has(fact));
}

/** @param {string} listing */
function facts(listing) {
  return listing
    .trim()
    .split(/\n\n/)
    .flatMap((part) => {
      const [path = "", ...lines] = part.split("\n");
      return lines.map((line) => `${path}: ${line.trim()}`);
    });
}

/**
 * Those of these facts of which the changes since the last release do not say that they are broken.
 *
 * @param {string[]} facts
 * @param {string} changes
 */
function unowned(facts, changes) {
  const [, unreleased = ""] = changes.split("\n## ");
  const owned = unreleased.split("\n").filter((line) => line.includes("BREAKING"));
  return facts.filter((fact) => {
    const name =
      fact
        .split(": ")[0]
        ?.split(/::|\.|\)/)
        .at(-1) ?? fact;
    return !owned.some((line) => names(line, name));
  });
}

/**
 * @param {string} text
 * @param {string} name
 */
function names(text, name) {
  return new RegExp(`(?<![\\w$])${name}(?![\\w$])`).test(text);
}

/** The folder of rustdoc's pages. */
async function docs() {
  const metadata = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
  const { stdout } = await promisify(execFile)("cargo", metadata, { cwd: ROOT, maxBuffer: 1 << 24 });
  return join(JSON.parse(stdout).target_directory, "doc");
}
