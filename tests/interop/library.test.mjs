/** The library outside a browser: Node with an injected WebSocket, as a server and as a client. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { install } from "../harness/in-page.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { until } from "../harness/wait.mjs";

install();
const { t } = globalThis;
const library = await import("../../browser-lib/dist/index.js");
const { MuxDemux, StreamClient, StreamError, StreamServer } = /** @type {typeof import("browser-stream-server")} */ (
  /** @type {unknown} */ (library)
);

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;

before(async () => {
  proxy = await startProxy();
});

after(async () => {
  await proxy?.stop();
});

const dial = (mux = proxy.mux) => MuxDemux(mux, { WebSocket: /** @type {any} */ (WebSocket) });

/** @param {string} name */
async function serveEcho(name) {
  const mdm = dial();
  const server = StreamServer(mdm, { direct: true }, (stream) => {
    stream.readable.pipeTo(stream.writable).catch(() => {});
  });
  await server.listen(name).listening;
  return mdm;
}

test("a server and a client in Node exchange 32 MiB each way", { timeout: 60_000 }, async () => {
  const [server, client] = [await serveEcho("node-echo"), dial()];
  const stream = StreamClient(client, { direct: true }).connect("node-echo");
  const [sent, received] = await Promise.all([t.send(stream.writable, 1, 32 << 20), t.receive(stream.readable)]);
  assert.deepEqual(received, sent);
  assert.equal(stream.carrier, "proxy", "Node has no direct connections, and says so to nobody");
  await stream.closed;
  client.close();
  server.close();
});

test("a reset, a refusal and a cut connection are told apart in Node", { timeout: 60_000 }, async () => {
  const shim = await startShim(proxy.port);
  const [server, client] = [dial(), dial(shim.mux)];
  const handler = StreamServer(server, (stream) => {
    if (stream.meta === "reset") stream.reset(4001);
    if (stream.meta === "echo") stream.pipe(stream);
  });
  await handler.listen("node-ends").listening;
  const connect = StreamClient(client);
  const fails = (/** @type {string} */ code) => (/** @type {unknown} */ error) => {
    assert.ok(error instanceof StreamError);
    assert.equal(error.code, code);
    return true;
  };
  await assert.rejects(connect.connect("node-ends", { meta: "reset" }).closed, fails("4001"));
  await assert.rejects(connect.connect("node-nobody", { wait: 0 }).opened, fails("not_found"));
  const kept = connect.connect("node-ends", { resume: false });
  const resumed = connect.connect("node-ends", { meta: "echo" });
  await Promise.all([kept.opened, resumed.opened]);
  shim.cut();
  await assert.rejects(kept.closed, fails("lost"));
  await assert.rejects(kept.readable.getReader().read(), fails("lost"));
  // The next connection is there by itself, and what survives goes on over it.
  resumed.end("still here");
  assert.equal(await new Response(resumed.readable).text(), "still here");
  await resumed.closed;
  assert.equal(resumed.resumption?.moves, 1);
  await assert.rejects(connect.connect("node-ends", { meta: "reset" }).closed, fails("4001"));
  client.close();
  server.close();
  await shim.stop();
});

test("a refusal that will stay is the end in Node, where it can be seen", { timeout: 30_000 }, async () => {
  const mdm = dial(`${proxy.mux}-is-elsewhere`);
  await assert.rejects(mdm.ready, (error) => error instanceof StreamError && error.code === "lost");
  assert.equal(mdm.state, "closed");
});

test("a library that waits for its next connection keeps Node running, and close() lets it go", {
  timeout: 30_000,
}, async () => {
  const shim = await startShim(proxy.port);
  const mdm = dial(shim.mux);
  await mdm.ready;
  const waiting = new Promise((resolve) => mdm.on("reconnecting", resolve));
  await shim.stop();
  await waiting;
  mdm.close();
});

test("a closed library leaves nothing that keeps Node running", { timeout: 30_000 }, async () => {
  const mdm = await serveEcho("node-close");
  const closed = new Promise((resolve) => mdm.on("close", resolve));
  mdm.close();
  await closed;
});

test("the README's line for Node frees the names at Ctrl-C", { timeout: 60_000 }, async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [line = ""] = /^process\.once\("SIGINT".*$/m.exec(readme) ?? [];
  const program = `
    import { MuxDemux, StreamServer } from "${new URL("../../browser-lib/dist/index.js", import.meta.url)}";
    import { WebSocket } from "${import.meta.resolve("ws")}";
    const mdm = MuxDemux("${proxy.mux}", { WebSocket });
    ${line}
    StreamServer(mdm, () => {}).listen("node-ctrl-c").on("listening", () => process.stdout.write("serving"));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGINT");
  assert.deepEqual(await once(child, "exit"), [130, null]);
  const mdm = dial();
  // Without the line it would be kept for two minutes. With it, it is free once the proxy has heard of it.
  await until(20_000, "the name to be free", async () => {
    const { ok, code } = await t.outcome(StreamServer(mdm).listen("node-ctrl-c").listening);
    assert.ok(ok || code === "name_taken", code);
    return ok;
  });
  mdm.close();
});
