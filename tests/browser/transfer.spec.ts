import { expect, serveEcho, test } from "./fixture.ts";

const TOTAL = 64 * 1024 * 1024;

test("64 MiB cross each way at the same time and arrive byte for byte", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(
    async ({ name, total }) => {
      const served = t.gate<unknown>();
      kept.served = served.passed;
      const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
        served.open(Promise.all([t.receive(stream.readable), t.send(stream.writable, 2, total)]));
      });
      await handler.listen(name).listening;
    },
    { name, total: TOTAL },
  );
  const [received, sent] = await client.evaluate(
    async ({ name, total }) => {
      const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
      const done = await Promise.all([t.receive(stream.readable), t.send(stream.writable, 1, total)]);
      await stream.closed;
      return done;
    },
    { name, total: TOTAL },
  );
  const [servedReceived, servedSent] = await server.evaluate(() => kept.served);
  expect(received.bytes).toBe(TOTAL);
  expect(received).toEqual(servedSent);
  expect(servedReceived.bytes).toBe(TOTAL);
  expect(servedReceived).toEqual(sent);
  expect(sent.sha).not.toBe(received.sha);
});

test("a reply arrives after the requester's half-close", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), async (stream) => {
      const request = await t.text(stream.readable);
      await t.say(stream.writable, `all of: ${request}`);
    });
    await handler.listen(name).listening;
  }, name);
  const reply = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    await t.say(stream.writable, "a request");
    const reply = await t.text(stream.readable);
    await stream.closed;
    return reply;
  }, name);
  expect(reply).toBe("all of: a request");
});

test("a stream without a byte ends cleanly on both sides", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  const received = await client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    await stream.writable.close();
    const received = await t.receive(stream.readable);
    await stream.closed;
    return received;
  }, name);
  expect(received.bytes).toBe(0);
});

test("a tab connects to a name that it serves itself", async ({ tab, name }) => {
  const page = await tab();
  await serveEcho(page, name);
  const echoed = await page.evaluate(async (name) => {
    const stream = bss.StreamClient(kept.mdm).connect(name);
    const [sent, received] = await Promise.all([t.send(stream.writable, 3, 4 << 20), t.receive(stream.readable)]);
    return { sent, received };
  }, name);
  expect(echoed.received).toEqual(echoed.sent);
});

test("200 clients of one tab all get their own bytes back, at the same time", async ({ tab, name }) => {
  const server = await tab();
  await server.evaluate(async (name) => {
    kept.live = 0;
    kept.most = 0;
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      kept.live++;
      kept.most = Math.max(kept.most, kept.live);
      stream.readable.pipeTo(stream.writable).finally(() => kept.live--);
    });
    await handler.listen(name).listening;
  }, name);
  const clients = await Promise.all([tab(), tab(), tab(), tab()]);
  const each = 50;
  await Promise.all(
    clients.map((page) =>
      page.evaluate(
        async ({ name, each }) => {
          const mdm = bss.MuxDemux();
          kept.streams = Array.from({ length: each }, () => bss.StreamClient(mdm).connect(name));
          await Promise.all(kept.streams.map((stream: { opened: Promise<unknown> }) => stream.opened));
        },
        { name, each },
      ),
    ),
  );
  const equal = await Promise.all(
    clients.map((page, which) =>
      page.evaluate(async (which) => {
        const one = async (stream: { readable: ReadableStream; writable: WritableStream }, i: number) => {
          const seed = which * 1000 + i;
          const [sent, received] = await Promise.all([
            t.send(stream.writable, seed, 64 * 1024 + i),
            t.receive(stream.readable),
          ]);
          return sent.bytes === received.bytes && sent.sha === received.sha;
        };
        return (await Promise.all(kept.streams.map(one))).filter(Boolean).length;
      }, which),
    ),
  );
  expect(equal).toEqual([each, each, each, each]);
  expect(await server.evaluate(() => kept.most)).toBe(200);
});

test("what a client writes before its server exists arrives, in order", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const stream = bss.StreamClient(mdm).connect(name, { wait: 15_000 });
    kept.early = Promise.all([t.send(stream.writable, 5, 1 << 20), t.receive(stream.readable)]);
    // This refusal shows that the proxy has the connect above: opens of a session are taken in order.
    const refused = await t.outcome(bss.StreamClient(mdm).connect(`${name}-nobody`, { wait: 0 }).opened);
    if (refused.code !== "not_found") throw new Error(`expected not_found, got ${refused.code}`);
  }, name);
  await serveEcho(server, name);
  const [sent, received] = await client.evaluate(() => kept.early);
  expect(received).toEqual(sent);
});
