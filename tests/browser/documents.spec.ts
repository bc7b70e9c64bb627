/** The documents of proxy/docs: who does what they say, in order, sees what they say. */

import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { steps } from "../harness/document.mjs";
import { expect, test } from "./fixture.ts";
import { Reader } from "./reader.ts";

const DOCS = new URL("../../proxy/docs/", import.meta.url);
const run = promisify(execFile);

/** Below those that the system gives out by itself, so that nobody is given one meanwhile. */
const PORTS_FROM = 21_000;

const documents = await Promise.all(
  (await readdir(DOCS)).sort().map(async (name) => ({ name, text: await readFile(new URL(name, DOCS), "utf8") })),
);

for (const { name, text } of documents) {
  const all = steps(text);
  if (!all.some(({ kind }) => ["sh", "js", "open"].includes(kind))) continue;
  test(`what ${name} tells its reader to do works, in order`, async ({ browser }, info) => {
    const reader = await Reader.with(await browser.newContext(), PORTS_FROM + 20 * info.parallelIndex);
    try {
      for (const step of all) await test.step(`line ${step.line}`, () => reader.make(step));
    } finally {
      await reader.end();
    }
  });
}

test("a fence that nobody knows how to run, or that does not end, is an error", () => {
  expect(() => steps("\n```python\nprint()\n```\n")).toThrow("line 2: nobody knows how to run `python`");
  expect(() => steps("```js nod\n```\n")).toThrow("line 1");
  expect(() => steps("```\n```\n")).toThrow("line 1");
  expect(() => steps("```sh\nls\n")).toThrow("does not end");
});

test("what is to be typed stands in no drawing", () => {
  const command = /^(\$ |bss |curl |tcpdump |npm |npx |node |cargo |make |docker |sudo )/m;
  const drawings = documents.flatMap(({ name, text }) =>
    steps(text).flatMap(({ kind, words, line, text }) =>
      kind === "text" && words === "" ? [{ at: `${name}:${line}`, text }] : [],
    ),
  );
  expect(drawings.length).toBeGreaterThan(0);
  expect(drawings.filter(({ text }) => command.test(text)).map(({ at }) => at)).toEqual([]);
});

test("each document with Rust in it is compiled", async () => {
  const harness = await readFile(new URL("../harness/lib.rs", import.meta.url), "utf8");
  const rust = documents.filter(({ text }) => steps(text).some(({ kind }) => kind.startsWith("rust")));
  expect(rust.length).toBeGreaterThan(0);
  for (const { name } of rust) expect(harness).toContain(`proxy/docs/${name}")`);
});

test("the scripts of the documents are right by their types, and those of other libraries can be read", async () => {
  const folder = new URL("../test-results/documents/", import.meta.url);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const scripts = documents.flatMap(({ name, text }) =>
    steps(text)
      .filter(({ kind }) => kind === "js")
      .map(({ words, line, text }) => ({ words, text, file: new URL(`${name}-${line}.mjs`, folder) })),
  );
  expect(scripts.length).toBeGreaterThan(0);
  for (const { file, text } of scripts) await writeFile(file, `${text}\nexport {};\n`);
  const ours = scripts.filter(({ words }) => words !== "theirs").map(({ file }) => fileURLToPath(file));
  const theirs = scripts.filter(({ words }) => words === "theirs").map(({ file }) => fileURLToPath(file));
  for (const file of theirs) await run(process.execPath, ["--check", file]);
  const shown = { noUnusedLocals: false, noUnusedParameters: false };
  const config = { extends: "../../tsconfig.json", compilerOptions: shown, files: ours, include: [] };
  await writeFile(new URL("tsconfig.json", folder), JSON.stringify(config));
  const tsc = fileURLToPath(new URL("../../browser-lib/node_modules/.bin/tsc", import.meta.url));
  const { stdout } = await run(tsc, ["--noEmit", "-p", fileURLToPath(folder)]).catch((error) => error);
  expect(stdout).toBe("");
});
