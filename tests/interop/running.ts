/** A program that a test runs beside its pages. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test as base } from "../browser/fixture.ts";
import { within } from "../harness/wait.mjs";

/** A running program: its lines, and its end. */
export class Running {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown[]>;
  #errors = "";

  constructor([program, ...args]: string[]) {
    const child = spawn(program as string, args, { stdio: "pipe" });
    this.#child = child;
    this.#ended = once(child, "close");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.on("data", (text) => {
      this.#errors += text;
    });
  }

  /** What it wrote to its standard error so far. */
  get errors(): string {
    return this.#errors;
  }

  async line(): Promise<string> {
    const { value, done } = await within(60_000, `a line of the program; it said ${this.#errors}`, this.#lines.next());
    if (done) throw new Error(`the program ended: ${this.#errors}`);
    return value;
  }

  /** The address that stands in its next line. */
  async url(): Promise<string> {
    const line = await this.line();
    const found = / (http:\/\/\S+\/)$/.exec(line)?.[1];
    if (found === undefined) throw new Error(`no address in ${line}`);
    return found;
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** What Ctrl-D does. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** What Ctrl-C does. */
  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  /** Its exit code, once it ended by itself. */
  async exit(): Promise<unknown> {
    const [code] = await within(60_000, `the program's end; it said ${this.#errors}`, this.#ended);
    return code;
  }

  async stop(): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }
}

interface Fixtures {
  /** Starts a program, which is ended with the test. */
  run: (program: string, ...args: string[]) => Running;
}

export const test = base.extend<Fixtures>({
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs off this pattern
  run: async ({}, use) => {
    const all: Running[] = [];
    await use((...command) => {
      const running = new Running(command);
      all.push(running);
      return running;
    });
    await Promise.all(all.map((running) => running.stop()));
  },
});
