/** What passes through nginx and Caddy as `proxy/deploy` sets them up. */

import assert from "node:assert/strict";
import { connect } from "node:http2";
import { describe, test } from "node:test";
import { CADDY, lookup, NGINX } from "../harness/front.mjs";
import { within } from "../harness/wait.mjs";
import { listenEcho, StreamClient, sharedScene, visitor } from "./scene.mjs";

const MIB = 1 << 20;
const LONG = process.env.LONG === "1";
const BYTES = (LONG ? 1024 : 64) * MIB;
const WAIT_MS = 10_000;
const { t } = globalThis;

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    const scene = sharedScene(kind);

    test("pages come over HTTP/2, the WebSocket beside them", { timeout: 30_000 }, async () => {
      const { status, protocol, text } = await page(scene(), "/");
      assert.equal(status, 200);
      assert.equal(protocol, "h2");
      assert.match(text, /browser-stream-server/);
      const mdm = scene().dial();
      await mdm.ready;
      mdm.close();
    });

    test("bytes arrive as they were sent, both ways at once", { timeout: 120_000 }, async () => {
      const [server, near, far] = [scene().dial(), scene().dialDirectly(), scene().dial()];
      await listenEcho(server, "echo");
      const mibPerSecond = async (/** @type {import("browser-stream-server").MuxDemux} */ mdm) => {
        const stream = StreamClient(mdm).connect("echo");
        await stream.opened;
        const since = performance.now();
        const [sent, received] = await Promise.all([t.send(stream.writable, 1, BYTES), t.receive(stream.readable)]);
        assert.deepEqual(received, sent);
        await stream.closed;
        assert.equal(stream.resumption?.moves, 0);
        return BYTES / MIB / ((performance.now() - since) / 1000);
      };
      const [direct, through] = [await mibPerSecond(near), await mibPerSecond(far)];
      console.log(
        `${kind.name}: ${through.toFixed(0)} MiB/s each way with both peers behind it, ${direct.toFixed(0)} with the server alone`,
      );
      // Beside other tests the machine is.
      if (LONG) assert.ok(through > 5, "a front is slow, but not that slow");
      for (const mdm of [server, near, far]) mdm.close();
    });

    test("a page of another origin is refused", { timeout: 30_000 }, async () => {
      const refused = (/** @type {string} */ origin) => {
        const socket = new (visitor(scene().front, origin))(scene().front.mux, "bss.1");
        return within(
          WAIT_MS,
          "an answer to the upgrade",
          new Promise((resolve, reject) => {
            socket.once("unexpected-response", (_, response) => {
              socket.terminate();
              resolve(response.statusCode);
            });
            socket.once("open", () => reject(new Error("it was let in")));
            socket.on("error", () => {});
          }),
        );
      };
      assert.equal(await refused("https://elsewhere.example"), 403);
      assert.equal(await refused(scene().front.origin.replace("https:", "http:")), 403);
    });
  });
}

/** Fetches over HTTP/2. @param {import("./scene.mjs").Scene} scene @param {string} path */
async function page({ front }, path) {
  const session = connect(front.origin, { ca: front.certificate, lookup });
  const request = session.request({ ":path": path });
  const status = new Promise((resolve, reject) => {
    session.once("error", reject);
    request.once("error", reject);
    request.once("response", (headers) => resolve(headers[":status"]));
  });
  request.setEncoding("utf8");
  const answer = {
    status: await within(WAIT_MS, `the head of ${path}`, status),
    protocol: session.alpnProtocol,
    text: "",
  };
  for await (const part of request) answer.text += part;
  session.close();
  return answer;
}
