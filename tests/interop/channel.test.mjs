/** Channels outside a browser: Node with an injected WebSocket, as publisher and as reader. */

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { install } from "../harness/in-page.mjs";
import { startProxy } from "../harness/proxy.mjs";

install();
const { t } = globalThis;
/** @typedef {typeof import("browser-stream-server")} Library */
/** @typedef {typeof import("../../browser-lib/src/channel/index.ts")} Entry */
const { MuxDemux } = /** @type {Library} */ (/** @type {unknown} */ (await import("../../browser-lib/dist/index.js")));
const { Channel } = /** @type {Entry} */ (
  /** @type {unknown} */ (await import("../../browser-lib/dist/channel/index.js"))
);

const MESSAGES = 32;
const LENGTH = 1 << 20;
/** A reader may come before the publisher, whose connection is another. */
const WAIT_MS = 15_000;

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;

before(async () => {
  proxy = await startProxy();
});

after(async () => {
  await proxy?.stop();
});

const dial = () => MuxDemux(proxy.mux, { WebSocket: /** @type {any} */ (WebSocket) });

/** Node streams of 1 MiB, one message each, of a pattern. @param {number} seed */
function* messages(seed) {
  for (let at = 0; at < MESSAGES * LENGTH; at += LENGTH) yield Readable.from([t.pattern(seed, at, LENGTH)]);
}

test("32 messages of 1 MiB reach three readers in Node, as parts and whole", { timeout: 60_000 }, async () => {
  const mdms = [dial(), dial(), dial(), dial()];
  const [publication, ...subscriptions] = mdms.map((mdm, i) =>
    i === 0
      ? Channel(mdm).publish("node-channel", { waitFor: 3 })
      : Channel(mdm).subscribe("node-channel", { wait: WAIT_MS }),
  );
  assert(publication && "send" in publication);
  const reading = subscriptions.map(async (subscription, i) => {
    assert("whole" in subscription);
    const sum = new t.Digest();
    if (i === 0) for await (const { data } of subscription.whole()) await sum.add(data);
    else {
      for await (const { readable } of subscription) {
        for await (const chunk of /** @type {AsyncIterable<Uint8Array>} */ (/** @type {unknown} */ (readable))) {
          await sum.add(chunk);
        }
      }
    }
    return { bytes: sum.bytes, sha: await sum.hex(), reason: subscription.reason };
  });
  for (const message of messages(1)) await publication.send(message);
  await publication.end("done");
  const all = { ...(await t.digest(1, MESSAGES * LENGTH)), reason: "done" };
  assert.deepEqual(await Promise.all(reading), [all, all, all]);
  for (const mdm of mdms) mdm.close();
});

test("a publisher in Node that ends without a word is `lost` at its reader", { timeout: 60_000 }, async () => {
  const [one, other] = [dial(), dial()];
  const publication = Channel(one).publish("node-lost", { waitFor: 1 });
  const subscription = Channel(other).subscribe("node-lost", { wait: WAIT_MS });
  await subscription.opened;
  publication.send(new ReadableStream({ start: (c) => c.enqueue("half") })).catch(() => {});
  const reading = (async () => {
    for await (const message of subscription) {
      one.close();
      await message.bytes();
    }
  })();
  assert.equal((await t.outcome(reading)).code, "lost");
  assert.equal((await t.outcome(publication.closed)).code, "lost");
  other.close();
});
