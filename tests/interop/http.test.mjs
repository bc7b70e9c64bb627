/** HTTP into a tab: curl, and WebSockets, against a server of the library's in Node, through the real proxy. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { http, MuxDemux } from "../harness/library.mjs";
import { bss } from "../harness/programs.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { until, within } from "../harness/wait.mjs";

const { fileResponse, serveHttp, setCookie, upgradeWebSocket } = http;
const MIB = 1024 * 1024;
/** Each way. */
const BULK = (process.env.LONG ? 64 : 4) * MIB;
const run = promisify(execFile);

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("../harness/proxy.mjs").RunningProxy} */
let secure;
/** @type {string} */
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bss-http-"));
  proxy = await startProxy(["--http-path"]);
  secure = await startProxy(["--tls", "self-signed", "--tls-dir", folder]);
});

after(async () => {
  await Promise.all([proxy?.stop(), secure?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

/** @param {string} mux */
function dial(mux = proxy.mux) {
  /** The class that believes the certificate which the proxy made for itself. */
  class Trusting extends WebSocket {
    /** @param {string} url @param {string[]} protocols */
    constructor(url, protocols) {
      super(url, protocols, { rejectUnauthorized: false });
    }
  }
  return MuxDemux(mux, { WebSocket: /** @type {any} */ (Trusting) });
}

/**
 * @param {string} name
 * @param {(request: Request) => Response | Promise<Response>} handler
 */
async function serve(name, handler, mux = proxy.mux) {
  const mdm = dial(mux);
  const server = serveHttp(mdm, name, handler);
  const url = await server.listening;
  return { mdm, server, url: /** @type {string} */ (url) };
}

/** What curl prints, and how it ended. @param {string[]} args */
async function curl(...args) {
  try {
    const { stdout } = await run("curl", ["-sS", "--max-time", "60", ...args], { maxBuffer: 1 << 28 });
    return { code: 0, text: stdout };
  } catch (error) {
    const { code, stdout } = /** @type {{ code: number, stdout: string }} */ (error);
    return { code, text: stdout };
  }
}

/** @param {number} size */
function* bulk(size) {
  for (let sent = 0; sent < size; sent += 65_536)
    yield Uint8Array.from({ length: Math.min(65_536, size - sent) }, (_, index) => (sent / 65_536 + index * 31) & 255);
}

/** A body of these parts, made as it is read. @param {Iterator<Uint8Array>} parts */
function streamed(parts) {
  return new ReadableStream({
    pull(controller) {
      const { done, value } = parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
}

/** @param {Iterable<Uint8Array> | AsyncIterable<Uint8Array>} parts */
async function digest(parts) {
  const hash = createHash("sha256");
  for await (const part of parts) hash.update(part);
  return hash.digest("hex");
}

test("a visitor has the answer of the server of that name, and the server knows who asks", async () => {
  const { mdm, url } = await serve("page", async (request) =>
    Response.json({
      url: request.url,
      method: request.method,
      text: await request.text(),
      headers: Object.fromEntries(request.headers),
    }),
  );
  assert.equal(url, `http://page.localhost:${proxy.port}/`);
  const got = JSON.parse((await curl("-H", "X-Forwarded-For: 192.0.2.66", "-H", "Cookie: a=1", `${url}x%20y?z`)).text);
  assert.equal(got.url, `${url}x%20y?z`);
  assert.equal(got.headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(got.headers.forwarded, `for=127.0.0.1;host="page.localhost:${proxy.port}";proto=http`);
  assert.equal(got.headers.cookie, "a=1");
  const posted = JSON.parse((await curl("-d", "körper", url)).text);
  assert.deepEqual([posted.method, posted.text], ["POST", "körper"]);
  mdm.close();
});

test("bodies stream both ways, and what arrives is what was sent", { timeout: 120_000 }, async () => {
  const { mdm, url } = await serve("bulk", async (request) => {
    if (request.method === "GET") return new Response(streamed(bulk(BULK)));
    return new Response(await digest(/** @type {any} */ (request.body)));
  });
  const expected = await digest(bulk(BULK));
  const child = spawn("curl", ["-sS", url], { stdio: ["ignore", "pipe", "inherit"] });
  assert.equal(await digest(child.stdout), expected);
  for (const how of [
    ["-T", "-"],
    ["--data-binary", "@-", "-H", "Expect: 100-continue"],
  ]) {
    const child = spawn("curl", ["-sS", ...how, url], { stdio: ["pipe", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (part) => {
      text += part;
    });
    for (const part of bulk(BULK)) if (!child.stdin.write(part)) await once(child.stdin, "drain");
    child.stdin.end();
    await once(child, "close");
    assert.equal(text, expected, `${how}`);
  }
  mdm.close();
});

test("a file is sought in, and known again", async () => {
  const file = new File([new Uint8Array([...bulk(300)][0] ?? [])], "film.mp4", {
    type: "video/mp4",
    lastModified: 1e12,
  });
  const { mdm, url } = await serve("file", (request) => fileResponse(request, file));
  const whole = Buffer.from(await file.arrayBuffer());
  for (const [range, from, to] of /** @type {[string, number, number][]} */ ([
    ["10-19", 10, 20],
    ["290-", 290, 300],
    ["-5", 295, 300],
  ])) {
    const { stdout } = await run("curl", ["-sS", "-i", "-r", range, url], { encoding: "buffer" });
    const at = stdout.indexOf("\r\n\r\n");
    const head = stdout.subarray(0, at).toString().toLowerCase();
    assert.match(head, new RegExp(`^http/1.1 206 [\\s\\S]*content-range: bytes ${from}-${to - 1}/300\r?`));
    assert.deepEqual(stdout.subarray(at + 4), whole.subarray(from, to));
  }
  assert.match((await curl("-i", "-r", "300-", url)).text, /^HTTP\/1\.1 416 [\s\S]*content-range: bytes \*\/300\r/);
  const head = (await curl("-I", url)).text;
  assert.match(head, /^HTTP\/1\.1 200 [\s\S]*content-length: 300\r/);
  const etag = /^etag: (.*)\r$/m.exec(head)?.[1] ?? "";
  assert.match((await curl("-i", "-H", `If-None-Match: ${etag}`, url)).text, /^HTTP\/1\.1 304 /);
  mdm.close();
});

test("answers without a body have none", async () => {
  const { mdm, url } = await serve(
    "empty",
    (request) => new Response(null, { status: Number(new URL(request.url).searchParams.get("status")) }),
  );
  for (const status of [204, 304, 200]) {
    const { text, code } = await curl("-i", `${url}?status=${status}`);
    assert.equal(code, 0);
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.equal(text.split("\r\n\r\n")[1], "");
    assert.equal(/^transfer-encoding/im.test(text), false, text);
  }
  mdm.close();
});

test("a hundred at once are answered, each with its own", { timeout: 120_000 }, async () => {
  let most = 0;
  const { mdm, server, url } = await serve("many", async (request) => {
    most = Math.max(most, server.clients);
    await until(50_000, "all are here", () => most === 100);
    return new Response(new URL(request.url).search);
  });
  server.on("request", () => {
    most = Math.max(most, server.clients);
  });
  const asked = Array.from({ length: 100 }, (_, index) => `?${index}`);
  const answers = await Promise.all(asked.map(async (query) => (await curl(url + query)).text));
  assert.deepEqual(answers, asked);
  mdm.close();
});

test("events arrive while they are sent, and the server hears that their reader has gone", async () => {
  /** @type {Promise<unknown> | undefined} */
  let left;
  /** @type {ReadableStreamDefaultController | undefined} */
  let events;
  const { mdm, url } = await serve("events", (request) => {
    left = once(request.signal, "abort");
    const body = new ReadableStream({
      start(controller) {
        events = controller;
        controller.enqueue(new TextEncoder().encode("data: 1\n\n"));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const child = spawn("curl", ["-sSN", url], { stdio: ["ignore", "pipe", "inherit"] });
  const [first] = await within(10_000, "the first event", once(child.stdout, "data"));
  assert.equal(`${first}`, "data: 1\n\n");
  events?.enqueue(new TextEncoder().encode("data: 2\n\n"));
  const [second] = await within(10_000, "the second event", once(child.stdout, "data"));
  assert.equal(`${second}`, "data: 2\n\n");
  child.kill();
  await within(10_000, "the abort", /** @type {Promise<unknown>} */ (left));
  mdm.close();
});

test("a WebSocket goes into the server: text, bytes, long messages, and a goodbye with its code", async () => {
  const { mdm, server, url } = await serve("socket", (request) => {
    const { socket, response } = upgradeWebSocket(request, { protocol: "echo" });
    socket.onmessage = ({ data }) => socket.send(/** @type {string} */ (data));
    socket.addEventListener("close", ({ code, reason }) => told.push(`${code} ${reason}`));
    return response;
  });
  server.on("error", () => {});
  /** @type {string[]} */
  const told = [];
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, ["other", "echo"], {
    headers: { host: new URL(url).host },
  });
  await within(10_000, "the handshake", once(socket, "open"));
  assert.equal(socket.protocol, "echo");
  for (const sent of ["hé", "", "x".repeat(70_000), Buffer.from([...bulk(100_000)][0] ?? [])]) {
    socket.send(sent);
    const [data, isBinary] = await within(10_000, "the echo", once(socket, "message"));
    assert.equal(isBinary, typeof sent !== "string");
    assert.deepEqual(isBinary ? data : `${data}`, sent);
  }
  socket.ping("p");
  assert.equal(`${(await within(10_000, "the pong", once(socket, "pong")))[0]}`, "p");
  const answered = once(/** @type {any} */ (server), "answered");
  socket.close(4001, "enough");
  assert.equal((await within(10_000, "the close", once(socket, "close")))[0], 4001);
  assert.equal(/** @type {any} */ ((await answered)[0]).status, 101);
  assert.deepEqual(told, ["4001 enough"]);
  assert.match((await curl("-i", url)).text, /^HTTP\/1\.1 500 /, "who asks for none has a page that says so");
  mdm.close();
});

test("a server that goes in the middle of its answer leaves an error, never a whole answer", {
  timeout: 60_000,
}, async () => {
  for (const [round, { mux, port, flags, length }] of [
    { ...proxy, flags: ["--http1.1"], length: undefined },
    { ...proxy, flags: ["--http1.1"], length: "1000000" },
    { ...secure, flags: ["-k", "--http1.1"], length: undefined },
    { ...secure, flags: ["-k", "--http2"], length: undefined },
    { ...secure, flags: ["-k", "--http2"], length: "1000000" },
  ].entries()) {
    // The proxy may yet have to hear that the one before was left.
    const name = `cut-${round}`;
    const { mdm } = await serve(
      name,
      () => {
        const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1000)) });
        return new Response(body, length ? { headers: { "content-length": length } } : {});
      },
      mux,
    );
    const scheme = mux.startsWith("wss") ? "https" : "http";
    const child = spawn("curl", ["-sN", ...flags, `${scheme}://${name}.localhost:${port}/`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await within(10_000, "the first part", once(child.stdout, "data"));
    mdm.close();
    const [code] = await within(10_000, "curl's end", once(child, "close"));
    // 18: fewer bytes than were said. 56: reset. 92: HTTP/2 was reset.
    assert.ok([18, 56, 92].includes(code), `${flags} ${length}: ${code}`);
  }
});

test("HTTP/2 over TLS has the same answers", async () => {
  const { mdm, url } = await serve(
    "two",
    async (request) => new Response(`${request.url} ${request.headers.get("cookie")} ${await request.text()}`),
    secure.mux,
  );
  assert.equal(url, `https://two.localhost:${secure.port}/`);
  const { text } = await curl(
    "-k",
    "--http2",
    "-w",
    " %{http_version}",
    "-H",
    "Cookie: a=1",
    "-H",
    "Cookie: b=2",
    "-d",
    "body",
    `${url}x`,
  );
  assert.equal(text, `${url}x a=1; b=2 body 2`);
  const plain = await curl("-i", url.replace("https", "http"));
  assert.match(plain.text, new RegExp(`^HTTP/1.1 308 [\\s\\S]*location: ${url}\r`), plain.text);
  mdm.close();
});

test("what goes wrong is said, and nothing of names that are not open to visitors", async () => {
  const { StreamServer } = await import("../harness/library.mjs");
  const mdm = dial();
  await StreamServer(mdm, () => {}).listen("closed").listening;
  const missing = await curl("-i", `http://nobody.localhost:${proxy.port}/`);
  assert.match(missing.text, /^HTTP\/1\.1 404 [\s\S]*not_found: /);
  const closed = await curl("-i", `http://closed.localhost:${proxy.port}/`);
  const same = (/** @type {string} */ text) => text.replace(/date: .*\r\n/i, "");
  assert.equal(same(closed.text), same(missing.text));
  const page = await curl("-i", "-H", "Accept: text/html", `http://nobody.localhost:${proxy.port}/`);
  assert.match(page.text, /content-security-policy: default-src 'none'[\s\S]*<h1>Nobody is here<\/h1>/i);
  mdm.close();
});

test("a handler that fails is a 500, and is told", async () => {
  const { mdm, server, url } = await serve("fails", () => {
    throw new Error("no idea");
  });
  /** @type {unknown[]} */
  const told = [];
  server.on("error", (error) => told.push(error));
  assert.match((await curl("-i", url)).text, /^HTTP\/1\.1 500 [\s\S]*internal: /);
  assert.deepEqual(told.map(String), ["Error: no idea"]);
  mdm.close();
});

test("what listens on a port is reached the same way, behind bss listen --to", { timeout: 60_000 }, async (context) => {
  const server = createServer(({ method, url, headers }, response) => {
    response.end(`${method} ${url} by ${headers["x-forwarded-for"]}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const child = spawn(bss(), ["listen", "files", "--to", `${port}`, "--http", "--url", proxy.mux], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let told = "";
  child.stderr.on("data", (text) => {
    told += text;
  });
  context.after(() => {
    child.kill();
    server.close();
  });
  const url = `http://files.localhost:${proxy.port}/`;
  const [printed] = await within(10_000, "the address", once(child.stdout, "data"));
  assert.equal(`${printed}`, `${url}\n`);
  for (let asked = 0; asked < 10; asked++) {
    assert.equal((await curl(`${url}x?y`)).text, "GET /x?y by 127.0.0.1");
    assert.match((await curl("-I", url)).text, /^HTTP\/1\.1 200 /);
  }
  child.kill();
  await once(child, "close");
  assert.equal(told, "", "that visitors come and go is no news");
});

test("cookies are for the host alone, and below a path there are none", async () => {
  const { mdm } = await serve("biscuit", (request) =>
    setCookie(new Response(`${request.headers.get("cookie")}`), "a=1; Domain=localhost; Path=/"),
  );
  const own = await curl("-i", "-H", "Cookie: b=2", `http://biscuit.localhost:${proxy.port}/`);
  assert.match(own.text, /^set-cookie: a=1; Path=\/\r$/im);
  assert.match(own.text, /\r\n\r\nb=2$/);
  const shared = await curl("-i", "-H", "Cookie: b=2", `${proxy.url}~biscuit/`);
  assert.doesNotMatch(shared.text, /set-cookie/i);
  assert.match(shared.text, /^content-security-policy: sandbox (?!.*allow-same-origin)/im);
  assert.match(shared.text, /\r\n\r\nnull$/);
  assert.match((await curl("-i", `${proxy.url}~biscuit?x`)).text, /^HTTP\/1\.1 308 [\s\S]*location: \/~biscuit\/\?x\r/);
  mdm.close();
});
