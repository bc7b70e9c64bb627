/** Somebody who does what a document says, in a folder of their own, and looks whether it prints what it should. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, expect, type Page } from "@playwright/test";
import type { Step } from "../harness/document.mjs";
import { bss } from "../harness/programs.mjs";
import { within } from "../harness/wait.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The ports that documents name: each reader has others in their place. */
const PORTS = ["8080", "8081", "5173", "8000", "9000", "9090"];

/** A step that was made, and how to look at what it has printed. */
interface Made {
  name: string;
  printed: () => string | Promise<string>;
  /** What goes on. */
  child?: ChildProcess;
}

export class Reader {
  readonly #context: BrowserContext;
  readonly #folder: string;
  readonly #ports: Map<string, string>;
  readonly #made: Made[] = [];
  readonly #running: ChildProcess[] = [];
  readonly #errors: Error[] = [];

  constructor(context: BrowserContext, folder: string, ports: Map<string, string>) {
    this.#context = context;
    this.#folder = folder;
    this.#ports = ports;
    context.on("weberror", (error) => this.#errors.push(error.error()));
  }

  /** A reader whose ports are no other's: the first free ones from here on. */
  static async with(context: BrowserContext, first: number): Promise<Reader> {
    const folder = await mkdtemp(join(tmpdir(), "bss-reader-"));
    // The reader has built it, and has our library and `ws` from npm.
    await mkdir(join(folder, "target"));
    await symlink(dirname(bss()), join(folder, "target/release"));
    await mkdir(join(folder, "node_modules"));
    await symlink(join(ROOT, "browser-lib"), join(folder, "node_modules/browser-stream-server"));
    await symlink(join(ROOT, "tests/node_modules/ws"), join(folder, "node_modules/ws"));
    const ports = new Map<string, string>();
    let next = first;
    for (const port of PORTS) {
      while (!(await isFree(next))) next++;
      ports.set(port, `${next++}`);
    }
    return new Reader(context, folder, ports);
  }

  /** Makes the step; throws where it does not do what it should. */
  async make(step: Step): Promise<void> {
    const text = this.#here(step.text);
    switch (`${step.kind} ${step.words}`) {
      case "sh made": {
        const targets = text.trim().split(/\s+/).slice(1);
        await this.#runs("make", ["--dry-run", ...targets], ROOT);
        if (!targets.includes("run")) return;
        this.#start("exec bss serve");
        return this.#prints(`browser-stream-server is at ${this.#here("http://127.0.0.1:8080/")}`, undefined);
      }
      case "sh ":
        return this.#runs("sh", ["-euc", text], this.#folder, text);
      case "sh elsewhere":
        return this.#runs("sh", ["-nc", text], this.#folder, text);
      case "sh stays":
        return this.#start(text);
      case "sh again":
        await this.#interrupt(text);
        return this.#start(text);
      case "js node": {
        const file = join(this.#folder, `line-${step.line}.mjs`);
        await writeFile(file, text);
        return this.#start(`exec node '${file}'`);
      }
      case "js ":
        return this.#script(text, step.line);
      case "open ":
        return this.#open(text);
      case `${step.kind} ${step.words.replace(/^prints.*/, "prints")}`:
        if (step.kind === "text" && step.words !== "") return this.#prints(text, step.words.split(" ")[1]);
        if (step.kind === "html" || step.kind === "toml") await writeFile(join(this.#folder, step.words), text);
    }
  }

  async end(): Promise<void> {
    await this.#context.close();
    for (const { pid } of this.#running) {
      try {
        process.kill(-Number(pid), "SIGKILL");
      } catch {
        // It, and all that it started, has ended.
      }
    }
    await rm(this.#folder, { recursive: true });
    expect(this.#errors, "no page reported an error").toEqual([]);
  }

  /** The same with this reader's ports. */
  #here(text: string): string {
    return text.replace(/\b\d{4}\b/g, (port) => this.#ports.get(port) ?? port);
  }

  async #runs(program: string, args: string[], folder: string, name = program): Promise<void> {
    const { child, output } = this.#spawn(program, args, folder);
    this.#made.push({ name, printed: () => output.stdout });
    const [code] = await within(30_000, `the end of: ${name}`, once(child, "close"));
    expect(code, `${name}${output.stderr}`).toBe(0);
  }

  #start(text: string): void {
    const { child, output } = this.#spawn("sh", ["-euc", text], this.#folder);
    this.#made.push({ name: text, printed: () => output.stdout || output.stderr, child });
  }

  /** Presses Ctrl-C where this runs, and waits until it has ended. */
  async #interrupt(text: string): Promise<void> {
    const child = this.#made.findLast(({ name, child }) => name === text && child)?.child;
    if (child?.pid === undefined) throw new Error(`nothing of this goes on: ${text}`);
    const ended = once(child, "close");
    process.kill(-child.pid, "SIGINT");
    await within(40_000, `the end of: ${text}`, ended);
  }

  #spawn(program: string, args: string[], cwd: string) {
    const [port, target] = [this.#ports.get("8080"), join(this.#folder, "target/release")];
    const ours = Object.entries(process.env).filter(([name]) => !name.startsWith("BSS_"));
    const env = {
      ...Object.fromEntries(ours),
      HOME: this.#folder,
      PATH: `${target}:${process.env.PATH}`,
      PYTHONUNBUFFERED: "1",
      BSS_BIND: `127.0.0.1:${port}`,
      BSS_URL: `127.0.0.1:${port}`,
    };
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.#running.push(child);
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (text) => {
      output.stdout += text;
    });
    child.stderr.on("data", (text) => {
      output.stderr += text;
    });
    return { child, output };
  }

  /** A page of the proxy with this script in it; what it prints is what it says on the console. */
  async #script(code: string, line: number): Promise<void> {
    const page = await this.#context.newPage();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    const url = `http://127.0.0.1:${this.#ports.get("8080")}/line-${line}`;
    const body = `<!doctype html><link rel="icon" href="data:,"><script type="module">${code}</script>`;
    await page.route(url, (route) => route.fulfill({ contentType: "text/html", body }));
    this.#made.push({ name: `line ${line}`, printed: () => said.join("\n") });
    await page.goto(url);
  }

  async #open(url: string): Promise<void> {
    const page = await this.#context.newPage();
    this.#made.push({ name: url, printed: () => shown(page) });
    await page.goto(url);
  }

  /** Waits until the last step, or the last of that name, has printed this and nothing else; … stands for anything. */
  async #prints(text: string, name: string | undefined): Promise<void> {
    const step = this.#made.findLast((made) => name === undefined || made.name.includes(name));
    if (step === undefined) throw new Error(`no step ${name ?? ""} is there to print ${text}`);
    const escaped = text.trimEnd().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const expected = new RegExp(`^${escaped.replaceAll("…", ".*")}\\s*$`);
    await expect.poll(step.printed, { message: `what is printed by: ${step.name}`, timeout: 20_000 }).toMatch(expected);
  }
}

async function shown(page: Page): Promise<string> {
  return await page.locator("pre").innerText();
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
