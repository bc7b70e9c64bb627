/** Names that their owners get back, and nobody else, in a real browser. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ListenOptions } from "browser-stream-server";
import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, type Page, test, tryConnect } from "./fixture.ts";

/** Claims `name` as `kept.server`, which echoes and keeps what it tells as `kept.told`; what came of it. */
async function listen(page: Page, name: string, options: ListenOptions = {}): Promise<string> {
  return await page.evaluate(
    async ({ name, options }) => {
      kept.mdm ??= bss.MuxDemux();
      const told: string[] = [];
      kept.told = told;
      kept.server = bss.StreamServer(kept.mdm, (stream) => {
        stream.readable.pipeTo(stream.writable).catch(() => {});
      });
      for (const event of ["listening", "suspended", "resumed", "close"]) kept.server.on(event, () => told.push(event));
      kept.server.on("error", ({ code }: { code: string }) => told.push(code));
      return (await t.outcome(kept.server.listen(name, options).listening)).code || "ok";
    },
    { name, options },
  );
}

const told = (page: Page): Promise<string[]> => page.evaluate(() => kept.told);
const claimId = (page: Page): Promise<string> => page.evaluate(async () => (await kept.server.listening).id);
const locks = (page: Page) =>
  page.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name) ?? []);

/** The proxy behind a shim, with a lease key that the next one may use, too. */
async function restartable(run: (scene: Scene) => Promise<void>): Promise<void> {
  const made = await setUp();
  try {
    await run(made);
  } finally {
    await made.end();
  }
}

type Scene = Awaited<ReturnType<typeof setUp>>;

async function setUp() {
  const folder = mkdtempSync(join(tmpdir(), "bss-lease-"));
  const start = () => startProxy(["--lease-key", join(folder, "key")]);
  let proxy = await start();
  const shim = await startShim(proxy.port);
  return {
    shim,
    proxy: () => proxy,
    start: async () => {
      proxy = await start();
      return proxy;
    },
    end: async () => {
      await shim.stop();
      await proxy.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

test("a server whose connection is cut has its name back, and its clients find it", async ({
  tab,
  name,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const [server, client] = await Promise.all([tab(shim.url), tab()]);
  await listen(server, name);
  const id = await claimId(server);
  await client.evaluate((name) => {
    kept.mdm = bss.MuxDemux();
    kept.watch = bss.StreamClient(kept.mdm).watch(name);
  }, name);
  for (let round = 1; round < 4; round++) {
    shim.refuse(true);
    shim.cut();
    await expect.poll(() => told(server).then((all) => all.length)).toBe(2 * round);
    // What the proxy asks a server whose connection it still believes in is answered `unresponsive`.
    await expect.poll(() => client.evaluate(() => kept.watch.state)).toBe("suspended");
    // A client waits for the owner, and is served by the same one.
    const waiting = tryConnect(client, name, { wait: 0 });
    shim.refuse(false);
    expect(await waiting).toMatchObject({ ok: true, code: "" });
    await expect.poll(() => told(server).then((all) => all.length)).toBe(1 + 2 * round);
  }
  expect(await told(server)).toEqual(["listening", ...Array(3).fill(["suspended", "resumed"])].flat());
  expect(await claimId(server)).toBe(id);
  await shim.stop();
});

test("threat_02_an_owner_takes_its_name_from_its_own_half_open_session", async ({ tab, name, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const [server, client] = await Promise.all([tab(shim.url), tab()]);
  await listen(server, name);
  shim.stall();
  await server.evaluate(() => dispatchEvent(new Event("online")));
  await expect.poll(() => told(server), { timeout: 40_000 }).toEqual(["listening", "suspended", "resumed"]);
  expect(await tryConnect(client, name, { wait: 0 })).toMatchObject({ ok: true });
  // What the old session is told at last (superseded) means nothing to the new one.
  shim.flow();
  expect(await tryConnect(client, name, { wait: 0 })).toMatchObject({ ok: true });
  expect(await told(server)).toEqual(["listening", "suspended", "resumed"]);
  await shim.stop();
});

test("threat_03_a_stranger_gets_no_name_in_the_grace_of_a_crashed_tab", async ({ tab, name }) => {
  const [server, stranger] = await Promise.all([tab(), tab()]);
  await listen(server, name);
  const crashed = server.waitForEvent("crash");
  server.goto("chrome://crash").catch(() => {});
  await crashed;
  await expect.poll(() => listen(stranger, name)).toBe("name_reserved");
});

test("a tab that is closed, or goes elsewhere, lets go of its name", async ({ tab, name, realProxy }) => {
  const [first, second, third] = await Promise.all([tab(), tab(), tab()]);
  await listen(first, name);
  expect(await listen(second, name)).toBe("name_taken");
  // A page that is busy may be gone before it could tell anybody.
  await first.evaluate(() => {});
  await first.close({ runBeforeUnload: true });
  await expect.poll(() => listen(second, name)).toBe("ok");
  await second.goto(`${realProxy.url}examples/echo/`);
  await expect.poll(() => listen(third, name)).toBe("ok");
});

test("a page that is loaded again gets its name again, many times over", async ({ tab, name }) => {
  const page = await tab();
  for (let round = 0; round < 10; round++) {
    expect(await listen(page, name), `load ${round}`).toBe("ok");
    await page.reload();
    await page.evaluate(async () => {
      globalThis.bss = await import("/browser-stream-server.js");
    });
  }
});

test("a lease that the tab keeps brings the same claim back after a reload, and no stranger in between", async ({
  tab,
  name,
}) => {
  const [page, stranger] = await Promise.all([tab(), tab()]);
  await listen(page, name, { persist: "tab" });
  const id = await claimId(page);
  await page.goto("about:blank");
  await expect.poll(() => listen(stranger, name)).toBe("name_reserved");
  await page.goBack();
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  expect(await listen(page, name, { persist: "tab" })).toBe("ok");
  expect(await claimId(page)).toBe(id);
});

test("threat_33_a_duplicated_tab_has_no_lease_and_the_owner_goes_on", async ({ tab, name }) => {
  const page = await tab();
  await listen(page, name, { persist: "tab" });
  const opening = page.waitForEvent("popup");
  // A page that another one opens starts with a copy of its tab's storage, as a duplicate does.
  await page.evaluate(() => {
    sessionStorage.setItem("copied", "yes");
    window.open(location.href);
  });
  const copy = await opening;
  await copy.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
  });
  expect(await copy.evaluate(() => sessionStorage.getItem("copied"))).toBe("yes");
  expect(await listen(copy, name, { persist: "tab" })).toBe("name_taken");
  expect(await told(page)).toEqual(["listening"]);
});

test("threat_33_a_lease_used_elsewhere_supersedes_its_owner_who_never_claims_again", async ({
  tab,
  name,
  realProxy,
}) => {
  const shim = await startShim(realProxy.port);
  const [owner, thief] = await Promise.all([tab(shim.url), tab()]);
  await listen(owner, name);
  const lease = await owner.evaluate(() => kept.server.lease);
  expect(await listen(thief, name, { lease })).toBe("ok");
  await expect.poll(() => told(owner)).toEqual(["listening", "superseded", "close"]);
  await owner.evaluate(() => {
    kept.again = t.gate();
    kept.mdm.on("open", () => kept.again.open());
  });
  shim.cut();
  // Said over the connection that is cut it would be said again over the next, as one attempt more.
  await owner.evaluate(() => kept.again.passed);
  // The same lease as it was, which is a lower attempt now.
  expect(await listen(owner, name, { lease })).toBe("superseded");
  expect(await told(thief)).toEqual(["listening"]);
  expect(await tryConnect(owner, name, { wait: 0 })).toMatchObject({ ok: true });
  await shim.stop();
});

test("a claim that stands by has the name when it is free", async ({ tab, name }) => {
  const [first, second] = await Promise.all([tab(), tab()]);
  await listen(first, name);
  const waiting = listen(second, name, { standby: true });
  expect(await Promise.race([waiting, tryConnect(first, name, { wait: 0 })])).toMatchObject({ ok: true });
  await first.evaluate(() => kept.server.end());
  expect(await waiting).toBe("ok");
});

test("a watch tells up, suspended and gone", async ({ tab, name, realProxy }) => {
  const shim = await startShim(realProxy.port);
  const [server, watcher] = await Promise.all([tab(shim.url), tab()]);
  await watcher.evaluate((name) => {
    kept.mdm = bss.MuxDemux();
    kept.watch = bss.StreamClient(kept.mdm).watch(name);
    kept.states = [];
    (async () => {
      for await (const state of kept.watch) kept.states.push(state);
      kept.states.push("end");
    })();
  }, name);
  const states = () => watcher.evaluate(() => kept.states);
  await expect.poll(states).toEqual(["gone"]);
  await listen(server, name);
  await expect.poll(states).toEqual(["gone", "up"]);
  shim.refuse(true);
  shim.cut();
  await expect.poll(states).toEqual(["gone", "up", "suspended"]);
  shim.refuse(false);
  await expect.poll(states).toEqual(["gone", "up", "suspended", "up"]);
  await server.evaluate(() => kept.server.end());
  await expect.poll(states).toEqual(["gone", "up", "suspended", "up", "gone"]);
  await watcher.evaluate(() => kept.watch.close());
  await expect.poll(states).toContain("end");
  await shim.stop();
});

test("a lock is held while a name is, so that its tab is not frozen", async ({ tab, name }) => {
  const page = await tab();
  expect(await locks(page)).toEqual([]);
  await listen(page, name);
  expect(await locks(page)).toEqual(["browser-stream-server"]);
  await page.evaluate(() => kept.server.end());
  await expect.poll(() => locks(page)).toEqual([]);
});

test("a proxy that was killed and started again honours the lease over one who came without", async ({ tab, name }) => {
  await restartable(async ({ shim, proxy, start }) => {
    const server = await tab(shim.url);
    await listen(server, name);
    const id = await claimId(server);
    shim.refuse(true);
    await proxy().kill();
    const next = await start();
    const stranger = await tab(next.url);
    expect(await listen(stranger, name, { lease: false })).toBe("ok");
    shim.to(next.port);
    shim.refuse(false);
    await server.evaluate(() => dispatchEvent(new Event("online")));
    await expect.poll(() => told(server)).toEqual(["listening", "suspended", "resumed"]);
    await expect.poll(() => told(stranger)).toEqual(["listening", "superseded", "close"]);
    expect(await tryConnect(stranger, name, { wait: 0 })).toMatchObject({ ok: true });
    expect(await claimId(server)).toBe(id);
  });
});

test("threat_20_threat_30_a_proxy_that_drains_loses_no_name_and_cuts_no_stream_that_finishes_in_time", async ({
  tab,
  name,
}) => {
  await restartable(async ({ shim, proxy, start }) => {
    const [server, client] = await Promise.all([tab(shim.url), tab(shim.url)]);
    await listen(server, name);
    await client.evaluate(async (name) => {
      kept.mdm = bss.MuxDemux();
      kept.drained = new Promise((resolve) => kept.mdm.once("drain", resolve));
      kept.stream = bss.StreamClient(kept.mdm).connect(name);
      await kept.stream.opened;
    }, name);
    const old = proxy();
    const next = await start();
    shim.to(next.port);
    const gone = old.stop();
    await client.evaluate(() => kept.drained);
    // The next connection is dialed when the proxy said; who serves is there, too, with the name.
    expect(await tryConnect(client, name, { wait: 10_000 })).toMatchObject({ ok: true });
    const echoed = client.evaluate(async () => {
      const [, text] = await Promise.all([t.say(kept.stream.writable, "to the end"), t.text(kept.stream.readable)]);
      return text;
    });
    expect(await echoed).toBe("to the end");
    await gone;
    expect(await told(server)).toEqual(["listening"]);
  });
});
