/** Runs of `bss` beside the tabs of a test. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bss } from "../harness/programs.mjs";
import { test as base } from "./fixture.ts";

export { expect, type Page } from "./fixture.ts";

interface Program {
  child: ChildProcessWithoutNullStreams;
  /** The next line that it prints. */
  line: () => Promise<string>;
  /** How it ends, and what it says on stderr. */
  ended: Promise<{ code: number | null; said: string }>;
}

interface Fixtures {
  /** Runs `bss` with these arguments; it is killed with the test. */
  run: (...args: string[]) => Program;
  /** A folder of this test. */
  folder: string;
}

export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  folder: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), "bss-exchange-"));
    await use(folder);
    rmSync(folder, { recursive: true });
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  run: async ({}, use) => {
    const running: ChildProcessWithoutNullStreams[] = [];
    await use((...args) => {
      const child = spawn(bss(), args);
      running.push(child);
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      let said = "";
      child.stderr.on("data", (text) => {
        said += text;
      });
      return {
        child,
        line: async () => (await lines.next()).value,
        ended: once(child, "close").then(([code]) => ({ code, said })),
      };
    });
    for (const child of running) child.kill("SIGKILL");
  },
});
