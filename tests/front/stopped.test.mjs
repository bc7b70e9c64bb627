/** A reader behind nginx or Caddy that stops reading: the far sender is stopped as early as without them. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { CADDY, NGINX } from "../harness/front.mjs";
import { until } from "../harness/wait.mjs";
import { listen, StreamClient, startScene } from "./scene.mjs";

const MIB = 1 << 20;
const TOTAL = 32 * MIB;
const WAIT_MS = 20_000;
/** The sender counts as stopped when so many looks in a row saw no progress. */
const STILL_LOOKS = 25;
/** What a stream takes for a reader that reads nothing: its first window, and of a resumable one what is kept to be sent again. */
const TAKEN_MAX = { plain: 256 << 10, resumable: MIB + (256 << 10) };
/** A stream's first acknowledgements may fall one way or the other. */
const DIFFERENCE_MAX = 256 << 10;
const GROWTH_MAX = 16 * MIB;
const { t } = globalThis;

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    for (const [sort, most] of Object.entries(TAKEN_MAX)) {
      test(`a ${sort} stream stops at its window`, { timeout: 60_000 }, async (context) => {
        const scene = await startScene(kind);
        context.after(() => scene.stop());
        const resume = sort === "resumable";
        const direct = await stopped(scene.dialDirectly(), scene.dialDirectly(), "direct", resume);
        await direct.rest();
        const [front, proxy] = [scene.front.pids(), [scene.proxy.pid]];
        const before = { front: resident(front), proxy: resident(proxy) };
        const through = await stopped(scene.dial(), scene.dial(), "through", resume);
        const growth = { front: resident(front) - before.front, proxy: resident(proxy) - before.proxy };
        console.log(
          `${kind.name}, ${sort}: the sender got rid of ${kib(through.bytes)} KiB, ${kib(direct.bytes)} without it; ` +
            `its memory grew by ${kib(growth.front)} KiB, the proxy's by ${kib(growth.proxy)} KiB`,
        );
        assert.ok(through.bytes > 0 && through.bytes <= most, `${through.bytes} bytes`);
        assert.ok(Math.abs(through.bytes - direct.bytes) <= DIFFERENCE_MAX, "a front makes no difference to it");
        assert.ok(growth.front < GROWTH_MAX && growth.proxy < GROWTH_MAX);
        const { sent, received } = await through.rest();
        assert.deepEqual(received, sent);
      });
    }
  });
}

/**
 * A stream that is written until nothing more goes in, since nobody reads it.
 *
 * @param {import("browser-stream-server").MuxDemux} server
 * @param {import("browser-stream-server").MuxDemux} client
 * @param {string} name
 * @param {boolean} resume
 */
async function stopped(server, client, name, resume) {
  /** @type {(stream: import("browser-stream-server").Stream) => void} */
  let accept = () => {};
  /** @type {Promise<import("browser-stream-server").Stream>} */
  const accepted = new Promise((resolve) => {
    accept = resolve;
  });
  await listen(server, name, (stream) => accept(stream));
  const writer = StreamClient(client).connect(name, { resume });
  let bytes = 0;
  const sending = t.send(writer.writable, 5, TOTAL, (sent) => {
    bytes = sent;
  });
  const reader = await accepted;
  let [last, still] = [-1, 0];
  await until(WAIT_MS, "the sender to stop", () => {
    still = bytes === last && bytes > 0 ? still + 1 : 0;
    last = bytes;
    return still >= STILL_LOOKS;
  });
  const rest = async () => {
    const [received, sent] = await Promise.all([t.receive(reader.readable), sending]);
    return { received, sent };
  };
  return { bytes, rest };
}

/** What these processes have in memory. @param {number[]} pids */
function resident(pids) {
  const each = pids.map(
    (pid) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024,
  );
  return each.reduce((sum, bytes) => sum + bytes, 0);
}

/** @param {number} bytes */
function kib(bytes) {
  return Math.round(bytes / 1024);
}
