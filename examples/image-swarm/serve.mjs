// An origin for the pictures: draws them, serves each with ranges, and counts what it sends. Whatever else is asked for it passes to the proxy, so that a visitor sees one site.
//
//     node examples/image-swarm/serve.mjs [--port 8090] [--proxy http://127.0.0.1:8080]

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { PICTURES, picture } from "./picture.mjs";

const FOLDER = "/examples/image-swarm/pictures/";
/** What was sent so far, as JSON. */
const SENT = `${FOLDER}sent.json`;

/**
 * @typedef {object} Sent
 * @property {number} bytes of pictures, all together
 * @property {Record<string, number>} pictures bytes of each by its number
 *
 * @typedef {object} Origin
 * @property {string} url of the page
 * @property {() => Sent} sent
 * @property {() => Promise<void>} stop
 */

/** @param {{ proxy: string, port?: number }} options @returns {Promise<Origin>} */
export async function startOrigin({ proxy, port = 0 }) {
  const drawn = Array.from({ length: PICTURES }, (_, at) => Buffer.from(picture(at + 1)));
  /** @type {Sent} */
  const sent = { bytes: 0, pictures: {} };
  /** @type {Set<import("node:stream").Duplex>} */
  const sockets = new Set();
  const server = createServer((asked, answer) => {
    const { pathname } = new URL(asked.url ?? "/", proxy);
    const number = new RegExp(`^${FOLDER}(\\d\\d)\\.png$`).exec(pathname)?.[1];
    const bytes = drawn[Number(number) - 1];
    if (pathname === SENT) answer.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(sent));
    else if (!bytes || !number) pass(proxy, asked, answer);
    else {
      const length = answerWith(bytes, asked, answer);
      sent.bytes += length;
      sent.pictures[number] = (sent.pictures[number] ?? 0) + length;
    }
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (asked, socket, head) => join(proxy, asked, socket, head));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}/examples/image-swarm/`,
    sent: () => structuredClone(sent),
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/**
 * The picture, or the one range of it that was asked for (RFC 9110, section 14). Gives how many bytes were sent.
 *
 * @param {Buffer} bytes
 * @param {import("node:http").IncomingMessage} asked
 * @param {import("node:http").ServerResponse} answer
 */
function answerWith(bytes, asked, answer) {
  const headers = {
    "accept-ranges": "bytes",
    "cache-control": "no-store", // Or the browser's cache would hide how often it is asked.
    "content-type": "image/png",
    etag: `"${createHash("sha256").update(bytes).digest("hex").slice(0, 32)}"`,
  };
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked.headers.range ?? "") ?? [];
  const [first, last] = [Number(from ?? 0), Math.min(Number(to || bytes.length - 1), bytes.length - 1)];
  if (first > last) {
    answer.writeHead(416, { ...headers, "content-range": `bytes */${bytes.length}` }).end();
    return 0;
  }
  const part = bytes.subarray(first, last + 1);
  const range = from === undefined ? {} : { "content-range": `bytes ${first}-${last}/${bytes.length}` };
  answer.writeHead(from === undefined ? 200 : 206, { ...headers, ...range, "content-length": part.length });
  const isHead = asked.method === "HEAD";
  answer.end(isHead ? undefined : part);
  return isHead ? 0 : part.length;
}

/** @param {string} proxy @param {import("node:http").IncomingMessage} asked @param {import("node:http").ServerResponse} answer */
function pass(proxy, asked, answer) {
  const { method, url = "/", headers } = asked;
  const passed = request(new URL(url, proxy), { method, headers }, (back) => {
    answer.writeHead(back.statusCode ?? 502, back.headers);
    back.pipe(answer);
  });
  passed.on("error", () => answer.headersSent || answer.writeHead(502).end("The proxy does not answer.\n"));
  asked.pipe(passed);
}

/** A WebSocket's bytes are nothing to us. @param {string} proxy @param {import("node:http").IncomingMessage} asked @param {import("node:stream").Duplex} near @param {Buffer} head */
function join(proxy, asked, near, head) {
  const { hostname, port } = new URL(proxy);
  const far = connect(Number(port || 80), hostname, () => {
    const lines = asked.rawHeaders.map((text, at) => (at % 2 === 0 ? `${text}: ` : `${text}\r\n`));
    far.write(`${asked.method} ${asked.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    far.write(head);
    near.pipe(far).pipe(near);
  });
  far.on("error", () => near.destroy());
  near.on("error", () => far.destroy());
  far.on("close", () => near.destroy());
  near.on("close", () => far.destroy());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values } = parseArgs({ options: { port: { type: "string" }, proxy: { type: "string" } } });
  const { port = "8090", proxy = "http://127.0.0.1:8080" } = values;
  const { url } = await startOrigin({ proxy, port: Number(port) });
  console.log(`the pictures are at ${url}, for as long as a proxy is at ${proxy}`);
}
