/** Finish, reset and lost: three ends that are never mistaken for one another, whatever was still on its way. */

import { expect, type Page, test } from "./fixture.ts";

/** More than every buffer on the way holds, so that something is still queued when the end comes. */
const QUEUED = 12 * 1024 * 1024;

/** Makes the server tab keep each stream as `kept.stream`, once there is one, and do nothing. */
async function serveAndKeep(page: Page, name: string): Promise<void> {
  await page.evaluate(async (name) => {
    const come = t.gate<void>();
    kept.come = come.passed;
    kept.mdm = bss.MuxDemux();
    const server = bss.StreamServer(kept.mdm, (stream) => {
      kept.stream = stream;
      come.open();
    });
    await server.listen(name).listening;
  }, name);
}

async function connectAndKeep(page: Page, name: string, resume: boolean): Promise<void> {
  await page.evaluate(
    async ({ name, resume }) => {
      kept.mdm = bss.MuxDemux();
      kept.stream = bss.StreamClient(kept.mdm).connect(name, { resume });
      await kept.stream.opened;
    },
    { name, resume },
  );
}

async function pair(server: Page, client: Page, name: string, resume = true): Promise<void> {
  await serveAndKeep(server, name);
  await connectAndKeep(client, name, resume);
  await server.evaluate(() => kept.come);
}

/** Streams that end with their connections: others would wait for the tab that cannot say that it will not come back. */
const PLAIN = false;

/** Queues the pattern on `kept.stream` without waiting for anybody to read it. */
async function queue(page: Page, bytes: number): Promise<void> {
  await page.evaluate((bytes) => {
    for (let at = 0; at < bytes; at += 1 << 20) kept.stream.write(t.pattern(9, at, Math.min(1 << 20, bytes - at)));
  }, bytes);
}

/** Reads `kept.stream` to its end, whatever that is: how much came, whether it was a prefix, and how it ended. */
async function drain(page: Page) {
  return await page.evaluate(async () => {
    const reader = kept.stream.readable.getReader();
    let [bytes, prefix] = [0, true];
    const reading = (async () => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        const expected = t.pattern(9, bytes, value.length);
        prefix &&= expected.every((byte, i) => byte === value[i]);
        bytes += value.length;
      }
    })();
    const end = await t.outcome(reading);
    return { bytes, prefix, end };
  });
}

const closed = (page: Page) => page.evaluate(() => t.outcome(kept.stream.closed));

for (const from of ["client", "server"] as const) {
  const roles = (server: Page, client: Page) =>
    (from === "client" ? [client, server] : [server, client]) as [Page, Page];

  test(`reset(4001) by the ${from} reaches the other side as 4001`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name);
    const [near, far] = roles(server, client);
    await near.evaluate(() => kept.stream.reset(4001));
    const read = await drain(far);
    expect(read.end.number).toBe(4001);
    expect(read.end.type).toBe("StreamError");
    expect((await closed(far)).number).toBe(4001);
  });

  test(`reset(4001) by the ${from} behind queued data is 4001, never a clean end`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name);
    const [near, far] = roles(server, client);
    await queue(near, QUEUED);
    await near.evaluate(() => kept.stream.reset(4001));
    const read = await drain(far);
    expect(read.end.number).toBe(4001);
    expect(read.prefix).toBe(true);
    expect(read.bytes).toBeLessThan(QUEUED);
  });

  test(`the end() of the ${from} is a clean end`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name);
    const [near, far] = roles(server, client);
    await near.evaluate(() => kept.stream.end());
    expect(await drain(far)).toMatchObject({ bytes: 0, end: { ok: true } });
    await far.evaluate(() => kept.stream.end());
    expect(await drain(near)).toMatchObject({ bytes: 0, end: { ok: true } });
    expect((await closed(near)).ok).toBe(true);
    expect((await closed(far)).ok).toBe(true);
  });

  test(`the end() of the ${from} behind queued data truncates nothing for a slow reader`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name);
    const [near, far] = roles(server, client);
    await queue(near, QUEUED);
    await near.evaluate(() => kept.stream.end());
    const read = await drain(far);
    expect(read).toMatchObject({ bytes: QUEUED, prefix: true, end: { ok: true } });
  });

  test(`a closed tab of the ${from} is lost`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name);
    const [near, far] = roles(server, client);
    await near.context().close();
    const read = await drain(far);
    expect(read.end).toMatchObject({ ok: false, code: "lost" });
    expect(await closed(far)).toMatchObject({ ok: false, code: "lost" });
  });

  test(`a closed tab of the ${from} with data still queued is lost, never a clean end`, async ({ tab, name }) => {
    const [server, client] = await Promise.all([tab(), tab()]);
    await pair(server, client, name, PLAIN);
    const [near, far] = roles(server, client);
    await queue(near, QUEUED);
    await near.context().close();
    const read = await drain(far);
    expect(read.end).toMatchObject({ ok: false, code: "lost" });
    expect(read.prefix).toBe(true);
    expect(read.bytes).toBeLessThan(QUEUED);
  });
}

test("a crashed tab is lost", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name, PLAIN);
  const crashed = server.waitForEvent("crash");
  server.goto("chrome://crash").catch(() => {});
  await crashed;
  expect((await drain(client)).end).toMatchObject({ ok: false, code: "lost" });
});

test("mdm.close() ends its streams lost for the other side", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  await server.evaluate(() => kept.mdm.close());
  expect((await drain(client)).end).toMatchObject({ ok: false, code: "lost" });
});

test("bytes that were finished arrive to their end although their tab is gone", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  const bytes = 200 * 1024;
  await queue(client, bytes);
  await client.evaluate(async (name) => {
    kept.stream.end();
    // What the proxy answers to this shows that it has all that was sent before.
    await t.outcome(bss.StreamClient(kept.mdm).connect(`${name}-nobody`, { wait: 0 }).opened);
  }, name);
  await client.context().close();
  expect(await drain(server)).toMatchObject({ bytes, prefix: true, end: { ok: true } });
  expect(await closed(server)).toMatchObject({ ok: false, code: "lost" });
});

test("a cancelled readable and a finished writable reset the stream as cancelled", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  await queue(server, QUEUED);
  await client.evaluate(async () => {
    await kept.stream.readable.cancel();
    await kept.stream.writable.close();
  });
  expect(await closed(server)).toMatchObject({ ok: false, code: "cancelled" });
});

test("a plain reset() reads as cancelled", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  await client.evaluate(() => kept.stream.reset());
  expect((await drain(server)).end).toMatchObject({ ok: false, code: "cancelled" });
});

test("an aborted writable resets both directions", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  await client.evaluate(() => kept.stream.writable.abort());
  expect((await drain(server)).end).toMatchObject({ ok: false, code: "cancelled" });
  expect((await drain(client)).end.ok).toBe(false);
});

test("half a stream that was finished stays readable while the other half goes on", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await pair(server, client, name);
  await client.evaluate(() => kept.stream.end());
  expect(await drain(server)).toMatchObject({ bytes: 0, end: { ok: true } });
  await queue(server, QUEUED);
  await server.evaluate(() => kept.stream.end());
  expect(await drain(client)).toMatchObject({ bytes: QUEUED, prefix: true, end: { ok: true } });
});
