/** HTTP into a tab of a real browser, much of it: megabytes each way, a hundred at once, and an answer that breaks off. */

import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { install } from "../harness/in-page.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { test as base, expect, type Page } from "./fixture.ts";
import { HTML, serve } from "./site.ts";

install();

const LONG = process.env.LONG === "1";
/** Each way. */
const BYTES = (LONG ? 64 : 4) * 1024 * 1024;
/** Fewer than the proxy takes from one address. */
const MANY = 100;

/** The pages of a proxy that speaks TLS, and so HTTP/2. */
const test = base.extend<{ secureTab: () => Promise<Page> }>({
  secureTab: async ({ browser }, use) => {
    const folder = mkdtempSync(join(tmpdir(), "bss-http-"));
    const proxy = await startProxy(["--tls", "self-signed", "--tls-dir", folder]);
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    await context.addInitScript(install);
    await use(async () => {
      const page = await context.newPage();
      await page.goto(proxy.url);
      await page.evaluate(async () => {
        globalThis.bss = await import("/browser-stream-server.js");
      });
      return page;
    });
    await context.close();
    await proxy.stop();
    rmSync(folder, { recursive: true });
  },
});

test.describe.configure({ mode: "parallel" });

/** Gives bytes of a pattern, and the digest of what it is sent. */
const BULK = `async (request) => {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/") return ${HTML};
  if (request.method === "POST") return Response.json(await t.receive(request.body));
  const { readable, writable } = new TransformStream();
  t.send(writable, 5, Number(searchParams.get("bytes"))).catch(() => {});
  return new Response(readable);
}`;

/** Begins with an answer, and never comes to its end. */
const ENDLESS = `async (request) => {
  if (new URL(request.url).pathname === "/") return ${HTML};
  return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(65_536)) }));
}`;

/** Waits until so many are here, and tells each what it asked for. */
const ALL_HERE = `async (request) => {
  const { pathname, search } = new URL(request.url);
  if (pathname === "/") return ${HTML};
  kept.here ??= { count: 0, all: t.gate() };
  if (++kept.here.count === ${MANY}) kept.here.all.open();
  await kept.here.all.passed;
  return new Response(search + "\\n");
}`;

function curl(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn("curl", ["-sS", "--noproxy", "*", ...args]);
}

/** A page beside the server's, at the server's own host. */
async function visit(server: Page, url: string): Promise<Page> {
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  return visitor;
}

test("megabytes go to curl and come from it, every byte", async ({ tab, name }) => {
  const server = await tab();
  const url = await serve(server, name, BULK);
  const getting = curl(`${url}get?bytes=${BYTES}`);
  const got = await t.receive(Readable.toWeb(getting.stdout) as ReadableStream<Uint8Array>);
  expect(got).toEqual(await t.digest(5, BYTES));
  const posting = curl("-X", "POST", "-T", "-", `${url}post`);
  // Read from the start: Node throws away what a program said that nobody had begun to read when it ended.
  const answer = t.text(Readable.toWeb(posting.stdout) as ReadableStream<Uint8Array>);
  const sent = await t.send(Writable.toWeb(posting.stdin), 3, BYTES);
  expect(JSON.parse(await answer)).toEqual(sent);
});

for (const over of ["HTTP/1.1", "HTTP/2"]) {
  test(`megabytes go to a page and come from it over ${over}, every byte`, async ({ tab, secureTab, name }) => {
    const server = await (over === "HTTP/2" ? secureTab() : tab());
    const visitor = await visit(server, await serve(server, name, BULK));
    const { got, posted, sent, protocols } = await visitor.evaluate(async (bytes) => {
      const read = async (response: Response) => await t.receive(response.body as ReadableStream<Uint8Array>);
      const got = await read(await fetch(`/get?bytes=${bytes}`));
      const body = new Blob([t.pattern(3, 0, bytes) as Uint8Array<ArrayBuffer>]);
      const posted = await (await fetch("/post", { method: "POST", body })).json();
      const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
      const protocols = [...new Set(entries.map(({ nextHopProtocol }) => nextHopProtocol))];
      return { got, posted, sent: await t.digest(3, bytes), protocols };
    }, BYTES);
    expect(protocols).toEqual([over === "HTTP/2" ? "h2" : "http/1.1"]);
    expect(got).toEqual(await t.digest(5, BYTES));
    expect(posted).toEqual(sent);
    await visitor.close();
  });
}

const asked = Array.from({ length: MANY }, (_, index) => `?${index}`);

test("a hundred that ask a tab at once are all there at once, each with its own answer", async ({ tab, name }) => {
  const url = await serve(await tab(), name, ALL_HERE);
  const parallel = ["-Z", "--parallel-immediate", "--parallel-max", `${MANY}`];
  const { stdout } = await promisify(execFile)("curl", [
    ...["-sS", "--noproxy", "*", ...parallel],
    ...asked.map((query) => `${url}ask${query}`),
  ]);
  expect(stdout.trimEnd().split("\n").sort()).toEqual([...asked].sort());
});

test("a page that asks a tab for a hundred at once has them over one connection", async ({ secureTab, name }) => {
  const server = await secureTab();
  const visitor = await visit(server, await serve(server, name, ALL_HERE));
  const answers = await visitor.evaluate(
    async (asked) => await Promise.all(asked.map(async (query) => (await (await fetch(`/ask${query}`)).text()).trim())),
    asked,
  );
  expect(answers).toEqual(asked);
  await visitor.close();
});

for (const over of ["HTTP/1.1", "HTTP/2"]) {
  test(`a tab that is closed in mid-answer leaves an error over ${over}, no answer that looks whole`, async ({
    tab,
    secureTab,
    name,
  }) => {
    const server = await (over === "HTTP/2" ? secureTab() : tab());
    const url = await serve(server, name, ENDLESS);
    const visitor = await visit(server, url);
    const child = curl("-N", "-k", `${url}endless`);
    await once(child.stdout, "data");
    child.stdout.resume();
    const code = once(child, "close").then(([code]) => code);
    await visitor.evaluate(async () => {
      const reader = ((await fetch("/endless")).body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      kept.end = (async () => {
        for (;;) if ((await reader.read()).done) return "whole";
      })().catch((error) => error.name);
    });
    await server.close();
    expect(await visitor.evaluate(() => kept.end)).toBe("TypeError");
    // 18: less than was to come. 56: reset. 92: HTTP/2 was reset.
    expect([18, 56, 92]).toContain(await code);
    await visitor.close();
  });
}
