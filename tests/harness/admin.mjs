/** Stands in for a proxy's port of --admin: as many rows of any kind as a test wants, changed when it says so, over the same session and lines as the real one's. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { MuxDemux } from "./library.mjs";

const FILES = new URL("../../proxy/assets/admin/", import.meta.url);
/** @type {Record<string, string>} */
const KINDS = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
};
/** As the real one has it. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const PART = 1000;

/**
 * @typedef {Record<string, unknown>} Row
 * @typedef {object} Asked what was to be done
 * @property {string} method
 * @property {string} path below the API
 * @property {unknown} body
 * @property {string | undefined} token
 */

export class AdminDouble {
  /** @type {Map<string, Map<string, Row>>} */
  #tables = new Map();
  /** Those who watch, and what. @type {Map<import("browser-stream-server").Stream, Set<string>>} */
  #watchers = new Map();
  /** @type {Set<import("ws").WebSocket>} */
  #sockets = new Set();
  #server = createServer((request, response) => void this.#answer(request, response));
  #upgrades = new WebSocketServer({ server: this.#server, path: "/admin/mux" });
  /** What is told of the whole. @type {Record<string, unknown>} */
  overview = { version: "0.1.0", since_ms: Date.now(), ready: true, draining: false, refusals: {} };
  /** What it says of who asks; `undefined` where a token is wanted. @type {Row | undefined} */
  me = { read: true, act: true, sub: null, version: "0.1.0" };
  /** @type {Asked[]} */
  asked = [];
  /** Answers what is to be done: nothing for 204. @type {(asked: Asked) => { status: number, body: unknown } | undefined} */
  act = () => undefined;

  /** @param {number} port */
  static async start(port = 0) {
    const double = new AdminDouble();
    double.#upgrades.on("connection", (socket) => double.#serve(socket));
    double.#server.listen(port, "127.0.0.1");
    await once(double.#server, "listening");
    return double;
  }

  get port() {
    return /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/admin`;
  }

  /** How many watch now. */
  get watchers() {
    return this.#watchers.size;
  }

  /** New or changed rows, and the keys of those that are gone. @param {string} table @param {Row[]} rows @param {string[]} gone */
  change(table, rows, gone = []) {
    const all = this.#tables.get(table) ?? new Map();
    this.#tables.set(table, all);
    for (const row of rows) all.set(keyOf(row), row);
    for (const key of gone) all.delete(key);
    for (const [stream, watched] of this.#watchers)
      if (watched.has(table)) for (const part of parts(rows)) tell(stream, { table, rows: part, gone });
  }

  /** Tells how the whole is, as it is told each second. @param {Record<string, unknown>} counts */
  second(counts = {}) {
    const tables = Object.fromEntries([...this.#tables].map(([table, rows]) => [table, rows.size]));
    Object.assign(this.overview, { now_ms: Date.now() }, tables, counts);
    for (const stream of this.#watchers.keys()) tell(stream, { overview: this.overview });
  }

  /** Cuts all connections. */
  cut() {
    for (const socket of this.#sockets) socket.terminate();
  }

  async stop() {
    if (!this.#server.listening) return;
    this.cut();
    this.#upgrades.close();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** @param {import("ws").WebSocket} socket */
  #serve(socket) {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const readable = new ReadableStream({
      start(controller) {
        socket.on("message", (bytes) => controller.enqueue(new Uint8Array(/** @type {Buffer} */ (bytes))));
        socket.once("close", () => controller.error(new Error("cut")));
      },
    });
    const writable = new WritableStream({ write: (bytes) => void socket.send(bytes), close: () => socket.close() });
    const mux = MuxDemux({ readable, writable }, { role: "server" });
    mux.on("error", () => {});
    mux.on("stream", (stream) => {
      stream.closed.catch(() => {});
      if (stream.path === "/admin/live") void this.#follow(stream).catch(() => {});
    });
  }

  /** @param {import("browser-stream-server").Stream} stream */
  async #follow(stream) {
    this.#watchers.set(stream, new Set());
    let text = "";
    try {
      for await (const bytes of stream) {
        const lines = (text + new TextDecoder().decode(bytes)).split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) this.#watch(stream, JSON.parse(line).watch);
      }
    } finally {
      this.#watchers.delete(stream);
    }
  }

  /** @param {import("browser-stream-server").Stream} stream @param {string[]} tables */
  #watch(stream, tables) {
    this.#watchers.set(stream, new Set(tables));
    tell(stream, { overview: { ...this.overview, now_ms: Date.now() } });
    for (const table of tables) {
      const all = parts([...(this.#tables.get(table)?.values() ?? [])]);
      for (const [n, rows] of all.entries()) tell(stream, n === 0 ? { table, reset: true, rows } : { table, rows });
    }
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const { pathname } = new URL(request.url ?? "/", this.url);
    const file = /^\/admin(?:\/(index\.html|admin\.js|admin\.css))?$/.exec(pathname);
    if (file) this.#file(file[1] ?? "index.html", response);
    else await this.#request(pathname, request, response);
  }

  /** @param {string} name @param {import("node:http").ServerResponse} response */
  #file(name, response) {
    const kind = KINDS[name.split(".").at(-1) ?? ""];
    response.writeHead(200, { "content-type": kind, "content-security-policy": POLICY });
    response.end(readFileSync(new URL(name, FILES)));
  }

  /** @param {string} pathname @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #request(pathname, request, response) {
    let text = "";
    for await (const part of request) text += part;
    const token = request.headers.authorization?.replace("Bearer ", "");
    const path = pathname.replace("/admin/api/", "");
    const answer = this.me
      ? this.#api({ method: request.method ?? "", path, body: text && JSON.parse(text), token })
      : UNKNOWN;
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(answer.status === 204 ? undefined : JSON.stringify(answer.body));
  }

  /** @param {Asked} asked */
  #api(asked) {
    if (asked.path === "me") return { status: 200, body: this.me };
    const members = asked.method === "GET" && /^rooms\/(.*)\/members$/.exec(asked.path);
    if (members) {
      const rows = [...(this.#tables.get(`members of ${decodeURIComponent(members[1] ?? "")}`)?.values() ?? [])];
      return { status: 200, body: { rows, next: null, total: rows.length } };
    }
    this.asked.push(asked);
    return this.act(asked) ?? { status: 204, body: undefined };
  }
}

const UNKNOWN = { status: 401, body: { code: "unauthorized", message: "show a token with the right admin=read" } };

/** @param {import("browser-stream-server").Stream} stream @param {object} line */
function tell(stream, line) {
  stream.write(`${JSON.stringify(line)}\n`);
}

/** @param {Row[]} rows */
function parts(rows) {
  return Array.from({ length: Math.max(1, Math.ceil(rows.length / PART)) }, (_, n) =>
    rows.slice(n * PART, (n + 1) * PART),
  );
}

/** @param {Row} row */
function keyOf(row) {
  return String(row.key ?? row.id ?? row.name ?? row.at_ms);
}
