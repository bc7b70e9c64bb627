/** Servers by HTTP behind nginx and Caddy as `proxy/deploy` sets them up: by their hosts, and by their paths. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { CADDY, NGINX, SITES } from "../harness/front.mjs";
import { http } from "../harness/library.mjs";
import { within } from "../harness/wait.mjs";
import { startScene, visitor } from "./scene.mjs";

const MIB = 1 << 20;
/** More than nginx takes unless it is told. */
const BYTES = (process.env.LONG === "1" ? 64 : 4) * MIB;
const CHUNK = 64 << 10;
const WAIT_MS = 10_000;
/** Visitors come from here, for the front itself is at 127.0.0.1, which is trusted. */
const FROM = "127.0.0.2";
const { t } = globalThis;

/** @typedef {import("./scene.mjs").Scene} Scene */

/** curl as a visitor of the front. @param {Scene} scene @param {string[]} args */
function curl({ front }, ...args) {
  const here = ["--connect-to", `::127.0.0.1:${front.port}`, "--interface", FROM, "--noproxy", "*"];
  const child = spawn("curl", ["-sSN", "-k", "--max-time", "60", ...here, ...args]);
  child.stderr.resume();
  return child;
}

/** What curl prints to its end. @param {Scene} scene @param {string[]} args */
async function asked(scene, ...args) {
  const { stdout } = curl(scene, ...args);
  let text = "";
  for await (const part of stdout.setEncoding("utf8")) text += part;
  return text;
}

/** Where a name is by its host, and by its path. @param {Scene} scene @param {string} name */
function places({ front }, name) {
  return [`https://${name}.${SITES}:${front.port}/`, `${front.origin}/~${name}/`];
}

/**
 * Serves a name from behind the front.
 *
 * @param {Scene} scene @param {string} name @param {(request: Request) => Response | Promise<Response>} handler
 */
async function serve(scene, name, handler) {
  await http.serveHttp(scene.dialDirectly(), name, handler).listening;
}

/** What a server is told of who comes. @param {Request} request */
function told({ headers }) {
  const names = ["forwarded", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];
  return Response.json(Object.fromEntries(names.map((name) => [name, headers.get(name)])));
}

/** What visitors say of themselves. */
const FORGED = [
  "Forwarded: for=192.0.2.7",
  "X-Forwarded-For: 192.0.2.7",
  "X-Forwarded-Host: evil",
  "X-Real-IP: 192.0.2.7",
];
const LIES = [...FORGED, "X-Forwarded-Proto: gopher"].flatMap((line) => ["-H", line]);

for (const kind of [NGINX, CADDY]) {
  describe(kind.name, () => {
    /** @type {Scene} */
    let scene;
    before(async () => {
      scene = await startScene(kind);
    });
    after(() => scene?.stop());

    test("a server is reached by its host and by its path, and is told who comes and how", async () => {
      await serve(scene, "who", told);
      for (const [at, url] of places(scene, "who").entries()) {
        const said = JSON.parse(await asked(scene, ...LIES, url));
        const host = at === 0 ? `who.${SITES}:${scene.front.port}` : new URL(scene.front.origin).host;
        assert.deepEqual(said, {
          forwarded: `for=${FROM};host="${host}";proto=https`,
          host,
          "x-forwarded-for": FROM,
          "x-forwarded-host": host,
          "x-forwarded-proto": "https",
          "x-real-ip": null,
        });
      }
    });

    test("a front that is not trusted is who comes, and what it says is nothing", async (context) => {
      const wary = await startScene(kind, { args: [] });
      context.after(() => wary.stop());
      await serve(wary, "who", told);
      const [url = ""] = places(wary, "who");
      const said = JSON.parse(await asked(wary, ...LIES, url));
      assert.deepEqual([said["x-forwarded-for"], said["x-forwarded-proto"]], ["127.0.0.1", "http"]);
    });

    test("bodies pass both ways as they come, whole", { timeout: 120_000 }, async () => {
      const [began, goesOn] = [t.gate(), t.gate()];
      await serve(scene, "bulk", async (request) => {
        const { readable, writable } = new TransformStream();
        if (request.method === "GET") {
          const writer = writable.getWriter();
          writer.write(new TextEncoder().encode("data: 1\n\n"));
          goesOn.passed.then(() => writer.close());
          return new Response(readable, { headers: { "content-type": "text/event-stream" } });
        }
        /** @type {ReadableStream<Uint8Array>} */ (request.body).pipeTo(writable).catch(() => {});
        return Response.json(await t.receive(readable, () => began.open()));
      });
      const [url = "", byPath = ""] = places(scene, "bulk");
      const getting = curl(scene, url);
      const [event] = await within(WAIT_MS, "an event before the end", once(getting.stdout, "data"));
      assert.equal(`${event}`, "data: 1\n\n");
      goesOn.open();
      await once(getting, "close");
      for (const place of [url, byPath]) {
        const posting = curl(scene, "-X", "POST", "-T", "-", place);
        const answer = new Response(/** @type {any} */ (Readable.toWeb(posting.stdout))).json();
        posting.stdin.write(t.pattern(1, 0, 1000));
        await within(WAIT_MS, "the beginning of a body that has no end yet", began.passed);
        const sum = new t.Digest();
        await sum.add(t.pattern(1, 0, 1000));
        for (let at = 1000; at < BYTES; at += CHUNK) {
          const chunk = t.pattern(1, at, CHUNK);
          await sum.add(chunk);
          if (!posting.stdin.write(chunk)) await once(posting.stdin, "drain");
        }
        posting.stdin.end();
        assert.deepEqual(await answer, { bytes: sum.bytes, sha: await sum.hex() });
      }
    });

    test("megabytes come whole", { timeout: 120_000 }, async () => {
      await serve(scene, "down", () => {
        const { readable, writable } = new TransformStream();
        t.send(writable, 2, BYTES).catch(() => {});
        return new Response(readable);
      });
      const expected = await t.digest(2, BYTES);
      for (const place of places(scene, "down")) {
        const { stdout } = curl(scene, place);
        assert.deepEqual(await t.receive(/** @type {any} */ (Readable.toWeb(stdout))), expected);
      }
    });

    test("an answer that breaks off is an error behind it, too", { timeout: 60_000 }, async () => {
      // Where nobody said a length, Caddy of Debian 12 makes a whole answer of it: mended upstream in November 2023 (caddyserver/caddy#5952).
      const lengths = kind === CADDY ? ["1000000"] : ["1000000", ""];
      const rounds = lengths.flatMap((length) => [
        ["--http1.1", length],
        ["--http2", length],
      ]);
      for (const [round, [version, length]] of rounds.entries()) {
        // The proxy may yet have to hear that the one before was left.
        const name = `cut-${round}`;
        const mdm = scene.dialDirectly();
        const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1000)) });
        const headers = length ? { "content-length": length } : undefined;
        await http.serveHttp(mdm, name, () => new Response(body, { headers })).listening;
        const child = curl(scene, `${version}`, `${places(scene, name)[0]}`);
        await within(WAIT_MS, "the first part", once(child.stdout, "data"));
        mdm.close();
        const [code] = await within(WAIT_MS, "curl's end", once(child, "close"));
        // 18: fewer bytes than were said. 56: reset. 92: HTTP/2 was reset.
        assert.ok([18, 56, 92].includes(code), `${version} ${length}: ${code}`);
      }
    });

    test("a WebSocket goes into the server", { timeout: 30_000 }, async () => {
      await serve(scene, "socket", (request) => {
        const { socket, response } = http.upgradeWebSocket(request);
        socket.onmessage = ({ data }) => socket.send(/** @type {string} */ (data));
        return response;
      });
      for (const url of places(scene, "socket")) {
        const socket = new (visitor(scene.front))(url.replace("https", "wss"), []);
        await within(WAIT_MS, "the handshake", once(socket, "open"));
        socket.send("hello");
        assert.equal(`${(await within(WAIT_MS, "the echo", once(socket, "message")))[0]}`, "hello");
        socket.close(4001);
        assert.equal((await within(WAIT_MS, "the close", once(socket, "close")))[0], 4001);
      }
    });

    test("nobody's host is a page that says so, and the proxy's own are not there", async () => {
      const [url = ""] = places(scene, "nobody");
      for (const path of ["", "mux", "readyz", "metrics"]) {
        const answer = await asked(scene, "-w", "%{http_code}", `${url}${path}`);
        assert.match(answer, /not_found[\s\S]*404$/, path);
      }
    });
  });
}
