/** The Rust examples, and a process with streams of its own, against real tabs. */

import { readFile } from "node:fs/promises";
import { expect, serveEcho, tryConnect } from "../browser/fixture.ts";
import { embed, pusher, rustPeer } from "../harness/programs.mjs";
import { test } from "./running.ts";

test("embed says what its README says: a tab serves, answers its greeting, and is closed", async ({
  run,
  tab,
  name,
}) => {
  const readme = await readFile(new URL("../../examples/embed/README.md", import.meta.url), "utf8");
  const told = /^```\n(server\.created .*?)\n```$/ms.exec(readme)?.[1] ?? "";
  const [created, answered, destroyed, ...rest] = told.replaceAll("echo-1234", name).split("\n");
  expect(rest).toEqual([]);

  const program = run(embed(), "0");
  const page = await tab(await program.url());
  await serveEcho(page, name);
  expect(await program.line()).toBe(created);
  expect(await program.line()).toBe(answered);
  await page.context().close();
  expect(await program.line()).toBe(destroyed);
});

test("embed's page leads to the echo example, which counts the program as a client", async ({ run, tab, name }) => {
  const program = run(embed(), "0");
  const page = await tab(await program.url());
  await page.getByRole("link", { name: "Open the echo example" }).click();
  await page.getByLabel("Name").fill(name);
  await page.getByRole("button", { name: "Serve" }).click();
  await expect(page.locator("#served")).toHaveText("1");
  expect(await program.line()).toContain(`server.created   ${name}`);
  expect(await program.line()).toContain(`${name} answered: hello from the program`);
  await page.getByRole("button", { name: "Stop" }).click();
  expect(await program.line()).toBe(`server.destroyed ${name} (Finished)`);
});

test("rust-peer connects to a tab that echoes: each line comes back, and Ctrl-D ends it well", async ({
  run,
  tab,
  name,
  realProxy,
}) => {
  await serveEcho(await tab(), name);
  const program = run(rustPeer(), realProxy.mux, "connect", name);
  for (const line of ["hello", "and once more"]) {
    program.type(line);
    expect(await program.line()).toBe(line);
  }
  program.endInput();
  expect(await program.exit()).toBe(0);
});

test("rust-peer says not_found where nobody serves the name", async ({ run, name, realProxy }) => {
  const program = run(rustPeer(), realProxy.mux, "connect", name);
  expect(await program.exit()).toBe(1);
  expect(program.errors).toContain("not_found");
});

test("rust-peer serves a tab, prints its id, and gives the name up at Ctrl-C", async ({
  run,
  tab,
  name,
  realProxy,
}) => {
  const program = run(rustPeer(), realProxy.mux, "listen", name);
  const page = await tab();
  const { echoed, id, carrier } = await page.evaluate(async (name) => {
    // A program has no direct connections: the stream stays where it is.
    const stream = bss.StreamClient(bss.MuxDemux(), { direct: true }).connect(name, { wait: 10_000 });
    await t.say(stream.writable, "hello, program");
    return { echoed: await t.text(stream.readable), id: stream.id, carrier: stream.carrier };
  }, name);
  expect([echoed, carrier]).toEqual(["hello, program", "proxy"]);
  expect(id).toBeTruthy();
  await expect.poll(() => program.errors).toContain(`client ${id}`);
  program.interrupt();
  expect(await program.exit()).toBe(0);
  await expect.poll(() => tryConnect(page, name)).toMatchObject({ ok: false, code: "not_found" });
});

test("a process opens a stream to a tab, which gets its path and meta and answers it", async ({ run, tab, name }) => {
  const program = run(pusher());
  const page = await tab(await program.url());
  const taken = await page.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const done = t.gate<unknown>();
    mdm.on("stream", async (stream, meta) => {
      const text = await t.text(stream.readable);
      await t.say(stream.writable, `heard ${text}`);
      done.open({ path: stream.path, meta, text });
    });
    await bss.StreamServer(mdm).listen(name).listening;
    return await done.passed;
  }, name);
  expect(taken).toEqual({ path: "/push", meta: { n: 1 }, text: "news" });
  expect(await program.line()).toBe("answered: heard news");
});

test("a process hears not_found from a tab that listens for no streams", async ({ run, tab, name }) => {
  const program = run(pusher());
  await serveEcho(await tab(await program.url()), name);
  expect(await program.line()).toBe("refused: not_found");
});

test("a tab opens a stream to a route of the process, and is told not_found where there is none", async ({
  run,
  tab,
}) => {
  const page = await tab(await run(pusher()).url());
  const { shouted, nobody } = await page.evaluate(async () => {
    const mdm = bss.MuxDemux();
    const stream = mdm.createStream({ from: "a tab" }, { path: "/shout" });
    await t.say(stream.writable, "is anybody there?");
    const shouted = await t.text(stream.readable);
    await stream.closed;
    return { shouted, nobody: await t.outcome(mdm.createStream(null, { path: "/whisper" }).opened) };
  });
  expect(shouted).toBe("IS ANYBODY THERE?");
  expect(nobody).toMatchObject({ ok: false, code: "not_found", type: "StreamError" });
});
