/** A mux over one resumable stream, between the Rust client and the library in Node: each end opens streams to the other, while connections are cut. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { install } from "../harness/in-page.mjs";
import { muxer } from "../harness/programs.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { seeded, startShim } from "../harness/shim.mjs";
import { within } from "../harness/wait.mjs";

install();
const { t } = globalThis;
const library = await import("../../browser-lib/dist/index.js");
const { MuxDemux, StreamClient, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (library)
);

const BYTES = 8 << 20;
const CUTS = 6;
const ODD = [null, "日本語", { deep: -0.5 }];

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;

before(async () => {
  proxy = await startProxy();
});

after(async () => {
  await proxy?.stop();
});

/**
 * Asks the other end of a mux for everything, answers what it asks, and tells what came of that; the client closes when the other end is done.
 *
 * @param {import("browser-stream-server").Stream} stream
 */
async function talk(stream) {
  const mux = MuxDemux(stream);
  const logged = t.gate();
  mux.on("stream", async (stream, meta) => {
    const wish = /** @type {{ do: string }} */ (meta).do;
    if (wish === "echo") await stream.readable.pipeTo(stream.writable);
    else if (wish === "greet") stream.end("hello");
    else if (wish === "log") logged.open(/** @type {any} */ ([meta, await t.text(stream.readable)]));
    else stream.error(`node does not ${wish}`);
  });
  const echo = mux.createStream({ do: "echo" });
  const [sent, received, greeting, failure] = await Promise.all([
    t.send(echo.writable, 5, BYTES),
    t.receive(echo.readable),
    t.text(mux.createReadStream({ do: "greet" }).readable),
    mux.createStream({ do: "juggle" }).closed.catch(({ code, detail }) => [code, detail]),
  ]);
  mux.createWriteStream({ do: "log", odd: ODD }).end("node is done");
  const log = await logged.passed;
  await (mux.role === "client" ? mux.close() : mux.closed);
  assert.deepEqual(received, sent);
  return { greeting, failure, log };
}

for (const role of ["connect", "serve"]) {
  test(`a mux between Node and Rust that ${role}s carries streams both ways through cuts`, {
    timeout: 120_000,
  }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    const shims = await Promise.all([startShim(proxy.port, { seed }), startShim(proxy.port, { seed: seed + 1 })]);
    const [ofNode, ofRust] = shims;
    const name = `mux-${role}`;
    const mdm = MuxDemux(ofNode.mux, { WebSocket: /** @type {any} */ (WebSocket) });
    const served =
      /** @type {{ open(stream: import("browser-stream-server").Stream): void, passed: Promise<import("browser-stream-server").Stream> }} */ (
        /** @type {unknown} */ (t.gate())
      );
    if (role === "connect") await StreamServer(mdm, (stream) => served.open(stream)).listen(name).listening;
    const rust = spawn(muxer(), [ofRust.mux, name, role, "9", `${BYTES}`], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(rust, "close");
    const lines = createInterface({ input: rust.stdout })[Symbol.asyncIterator]();
    if (role === "serve") {
      assert.equal((await lines.next()).value, "serving");
      served.open(StreamClient(mdm).connect(name));
    }
    const random = seeded(seed);
    const harass = async () => {
      for (let cut = 0; cut < CUTS; cut++) {
        await [ofNode, ofRust][cut % 2]?.cutAfter(1 + Math.floor((random() * BYTES) / 4));
      }
    };
    const stream = await served.passed;
    const [said] = await within(100_000, "both ends", Promise.all([talk(stream), harass()]));
    const log = { do: "log", odd: ODD };
    assert.deepEqual(said, {
      greeting: "grüezi",
      failure: ["4001", "rust does not juggle"],
      log: [log, "rust is done"],
    });
    assert.deepEqual(JSON.parse((await lines.next()).value ?? ""), {
      echo: true,
      greeting: "hello",
      failure: ["stream reset: internal", "node does not juggle"],
      logged: [log, "node is done"],
      ended: { Ok: null },
    });
    assert.deepEqual(await ended, [0, null]);
    assert.ok((stream.resumption?.moves ?? 0) > 0);
    mdm.close();
    for (const shim of shims) await shim.stop();
  });
}
