/** The peer in plain Python, against real tabs and `bss`. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, serveEcho, tryConnect } from "../browser/fixture.ts";
import { python } from "../harness/programs.mjs";
import { test } from "./running.ts";

const MIB = 1024 * 1024;
const PEER = fileURLToPath(new URL("../../examples/python-peer/peer.py", import.meta.url));

test("python-peer has at most 100 lines, and needs nothing but Python's standard library", async () => {
  const source = await readFile(PEER, "utf8");
  expect(source.split("\n").length - 1).toBeLessThanOrEqual(100);
  const imports = [...source.matchAll(/^(?:from (\S+) )?import (.*)$/gm)].flatMap(([, from, names = ""]) =>
    from === undefined ? names.split(", ") : [from],
  );
  const standard = ["base64", "http.client", "json", "os", "signal", "struct", "sys", "threading", "urllib.parse"];
  expect(imports.sort()).toEqual(standard);
});

test("python-peer connects to a tab that echoes: each line comes back, and Ctrl-D ends it well", async ({
  run,
  tab,
  name,
  realProxy,
}) => {
  await serveEcho(await tab(), name);
  const program = run(python(), PEER, realProxy.mux, "connect", name);
  for (const line of ["hello", "and once more"]) {
    program.type(line);
    expect(await program.line()).toBe(line);
  }
  program.endInput();
  expect(await program.exit()).toBe(0);
});

test("python-peer sends a tab more than a window, and gets it back whole", async ({ run, tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const program = run(python(), PEER, realProxy.mux, "connect", name);
  const line = `${name} `.repeat(MIB / name.length);
  program.type(line);
  program.endInput();
  expect((await program.line()) === line).toBe(true);
  expect(await program.exit()).toBe(0);
});

test("python-peer says not_found where nobody serves the name", async ({ run, name, realProxy }) => {
  const program = run(python(), PEER, realProxy.mux, "connect", name);
  expect(await program.exit()).toBe(1);
  expect(program.errors).toContain("not_found");
});

test("python-peer serves tabs: 100 streams at once and 16 MiB, and gives its name up at Ctrl-C", async ({
  run,
  tab,
  realProxy,
}) => {
  // A name that is percent-encoded in its path.
  const name = "Pythons Echo, 日本";
  const program = run(python(), PEER, realProxy.mux, "listen", name);
  const page = await tab();
  const { id, equal } = await page.evaluate(
    async ({ name, big, small }) => {
      const mdm = bss.MuxDemux();
      const exchange = async (seed: number, bytes: number) => {
        // A peer that knows nothing of resuming is asked, and answers as it should.
        const stream = bss.StreamClient(mdm).connect(name, { wait: 10_000 });
        const [sent, received] = await Promise.all([t.send(stream.writable, seed, bytes), t.receive(stream.readable)]);
        await stream.closed;
        return { id: stream.id, equal: sent.bytes === received.bytes && sent.sha === received.sha };
      };
      const one = await exchange(1, big);
      const hundred = await Promise.all(Array.from({ length: 100 }, (_, i) => exchange(i, small + i)));
      return { id: one.id, equal: [one, ...hundred].filter(({ equal }) => equal).length };
    },
    { name, big: 16 * MIB, small: 64 * 1024 },
  );
  expect(equal).toBe(101);
  await expect.poll(() => program.errors).toContain(`client ${id}`);
  program.interrupt();
  expect(await program.exit()).toBe(0);
  await expect.poll(() => tryConnect(page, name)).toMatchObject({ ok: false, code: "not_found" });
});

test("python-peer that serves stays where a tab resets its stream, or goes", async ({ run, tab, name, realProxy }) => {
  const program = run(python(), PEER, realProxy.mux, "listen", name);
  const [page, leaver] = [await tab(), await tab()];
  for (const each of [page, leaver]) {
    await each.evaluate(async (name) => {
      kept.stream = bss.StreamClient(bss.MuxDemux()).connect(name, { wait: 10_000 });
      kept.stream.closed.catch(() => {});
      await kept.stream.opened;
    }, name);
  }
  await page.evaluate(() => kept.stream.reset(4001));
  await leaver.context().close();
  expect(await tryConnect(page, name)).toMatchObject({ ok: true });
  program.interrupt();
  expect(await program.exit()).toBe(0);
});
