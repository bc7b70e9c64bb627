/**
 * Every code of PROTOCOL.md, section 3 that can occur so far, as the library tells it. `name_reserved` and `superseded` come with
 * leases, `unauthorized` with tokens, `draining` with the graceful shutdown, `lagging` with channels.
 */

import { MuxPeer, RST } from "../harness/mux-peer.mjs";
import { expect, type Page, serveEcho, test, tryConnect } from "./fixture.ts";

test("bad_request: a name that cannot be one", async ({ tab }) => {
  const page = await tab();
  expect(await tryConnect(page, "")).toMatchObject({ ok: false, code: "bad_request", type: "StreamError" });
});

test("not_found: nobody serves the name, at once with wait 0", async ({ tab, name }) => {
  const page = await tab();
  const refused = await tryConnect(page, name, { wait: 0 });
  expect(refused).toMatchObject({ ok: false, code: "not_found", number: 2 });
  expect(refused.ms).toBeLessThan(1_500);
});

test("not_found: nobody serves the name within the two seconds that a connect waits by itself", async ({
  tab,
  name,
}) => {
  const page = await tab();
  const refused = await tryConnect(page, name);
  expect(refused).toMatchObject({ ok: false, code: "not_found" });
  expect(refused.ms).toBeGreaterThan(1_900);
  expect(refused.ms).toBeLessThan(6_000);
});

test("not_found: what a client wrote early fails with the same code", async ({ tab, name }) => {
  const page = await tab();
  const [write, read, closed] = await page.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name, { wait: 100 });
    return await Promise.all([
      t.outcome(t.send(stream.writable, 1, 4 << 20)),
      t.outcome(t.receive(stream.readable)),
      t.outcome(stream.closed),
    ]);
  }, name);
  expect([write.code, read.code, closed.code]).toEqual(["not_found", "not_found", "not_found"]);
});

test("not_found: the proxy has no such route", async ({ tab }) => {
  const page = await tab();
  const outcome = await page.evaluate(() =>
    t.outcome(bss.MuxDemux().createStream(undefined, { path: "/no/such/route" }).opened),
  );
  expect(outcome.code).toBe("not_found");
});

test("name_taken: a second tab claims a served name, and the first goes on", async ({ tab, name }) => {
  const [first, second] = await Promise.all([tab(), tab()]);
  await serveEcho(first, name);
  const taken = await second.evaluate(async (name) => {
    const server = bss.StreamServer(bss.MuxDemux(), () => {});
    return await t.outcome(server.listen(name).listening);
  }, name);
  expect(taken).toMatchObject({ ok: false, code: "name_taken", number: 3, type: "StreamError" });
  expect((await tryConnect(second, name)).ok).toBe(true);
});

for (const code of ["forbidden", "busy", "bad_request", "gone"] as const) {
  test(`${code}: a server refuses with it`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await server.evaluate(
      async ({ name, code }) => {
        const handler = bss.StreamServer(bss.MuxDemux(), { accept: () => code }, () => {});
        await handler.listen(name).listening;
      },
      { name, code },
    );
    expect(await tryConnect(client, name)).toMatchObject({ ok: false, code });
  });
}

test("4001: a server refuses with a code of its own", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), { accept: () => 4001 }, () => {});
    await handler.listen(name).listening;
  }, name);
  expect(await tryConnect(client, name)).toMatchObject({ ok: false, number: 4001 });
});

test("internal: a server's accept throws, and the tab goes on", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    let calls = 0;
    const accept = () => {
      if (calls++ === 0) throw new Error("a bug in the page");
      return true;
    };
    const handler = bss.StreamServer(bss.MuxDemux(), { accept }, () => {});
    // The page's own error is reported to the page; here that is expected.
    window.addEventListener("unhandledrejection", (event) => event.preventDefault());
    window.addEventListener("error", (event) => event.preventDefault());
    await handler.listen(name).listening;
  }, name);
  expect(await tryConnect(client, name)).toMatchObject({ ok: false, code: "internal" });
  expect(await tryConnect(client, name)).toMatchObject({ ok: true });
});

test("busy: one client more than clientsMax, until another leaves", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), { clientsMax: 2 }, (stream) => {
      stream.readable.pipeTo(stream.writable).catch(() => {});
    });
    await handler.listen(name).listening;
  }, name);
  const third = await client.evaluate(async (name) => {
    const connect = () => bss.StreamClient(kept.mdm).connect(name);
    kept.mdm = bss.MuxDemux();
    const two = [connect(), connect()];
    await Promise.all(two.map((stream) => stream.opened));
    const third = await t.outcome(connect().opened);
    await two[0]?.writable.close();
    await t.outcome(two[0]?.closed as Promise<void>);
    return third;
  }, name);
  expect(third).toMatchObject({ ok: false, code: "busy" });
  // The server may know a moment later that one has left.
  await expect.poll(() => tryConnect(client, name)).toMatchObject({ ok: true });
});

/** Pauses the server of a tab, and comes back when the proxy knows. */
async function pause(server: Page, name: string): Promise<void> {
  await server.evaluate(() => kept.server.pause());
  // Notes and opens of one session are taken in order: with this refusal, the pause has arrived.
  await tryConnect(server, `${name}-nobody`, { wait: 0 });
}

test("busy: a paused server makes connects wait, and refuses them after 15 seconds", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  await pause(server, name);
  const refused = await tryConnect(client, name);
  expect(refused).toMatchObject({ ok: false, code: "busy" });
  expect(refused.ms).toBeGreaterThan(14_000);
});

test("a connect that waits for a paused server is let in when it resumes", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  await pause(server, name);
  await client.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    const stream = bss.StreamClient(kept.mdm).connect(name);
    kept.open = false;
    kept.opened = stream.opened.then(() => {
      kept.open = true;
    });
  }, name);
  await tryConnect(client, `${name}-nobody`, { wait: 0 });
  expect(await client.evaluate(() => kept.open)).toBe(false);
  await server.evaluate(() => kept.server.resume());
  await client.evaluate(() => kept.opened);
});

test("timeout: a server that never answers, after 15 seconds, and its half is reset too", async ({
  tab,
  name,
  realProxy,
}) => {
  const client = await tab();
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  const connecting = tryConnect(client, name);
  const { id } = await server.accept();
  const late = await connecting;
  expect(late).toMatchObject({ ok: false, code: "timeout" });
  expect(late.ms).toBeGreaterThan(14_000);
  expect(late.ms).toBeLessThan(20_000);
  await server.frame("the reset of the server's half", (frame) => frame.id === id && (frame.flags & RST) !== 0);
  await server.close();
});

test("unresponsive: a server tab dies before it answered", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const asked = t.gate<void>();
    kept.asked = asked.passed;
    const accept = () => {
      asked.open();
      return new Promise<true>(() => {});
    };
    await bss.StreamServer(bss.MuxDemux(), { accept }, () => {}).listen(name).listening;
  }, name);
  const connecting = tryConnect(client, name);
  await server.evaluate(() => kept.asked);
  await server.context().close();
  expect(await connecting).toMatchObject({ ok: false, code: "unresponsive" });
});

test("gone: end({ now: true }) resets the clients, end() lets them finish", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  for (const now of [true, false]) {
    const which = `${name}-${now}`;
    await serveEcho(server, which);
    await client.evaluate(async (which) => {
      kept.mdm ??= bss.MuxDemux();
      kept.stream = bss.StreamClient(kept.mdm).connect(which);
      await kept.stream.opened;
    }, which);
    const ended = server.evaluate(async (now) => {
      const closed = new Promise<string>((resolve) => kept.server.on("close", () => resolve("close")));
      kept.server.end(now ? { now } : undefined);
      return await closed;
    }, now);
    // No new clients from here on: the name is free.
    await expect.poll(async () => (await tryConnect(client, which, { wait: 0 })).code).toBe("not_found");
    if (now) {
      const end = await client.evaluate(() => t.outcome(t.receive(kept.stream.readable)));
      expect(end).toMatchObject({ ok: false, code: "gone" });
    } else {
      const [sent, received] = await client.evaluate(() =>
        Promise.all([t.send(kept.stream.writable, 1, 4 << 20), t.receive(kept.stream.readable)]),
      );
      expect(received).toEqual(sent);
    }
    expect(await ended).toBe("close");
  }
});

test("lost: the session of a claim is dropped, and the server hears it", async ({ tab, name }) => {
  const server = await tab();
  await serveEcho(server, name);
  const closed = await server.evaluate(async () => {
    const closed = t.outcome(kept.server.closed);
    kept.mdm.close();
    return await closed;
  });
  expect(closed).toMatchObject({ ok: false, code: "lost" });
});

test("cancelled: an AbortSignal ends a connect that waits", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const outcome = await client.evaluate(async (name) => {
    const abort = new AbortController();
    kept.mdm = bss.MuxDemux();
    const stream = bss.StreamClient(kept.mdm).connect(name, { signal: abort.signal, wait: 15_000 });
    // The refusal of a later open shows that the proxy has the first, and then that it knows of its end.
    const refusal = () => t.outcome(bss.StreamClient(kept.mdm).connect(`${name}-nobody`, { wait: 0 }).opened);
    await refusal();
    abort.abort();
    const end = await t.outcome(stream.opened);
    await refusal();
    return end;
  }, name);
  expect(outcome).toMatchObject({ ok: false, code: "cancelled", type: "StreamError" });
  // The server that comes later never hears of it: its first client is the next one.
  await server.evaluate(async (name) => {
    const first = t.gate<unknown>();
    kept.first = first.passed;
    await bss.StreamServer(bss.MuxDemux(), (stream) => first.open(stream.meta)).listen(name).listening;
  }, name);
  await client.evaluate(async (name) => {
    await bss.StreamClient(kept.mdm).connect(name, { meta: "the next one" }).opened;
  }, name);
  expect(await server.evaluate(() => kept.first)).toBe("the next one");
});

test("unsupported: an open that needs what the server does not have", async ({ tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const peer = await MuxPeer.dial(realProxy.mux);
  const id = peer.open({ path: `/browser-server/connect/${name}`, need: ["seal"] });
  const message = expect.stringContaining("the server takes no sealed streams: start it with `sealed`");
  expect(await peer.message(id)).toMatchObject({ error: { code: "unsupported", message } });
  await peer.close();
});
