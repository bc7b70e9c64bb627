/** Who is counted behind nginx and Caddy: addresses, `--trusted-proxies`, and what a visitor writes into headers. */

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { WebSocket } from "ws";
import { CADDY, lookup, NGINX } from "../harness/front.mjs";
import { within } from "../harness/wait.mjs";
import { startScene } from "./scene.mjs";

const WAIT_MS = 10_000;
/** @type {WebSocket[]} */
const open = [];

after(() => {
  for (const socket of open) socket.terminate();
});

/**
 * The status with which an upgrade through the front is answered; what is let in stays.
 *
 * @param {import("./scene.mjs").Scene} scene
 * @param {Record<string, string>} headers
 */
function upgrade({ front }, headers = {}) {
  const socket = new WebSocket(front.mux, "bss.1", { ca: front.certificate, lookup, headers });
  open.push(socket);
  const status = new Promise((resolve, reject) => {
    socket.once("upgrade", (response) => resolve(response.statusCode));
    socket.once("unexpected-response", (_, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.on("error", reject);
  });
  return within(WAIT_MS, "an answer to the upgrade", status);
}

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    test("all visitors are one address to a proxy that does not trust it", { timeout: 30_000 }, async (context) => {
      const scene = await startScene(kind, { args: [], limits: { sessions_per_address_max: 2 } });
      context.after(() => scene.stop());
      const forged = { "X-Forwarded-For": "192.0.2.7" };
      const answers = [
        await upgrade(scene),
        await upgrade(scene, forged),
        await upgrade(scene),
        await upgrade(scene, forged),
      ];
      assert.deepEqual(answers, [101, 101, 429, 429]);
    });

    test("they are not counted by one that does", { timeout: 30_000 }, async (context) => {
      const scene = await startScene(kind, { limits: { sessions_per_address_max: 2 } });
      context.after(() => scene.stop());
      // Nor for whom they say that they are: the front says itself whom it hears from.
      const forged = { "X-Forwarded-For": "192.0.2.7" };
      for (const said of [{}, forged, forged, forged, {}]) assert.equal(await upgrade(scene, said), 101);
    });
  });
}

test("nginx then bounds how many sessions an address has", { timeout: 30_000 }, async (context) => {
  const edit = (/** @type {string} */ text) => text.replace("limit_conn bss_sessions 256", "limit_conn bss_sessions 2");
  const scene = await startScene(NGINX, { edit });
  context.after(() => scene.stop());
  assert.deepEqual([await upgrade(scene), await upgrade(scene), await upgrade(scene)], [101, 101, 429]);
  open[open.length - 2]?.terminate();
  await within(WAIT_MS, "a place", retry(scene));
});

/** Until there is a place again. @param {import("./scene.mjs").Scene} scene */
async function retry(scene) {
  while ((await upgrade(scene)) !== 101);
}
