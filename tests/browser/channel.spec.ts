/** Channels in real tabs: one sends, many read. */

import { expect, type Page, test } from "./fixture.ts";

const MIB = 1024 * 1024;
const TOTAL = (process.env.LONG === "1" ? 128 : 32) * MIB;
const READERS = 8;
const PIECE = MIB;

interface Got {
  bytes: number;
  sha: string;
  /** The first message's number, and how many are missing behind it. */
  first: number;
  gaps: number;
  skipped: number;
  reason?: string;
  error?: string;
  /** When it was over. */
  at: number;
}

/** Makes a page publish; it sends nothing yet. */
async function publish(page: Page, name: string, options: object = {}): Promise<void> {
  await page.evaluate(
    async ({ name, options }) => {
      const { Channel } = await import("/browser-stream-server-channel.js");
      kept.mdm ??= bss.MuxDemux();
      kept.publication = Channel(kept.mdm).publish(name, options);
      kept.lagging = [];
      kept.publication.on("lagging", (reader: unknown) => kept.lagging.push(reader));
      await kept.publication.opened;
    },
    { name, options },
  );
}

/** Makes a page read all that is published; what that comes to is {@link got}. With `reads: false` it takes nothing before it is told to. */
async function subscribe(page: Page, name: string, reads = true): Promise<void> {
  await page.evaluate(
    async ({ name, reads }) => {
      const { Channel } = await import("/browser-stream-server-channel.js");
      const subscription = Channel(bss.MuxDemux()).subscribe(name, { wait: 15_000 });
      const begins = t.gate<void>();
      const sum = new t.Digest();
      kept.subscription = subscription;
      kept.received = sum;
      kept.numbers = [];
      kept.read = begins.open;
      if (reads) begins.open();
      const run = async () => {
        await begins.passed;
        for await (const message of subscription) {
          const { number } = message;
          for await (const chunk of message.readable as unknown as AsyncIterable<Uint8Array>) await sum.add(chunk);
          kept.numbers.push(number);
        }
      };
      kept.got = run()
        .catch((error: { code: string }) => error.code)
        .then(async (error: unknown) => {
          const [first = -1] = kept.numbers;
          const gaps = kept.numbers.length === 0 ? 0 : kept.numbers.at(-1) - first + 1 - kept.numbers.length;
          const { skipped, reason } = subscription;
          const at = performance.timeOrigin + performance.now();
          return { bytes: sum.bytes, sha: await sum.hex(), first, gaps, skipped, reason, error, at };
        });
      await subscription.opened;
    },
    { name, reads },
  );
}

/** Sends `total` bytes of a pattern as messages of `piece`, and ends. */
async function send(page: Page, seed: number, total: number, piece = PIECE): Promise<{ bytes: number; sha: string }> {
  return await page.evaluate(
    async ({ seed, total, piece }) => {
      const sum = new t.Digest();
      for (let at = 0; at < total; at += piece) {
        const data = t.pattern(seed, at, Math.min(piece, total - at));
        await sum.add(data);
        await kept.publication.send(data);
      }
      await kept.publication.end("all of it");
      return { bytes: sum.bytes, sha: await sum.hex() };
    },
    { seed, total, piece },
  );
}

async function got(page: Page): Promise<Got> {
  return await page.evaluate(() => kept.got);
}

/** Lets a page receive no faster than so many bytes in a second; what it gives lifts that. */
async function throttle(page: Page, downloadThroughput: number): Promise<() => Promise<unknown>> {
  const devtools = await page.context().newCDPSession(page);
  const limit = (downloadThroughput: number) =>
    devtools.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput,
      uploadThroughput: -1,
    });
  await devtools.send("Network.enable");
  await limit(downloadThroughput);
  return () => limit(-1);
}

async function hasReceived(page: Page, bytes: number): Promise<void> {
  const received = () => page.evaluate(() => kept.received.bytes);
  await expect.poll(received, { intervals: [5], timeout: 30_000 }).toBeGreaterThanOrEqual(bytes);
}

async function tabs(tab: () => Promise<Page>, count: number): Promise<Page[]> {
  return await Promise.all(Array.from({ length: count }, () => tab()));
}

test("what one tab sends reaches eight others, byte for byte, and each is told that this was all", async ({
  tab,
  name,
}) => {
  const [sender, ...readers] = (await tabs(tab, 1 + READERS)) as [Page, ...Page[]];
  await publish(sender, name, { waitFor: READERS, meta: { name: "日本.bin" } });
  await Promise.all(readers.map((reader) => subscribe(reader, name)));
  const sent = await send(sender, 1, TOTAL);
  expect(sent.bytes).toBe(TOTAL);
  for (const reader of readers) {
    expect(await got(reader)).toMatchObject({ ...sent, first: 0, gaps: 0, skipped: 0, reason: "all of it" });
    expect(await reader.evaluate(() => kept.subscription.meta)).toEqual({ name: "日本.bin" });
  }
  const progress = await sender.evaluate(() => kept.publication.progress);
  expect(progress).toEqual({ sent: TOTAL, slowest: TOTAL, delivered: READERS * TOTAL });
});

for (const policy of ["drop", "disconnect"] as const) {
  test(`threat_22_a_throttled_reader_does_not_slow_the_others_under_${policy}`, async ({ tab, name }) => {
    const piece = 64 * 1024;
    const total = TOTAL / 2;
    const [sender, slow, ...readers] = (await tabs(tab, 5)) as [Page, Page, ...Page[]];
    const release = await throttle(slow, piece);
    await publish(sender, name, { waitFor: 4, policy });
    await Promise.all([slow, ...readers].map((reader) => subscribe(reader, name)));
    // Faster than one of them by far, and never faster than the others.
    const burst = 8 * piece;
    for (let sent = 0; sent < total; sent += burst) {
      const run = { from: sent, to: sent + burst, piece };
      await sender.evaluate(async ({ from, to, piece }) => {
        for (let at = from; at < to; at += piece) await kept.publication.send(t.pattern(2, at, piece));
      }, run);
      for (const reader of readers) await hasReceived(reader, run.to);
    }
    const ended = sender.evaluate(() => kept.publication.end("all of it"));
    const all = await sender.evaluate((total) => t.digest(2, total), total);
    for (const reader of readers) {
      expect(await got(reader)).toMatchObject({ ...all, gaps: 0, skipped: 0, reason: "all of it" });
    }
    const behind = await slow.evaluate(() => kept.received.bytes);
    expect(behind, "the others were done before it had half of it").toBeLessThan(total / 2);
    await release();
    const its = await got(slow);
    await ended;
    if (policy === "drop") {
      expect(its).toMatchObject({ reason: "all of it", error: undefined, first: 0 });
      expect(its.skipped).toBeGreaterThan(0);
      expect(its.bytes, "whole messages were left out, and all of them told").toBe(total - its.skipped * piece);
      expect(await sender.evaluate(() => kept.lagging)).toEqual([]);
    } else {
      expect(its).toMatchObject({ error: "lagging", reason: undefined });
      const id = await slow.evaluate(() => kept.subscription.id);
      expect(await sender.evaluate(() => kept.lagging)).toEqual([expect.objectContaining({ id })]);
    }
  });
}

test("a throttled reader governs all under `wait`, and loses nothing", async ({ tab, name }) => {
  const total = 8 * MIB;
  const [sender, slow, ...readers] = (await tabs(tab, 4)) as [Page, Page, ...Page[]];
  await throttle(slow, MIB);
  await publish(sender, name, { waitFor: 3 });
  await Promise.all([slow, ...readers].map((reader) => subscribe(reader, name)));
  const sending = send(sender, 3, total, 64 * 1024);
  const fast = await Promise.all(readers.map(got));
  const behind = await slow.evaluate(() => kept.received.bytes);
  const sent = await sending;
  for (const one of [...fast, await got(slow)]) expect(one).toMatchObject({ ...sent, gaps: 0, skipped: 0 });
  expect(behind, "it was not left far behind").toBeGreaterThan(total / 2);
});

test("threat_22_a_stopped_reader_is_cut_off_lagging_under_wait_and_the_others_get_every_byte", async ({
  tab,
  name,
}) => {
  const [sender, stopped, ...readers] = (await tabs(tab, 5)) as [Page, Page, ...Page[]];
  await publish(sender, name, { waitFor: 4 });
  await Promise.all([subscribe(stopped, name, false), ...readers.map((reader) => subscribe(reader, name))]);
  const sent = await send(sender, 4, TOTAL / 2);
  for (const reader of readers) expect(await got(reader)).toMatchObject({ ...sent, reason: "all of it" });
  const [lagging, id] = await Promise.all([
    sender.evaluate(() => kept.lagging),
    stopped.evaluate(() => kept.subscription.id),
  ]);
  expect(lagging).toEqual([expect.objectContaining({ id })]);
  await stopped.evaluate(() => kept.read());
  const its = await got(stopped);
  expect(its).toMatchObject({ error: "lagging", reason: undefined });
  expect(its.bytes).toBeLessThan(sent.bytes);
});

test("a reader that joins in the middle gets whole messages from there on, and all of them", async ({ tab, name }) => {
  const [sender, first, late] = (await tabs(tab, 3)) as [Page, Page, Page];
  await publish(sender, name, { waitFor: 1 });
  await subscribe(first, name);
  await sender.evaluate(async (piece) => {
    for (let number = 0; number < 4; number++) await kept.publication.send(t.pattern(5, number * piece, piece));
    // Half of a message is under way, and the other half comes when the late one is there.
    const halves = new TransformStream<Uint8Array, Uint8Array>();
    const writer = halves.writable.getWriter();
    kept.fifth = kept.publication.send(halves.readable);
    await writer.write(t.pattern(5, 4 * piece, piece / 2));
    kept.rest = async () => {
      await writer.write(t.pattern(5, 4 * piece + piece / 2, piece / 2));
      await writer.close();
      await kept.fifth;
      for (let number = 5; number < 10; number++) await kept.publication.send(t.pattern(5, number * piece, piece));
      await kept.publication.end();
    };
  }, PIECE);
  await expect.poll(() => first.evaluate(() => kept.received.bytes)).toBe(4.5 * PIECE);
  await subscribe(late, name);
  await sender.evaluate(() => kept.rest());
  const all = await sender.evaluate(async (piece) => {
    const sum = new t.Digest();
    for (let number = 5; number < 10; number++) await sum.add(t.pattern(5, number * piece, piece));
    return { whole: await t.digest(5, 10 * piece), rest: { bytes: sum.bytes, sha: await sum.hex() } };
  }, PIECE);
  expect(await got(first)).toMatchObject({ ...all.whole, first: 0, gaps: 0, reason: "" });
  expect(await got(late)).toMatchObject({ ...all.rest, first: 5, gaps: 0, reason: "" });
});

test("a reader that comes late gets the last whole messages that `replay` keeps", async ({ tab, name }) => {
  const [sender, late] = (await tabs(tab, 2)) as [Page, Page];
  await publish(sender, name, { replay: 10 * 1024 });
  await sender.evaluate(async () => {
    for (let number = 0; number < 10; number++) await kept.publication.send(t.pattern(6, number * 4096, 4096));
  });
  await subscribe(late, name);
  await sender.evaluate(() => kept.publication.end());
  expect(await got(late)).toMatchObject({ first: 8, gaps: 0, bytes: 2 * 4096, reason: "" });
});

for (const how of ["closed", "crashed"] as const) {
  test(`the sender's tab is ${how} in the middle of a message: every reader is told, and has nothing that looks complete`, async ({
    tab,
    name,
  }) => {
    const [sender, ...readers] = (await tabs(tab, 4)) as [Page, ...Page[]];
    await publish(sender, name, { waitFor: 3 });
    await Promise.all(readers.map((reader) => subscribe(reader, name)));
    await sender.evaluate(async (piece) => {
      await kept.publication.send(t.pattern(7, 0, piece));
      const never = new TransformStream<Uint8Array, Uint8Array>();
      const sent = kept.publication.send(never.readable);
      sent.catch(() => {});
      await never.writable.getWriter().write(t.pattern(7, piece, piece / 2));
    }, PIECE);
    for (const reader of readers) await expect.poll(() => reader.evaluate(() => kept.received.bytes)).toBe(1.5 * PIECE);
    if (how === "closed") await sender.close();
    else {
      const crashed = sender.waitForEvent("crash");
      await Promise.all([crashed, sender.goto("chrome://crash").catch(() => {})]);
    }
    for (const reader of readers) {
      expect(await got(reader)).toMatchObject({ error: "lost", reason: undefined, first: 0, gaps: 0 });
      expect(await reader.evaluate(() => kept.numbers)).toEqual([0]);
    }
  });
}

test("a sender that gives up says why to every reader", async ({ tab, name }) => {
  const [sender, reader] = (await tabs(tab, 2)) as [Page, Page];
  await publish(sender, name, { waitFor: 1 });
  await subscribe(reader, name);
  await sender.evaluate(() => kept.publication.error("the sender pressed Cancel", 4001));
  expect(await got(reader)).toMatchObject({ error: "4001", reason: undefined });
  const told = await reader.evaluate(() => t.outcome(kept.subscription.closed));
  expect(told.message).toBe("4001: the sender pressed Cancel");
});

test("threat_23_the_proxy_says_who_sent_and_nobody_speaks_for_another", async ({ tab, name }) => {
  const [one, other, reader] = (await tabs(tab, 3)) as [Page, Page, Page];
  const forged = { id: "00000000-0000-4000-8000-000000000000", peer: { session: "somebody" }, number: 7 };
  await publish(one, name, { publishers: "many", waitFor: 1, meta: forged });
  await publish(other, name, { publishers: "many", waitFor: 1, meta: "the other" });
  await reader.evaluate(async (name) => {
    const { Channel } = await import("/browser-stream-server-channel.js");
    const subscription = Channel(bss.MuxDemux()).subscribe(name);
    await subscription.opened;
    const all = async () => {
      const said: unknown[] = [];
      for await (const { data, from } of subscription.whole())
        said.push({ text: new TextDecoder().decode(data), from });
      return said;
    };
    kept.said = all();
  }, name);
  const says = (page: Page, text: string) =>
    page.evaluate(async (text) => {
      await kept.publication.send(text);
      await kept.publication.end();
      return kept.publication.id;
    }, text);
  const ids = [await says(one, "I am the other"), await says(other, "no, I am")];
  const said = (await reader.evaluate(() => kept.said)) as { text: string; from: typeof forged }[];
  expect(said).toEqual([
    { text: "I am the other", from: { id: ids[0], number: 0, meta: forged, peer: expect.anything() } },
    { text: "no, I am", from: { id: ids[1], number: 1, meta: "the other", peer: expect.anything() } },
  ]);
  expect(said[0]?.from.peer.session).not.toBe(said[1]?.from.peer.session);
  expect(said[0]?.from.peer.session).not.toBe("somebody");
});

test("threat_24_one_message_to_eight_readers_costs_its_sender_one", async ({ tab, name }) => {
  const [sender, ...readers] = (await tabs(tab, 1 + READERS)) as [Page, ...Page[]];
  await publish(sender, name, { waitFor: READERS });
  await Promise.all(readers.map((reader) => subscribe(reader, name)));
  const total = 4 * MIB;
  const before = await sender.evaluate(() => kept.mdm.stats().sent);
  const sent = await send(sender, 8, total);
  for (const reader of readers) expect(await got(reader)).toMatchObject(sent);
  const cost = (await sender.evaluate(() => kept.mdm.stats().sent)) - before;
  expect(cost).toBeGreaterThan(total);
  expect(cost).toBeLessThan(total * 1.02);
});

test("a second publisher is refused the name, and a channel that nobody publishes is not found", async ({
  tab,
  name,
}) => {
  const [one, other] = (await tabs(tab, 2)) as [Page, Page];
  await publish(one, name);
  const outcomes = await other.evaluate(async (name) => {
    const { Channel } = await import("/browser-stream-server-channel.js");
    const channel = Channel(bss.MuxDemux());
    const nobody = channel.subscribe(`${name}-nobody`, { wait: 0 });
    return [await t.outcome(channel.publish(name).opened), await t.outcome(nobody.opened)];
  }, name);
  expect(outcomes.map(({ code }) => code)).toEqual(["name_taken", "not_found"]);
});

test("a worker publishes and reads", async ({ tab, name }) => {
  const page = await tab();
  const said = await page.evaluate(async (name) => {
    const code = `
      import { MuxDemux } from "${location.origin}/browser-stream-server.js";
      import { Channel } from "${location.origin}/browser-stream-server-channel.js";
      const channel = Channel(MuxDemux("/mux"));
      const publication = channel.publish("${name}", { waitFor: 1 });
      publication.send("from a worker").then(() => publication.end());
      for await (const message of channel.subscribe("${name}")) postMessage(await message.text());
    `;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(`the worker failed: ${message}`));
    });
  }, name);
  expect(said).toBe("from a worker");
});
