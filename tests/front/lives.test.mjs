/** How long sessions live through nginx and Caddy: idle, through a reload, and through the end of either program. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { CADDY, NGINX } from "../harness/front.mjs";
import { bss } from "../harness/programs.mjs";
import { until, within } from "../harness/wait.mjs";
import { listenEcho, StreamClient, sharedScene, startScene, talkThrough } from "./scene.mjs";

const WAIT_MS = 25_000;
const LONG = process.env.LONG === "1";

/** A stream to an echo, both peers behind the front. @param {import("./scene.mjs").Scene} scene @param {string} name */
async function echo(scene, name) {
  const [server, client] = [scene.dial(), scene.dial()];
  await listenEcho(server, name);
  const stream = StreamClient(client).connect(name);
  await stream.opened;
  const close = () => {
    client.close();
    server.close();
  };
  return { client, stream, close };
}

/** Says one word on a stream and takes it back. @param {import("browser-stream-server").Stream} stream @param {string} word */
async function answers(stream, word) {
  const echoed = within(WAIT_MS, `the echo of ${word}`, new Promise((resolve) => stream.once("data", resolve)));
  stream.write(word);
  assert.equal(new TextDecoder().decode(/** @type {Uint8Array} */ (await echoed)), word);
}

/** Idle for `ms`, and then still the same connection. @param {import("./scene.mjs").Scene} scene @param {number} ms */
async function staysIdle(scene, ms) {
  const { client, stream, close } = await echo(scene, "idle");
  let drops = 0;
  client.on("reconnecting", () => drops++);
  await answers(stream, "before");
  await new Promise((resolve) => setTimeout(resolve, ms));
  await answers(stream, "after");
  assert.equal(drops, 0);
  assert.equal(stream.resumption?.moves, 0);
  close();
}

describe("nginx's idle timeout", () => {
  test("what proxy/deploy says is more than twice the longest time between two pings", () => {
    const config = execFileSync(bss(), ["--print-config"], { encoding: "utf8" });
    const ping = Number(/^ping_interval_ms = (\d+)$/m.exec(config)?.[1]) * 1.2;
    const file = readFileSync(new URL("../../proxy/deploy/nginx.conf", import.meta.url), "utf8");
    const seconds = Number(/^\s*proxy_read_timeout (\d+)s;$/m.exec(file)?.[1]);
    assert.ok(seconds * 1000 > 2 * ping, `${seconds} s, ${ping} ms`);
  });

  test("an idle session outlives it, because the proxy pings more often", { timeout: 90_000 }, async (context) => {
    const edit = (/** @type {string} */ text) => text.replace("proxy_read_timeout 60s", "proxy_read_timeout 5s");
    const scene = await startScene(NGINX, { limits: { ping_interval_ms: 250 }, edit });
    context.after(() => scene.stop());
    await staysIdle(scene, 12_000);
  });

  test("where it is shorter than the pings an idle session is cut, and its stream goes on", {
    timeout: 90_000,
  }, async (context) => {
    const edit = (/** @type {string} */ text) => text.replace("proxy_read_timeout 60s", "proxy_read_timeout 1s");
    const scene = await startScene(NGINX, { edit });
    context.after(() => scene.stop());
    const { client, stream } = await echo(scene, "cut");
    const cut = new Promise((resolve) => client.once("reconnecting", resolve));
    await answers(stream, "before");
    await within(WAIT_MS, "the cut", cut);
    await answers(stream, "after");
    assert.ok(Number(stream.resumption?.moves) >= 1);
  });
});

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    const scene = sharedScene(kind);

    test("its end in mid-transfer cuts, and the stream goes on through the next one", { timeout: 60_000 }, async () => {
      const { stream, close } = await echo(scene(), "killed");
      const { sent, received, moves } = await talkThrough(stream, async () => {
        await scene().front.kill();
        await scene().front.start();
      });
      assert.deepEqual(received, sent);
      assert.ok(moves >= 1);
      close();
    });

    test("the proxy's end behind it is a 502 that passes", { timeout: 60_000 }, async () => {
      const { client, stream, close } = await echo(scene(), "behind");
      const { sent, received, moves } = await talkThrough(stream, async () => {
        const cut = new Promise((resolve) => client.once("reconnecting", resolve));
        const restarted = scene().restartProxy();
        await within(WAIT_MS, "the cut", cut);
        await restarted;
      });
      assert.deepEqual(received, sent);
      assert.ok(moves >= 1);
      close();
    });

    const outcome = kind === NGINX ? "keeps sessions on its old workers" : "cuts, and the stream goes on";
    test(`a reload in mid-transfer ${outcome}`, { timeout: 60_000 }, async () => {
      const { stream, close } = await echo(scene(), "reload");
      const before = scene().front.pids();
      const { sent, received, moves } = await talkThrough(stream, () => scene().front.reload());
      assert.deepEqual(received, sent);
      if (kind === NGINX) {
        assert.equal(moves, 0);
        assert.ok(
          before.every((pid) => scene().front.pids().includes(pid)),
          "the old worker lives as long as its sessions",
        );
        close();
        await until(WAIT_MS, "the old worker's end", () => !before.every((pid) => scene().front.pids().includes(pid)));
      } else {
        assert.ok(moves >= 1);
        close();
      }
    });

    if (LONG) {
      test("an idle session lives longer than a minute with what proxy/deploy says", { timeout: 120_000 }, async () => {
        await staysIdle(scene(), 75_000);
      });
    }
  });
}
