// A site in a tab: requests as they come over a client's stream, and what goes back.

import { Hono } from "hono";
import { describe, expect, it, vi } from "vitest";
import {
  fileResponse,
  type Handler,
  type ServeHttpOptions,
  serveHttp,
  setCookie,
  upgradeWebSocket,
} from "../src/http/index.ts";
import { dial, type FarStream, outcome, settle, until } from "./peer.ts";
import { connect, LISTEN } from "./serving.ts";

/** A server of this handler, and a way to ask it. */
async function site(
  handler: Handler,
  options: ServeHttpOptions = {},
  http: object | null = { host: "name.localhost" },
) {
  const { mdm, peer } = dial();
  const server = serveHttp(mdm, "NAME", handler, options);
  const control = await peer.opened(LISTEN);
  control.frame({ id: "claim", ...(http && { http }) });
  const url = await server.listening;
  const open = (text: string, fields: object = { meta: { http: {} } }) => connect(peer, fields).send(text);
  /** The whole answer. */
  const ask = async (text: string, fields?: object) => {
    const client = open(text, fields);
    await until("the end of the answer", () => client.isFinished || client.resetCode !== undefined);
    return client.text;
  };
  return { mdm, peer, server, control, url, open, ask };
}

const get = (target: string, ...lines: string[]) =>
  [`GET ${target} HTTP/1.1`, "host: name.localhost:8080", ...lines, "", ""].join("\r\n");

function bodyOf(answer: string): string {
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}

async function answered(client: FarStream, part: string): Promise<void> {
  await until(part, () => client.text.includes(part));
}

describe("a site", () => {
  it("says in its claim that visitors are let in, and knows where they find it", async () => {
    const { url, control, server } = await site(() => new Response());
    expect(control.first).toMatchObject({ path: LISTEN, http: true });
    expect(url).toMatch(/^http:\/\/name\.localhost(:\d+)?\/$/);
    expect(server.url).toBe(url);
    expect((await site(() => new Response(), {}, { path: "/~NAME/" })).url).toMatch(/^http:\/\/[^/]+\/~NAME\/$/);
    const nowhere = await site(() => new Response(), {}, null);
    expect(nowhere.url).toBeUndefined();
  });

  it("answers with what its handler gives, in the way that its length needs", async () => {
    const { ask } = await site((request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/empty") return new Response(null, { status: 204 });
      if (pathname === "/known")
        return new Response("known", { headers: { "content-length": "5", connection: "keep-alive" } });
      return new Response(`${request.method} ${request.url}`);
    });
    const text = await ask(get("/a%20b?c"));
    expect(text).toMatch(
      /^HTTP\/1\.1 200 \r\nconnection: close\r\ncontent-type: text\/plain;charset=UTF-8\r\ntransfer-encoding: chunked\r\n\r\n/,
    );
    expect(bodyOf(text)).toBe("26\r\nGET http://name.localhost:8080/a%20b?c\r\n0\r\n\r\n");
    expect(await ask(get("/empty"))).toBe("HTTP/1.1 204 \r\nconnection: close\r\n\r\n");
    expect(await ask(get("/known"))).toMatch(
      /connection: close\r\ncontent-type: [^\r]*\r\ncontent-length: 5\r\n\r\nknown$/,
    );
    expect(bodyOf(await ask(get("/").replace("GET", "HEAD")))).toBe("");
  });

  it("has the headers of a request that a page's own may not have, and believes the proxy alone about who comes", async () => {
    const { ask } = await site(({ headers, url }) =>
      Response.json({
        cookie: headers.get("cookie"),
        host: headers.get("host"),
        for: headers.get("x-forwarded-for"),
        url,
      }),
    );
    const lines = ["cookie: a=1", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: https"];
    expect(await ask(get("/", ...lines))).toContain(
      `{"cookie":"a=1","host":"name.localhost:8080","for":"192.0.2.1","url":"https://name.localhost:8080/"}`,
    );
    const peer = { peer: { session: "somebody" }, meta: { http: { remote: "192.0.2.1" } } };
    expect(await ask(get("/", ...lines), peer)).toContain(`"for":null,"url":"http://name.localhost:8080/"`);
  });

  it("reads a body as it comes, and sends one as it is made", async () => {
    const { open } = await site((request) => new Response(request.body));
    const client = open("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\none");
    await answered(client, "3\r\none");
    client.send("two");
    await answered(client, "3\r\ntwo\r\n0\r\n\r\n");
  });

  it("breaks off where a body fails or is not what it says, and never ends as if it were whole", async () => {
    const fails = () => new ReadableStream({ pull: (controller) => controller.error(new Error("no more")) });
    const errors: string[] = [];
    for (const make of [
      () => new Response(fails()),
      () => new Response("four", { headers: { "content-length": "5" } }),
      () => new Response("four", { headers: { "content-length": "3" } }),
      () => new Response(null, { headers: { "content-length": "3" } }),
      () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue("text" as never) })),
    ]) {
      const { open, server } = await site(make);
      server.on("error", (error) => errors.push(String(error)));
      const client = open(get("/"));
      await until("a reset", () => client.resetCode !== undefined);
      expect(client.text).not.toContain("0\r\n\r\n");
    }
    expect(errors).toHaveLength(5);
  });

  it("is told when a visitor goes, whatever it is doing", async () => {
    const reasons: unknown[] = [];
    const { open, server } = await site((request) => {
      request.signal.addEventListener("abort", () => reasons.push(request.signal.reason));
      return new URL(request.url).pathname === "/waits" ? new Promise(() => {}) : new Response(new ReadableStream());
    });
    for (const path of ["/waits", "/streams"]) {
      const client = open(get(path));
      await until("the request", () => server.clients === 1);
      await settle();
      client.reset(6);
      await until("the abort", () => server.clients === 0);
    }
    expect(reasons).toHaveLength(2);
  });

  it("answers 500 where its handler fails, or as it says, and tells it", async () => {
    const fails = () => {
      throw new Error("no idea");
    };
    const plain = await site(fails);
    const told: unknown[] = [];
    plain.server.on("error", (error) => told.push(error));
    expect(await plain.ask(get("/"))).toMatch(/^HTTP\/1\.1 500 [\s\S]*internal: whoever serves this address failed/);
    const page = await plain.ask(get("/", "accept: text/html,*/*;q=0.8"));
    expect(page).toMatch(
      /^HTTP\/1\.1 500 [\s\S]*content-type: text\/html; charset=utf-8\r\n[\s\S]*<h1>It failed<\/h1>/,
    );
    expect(told.splice(1)).toHaveLength(1);
    const own = await site(fails, { failed: (error) => new Response(`${error}`, { status: 503 }) });
    own.server.on("error", () => {});
    expect(await own.ask(get("/"))).toMatch(/^HTTP\/1\.1 503 [\s\S]*Error: no idea/);
    const none = await site(() => undefined as never);
    none.server.on("error", (error) => told.push(error));
    expect(await none.ask(get("/"))).toMatch(/^HTTP\/1\.1 500 /);
    expect(told.map(String)).toEqual(["Error: no idea", "TypeError: the handler gave no Response"]);
  });

  it("shows what nobody listens for on the console, and lives on: a handler that fails, a name that is another's", async () => {
    const shown = vi.spyOn(console, "error").mockImplementation(() => {});
    const { ask } = await site(() => {
      throw new Error("no idea");
    });
    expect(await ask(get("/"))).toMatch(/^HTTP\/1\.1 500 /);
    expect(await ask(get("/"))).toMatch(/^HTTP\/1\.1 500 /);
    const { mdm, peer } = dial();
    serveHttp(mdm, "NAME", () => new Response());
    (await peer.opened(LISTEN)).frame({ error: { code: "name_taken" } }).finish();
    await until("what is shown", () => shown.mock.calls.length === 3);
    expect(shown.mock.calls.map(([error]) => error.code ?? error.message)).toEqual([
      "no idea",
      "no idea",
      "name_taken",
    ]);
    shown.mockRestore();
  });

  it("refuses what is no request, and asks its handler nothing", async () => {
    const handler = vi.fn(() => new Response());
    const { ask } = await site(handler);
    expect(await ask("GET / HTTP/1.1\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 [\s\S]*bad_request: /);
    expect(await ask("GET / HTTP/1.0\r\nhost: x\r\n\r\n")).toMatch(/^HTTP\/1\.1 505 /);
    expect(await ask("CONNECT / HTTP/1.1\r\nhost: x\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(handler).not.toHaveBeenCalled();
  });

  it("tells what it answered", async () => {
    const { ask, server } = await site(() => new Response("four"));
    const told: object[] = [];
    server.on("answered", ({ request, status, bytes }) => told.push({ url: request.url, status, bytes }));
    await ask(get("/x"));
    expect(told).toEqual([{ url: "http://name.localhost:8080/x", status: 200, bytes: 4 }]);
  });

  it("sets cookies, one line each, and nothing else with them", async () => {
    const { ask } = await site(() => setCookie(setCookie(new Response("x"), "a=1; HttpOnly"), "b=2"));
    expect(await ask(get("/"))).toContain("\r\nset-cookie: a=1; HttpOnly\r\nset-cookie: b=2\r\n");
    expect(() => setCookie(new Response(), "a=1\r\nx: y")).toThrow(TypeError);
  });

  it("is the handler of a framework", async () => {
    const app = new Hono()
      .get("/hello/:who", (c) => c.text(`hello ${c.req.param("who")}`))
      .post("/sum", async (c) => c.json({ sum: (await c.req.json<number[]>()).reduce((a, b) => a + b) }));
    const { ask } = await site(app.fetch);
    expect(bodyOf(await ask(get("/hello/tab")))).toContain("hello tab");
    expect(
      bodyOf(
        await ask(
          "POST /sum HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n[1,2,3]",
        ),
      ),
    ).toContain(`{"sum":6}`);
    expect(await ask(get("/nowhere"))).toMatch(/^HTTP\/1\.1 404 /);
  });

  it("has a WebSocket's handshake, frames and end", async () => {
    const { open, ask, server } = await site((request) => {
      const { socket, response } = upgradeWebSocket(request);
      socket.addEventListener("message", ({ data }) => socket.send(`<${data}>`));
      return response;
    });
    server.on("error", () => {});
    const client = open(
      get(
        "/",
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
      ),
    );
    await answered(
      client,
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    client.send(new Uint8Array([0x81, 0x82, 0, 0, 0, 0, 104, 105]));
    await answered(client, "\x81\x04<hi>".replace("\x81", "\ufffd"));
    client.send(new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]));
    await until("the end", () => client.isFinished);
    expect([...client.bytes.slice(-4)]).toEqual([0x88, 2, 0x03, 0xe8]);
    expect(await ask(get("/"))).toMatch(/^HTTP\/1\.1 500 /);
  });

  it("gives its name up, and lets answers end", async () => {
    const { server, control } = await site(() => new Response());
    const closed = server.close();
    await until("the finish", () => control.isFinished);
    control.finish();
    expect(await outcome(closed)).toBe("ok");
  });
});

describe("a file", () => {
  const file = new File(["0123456789"], "x.txt", {
    type: "text/plain",
    lastModified: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  });
  const ask = (headers: HeadersInit = {}, method = "GET") =>
    fileResponse(new Request("http://x/", { method, headers }), file);

  it.each<[string, number, string, string | null]>([
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=8-", 206, "89", "bytes 8-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=5-99", 206, "56789", "bytes 5-9/10"],
    ["BYTES= 1-1 ", 206, "1", "bytes 1-1/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
    ["bytes=5-2", 200, "0123456789", null],
    ["bytes=0-1,3-4", 200, "0123456789", null],
    ["bytes=-", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
  ])("of which %s is asked for is %i", async (range, status, text, shown) => {
    const response = ask({ range });
    expect([response.status, await response.text(), response.headers.get("content-range")]).toEqual([
      status,
      text,
      shown,
    ]);
  });

  it("is known again by its tag or its time, and a part of another is not gone on with", async () => {
    const { headers } = ask();
    const [etag, modified] = [headers.get("etag") as string, headers.get("last-modified") as string];
    expect([etag, modified]).toEqual([
      `"a-${Date.UTC(2026, 0, 2, 3, 4, 5).toString(16)}"`,
      "Fri, 02 Jan 2026 03:04:05 GMT",
    ]);
    for (const known of [
      { "if-none-match": etag },
      { "if-none-match": `"x", W/${etag}` },
      { "if-none-match": "*" },
      { "if-modified-since": modified },
    ])
      expect(ask(known).status, JSON.stringify(known)).toBe(304);
    expect(ask({ "if-none-match": '"x"', "if-modified-since": modified }).status).toBe(200);
    for (const [held, status] of [
      [etag, 206],
      [modified, 206],
      ['"x"', 200],
      ["Thu, 01 Jan 2026 00:00:00 GMT", 200],
    ] as const)
      expect(ask({ range: "bytes=1-", "if-range": held }).status, held).toBe(status);
  });

  it("without a time is known by the tag that its handler gives, and by none else", async () => {
    const ask = (etag: string | undefined, headers: Record<string, string>) =>
      fileResponse(new Request("http://x/", { headers }), new Blob(["0123456789"]), {
        headers: etag ? { etag } : {},
      });
    const part = { range: "bytes=1-" };
    for (const [etag, asked, status] of [
      [undefined, {}, 200],
      [undefined, { "if-none-match": "*" }, 200],
      [undefined, part, 206],
      [undefined, { ...part, "if-range": '"x"' }, 200],
      ['"x"', { "if-none-match": 'W/"x"' }, 304],
      ['W/"x"', { "if-none-match": '"x"' }, 304],
      ['"x"', { ...part, "if-range": '"x"' }, 206],
      ['W/"x"', { ...part, "if-range": 'W/"x"' }, 200],
    ] as const)
      expect(ask(etag, asked).status, `${etag} ${JSON.stringify(asked)}`).toBe(status);
    expect(ask('"x"', {}).headers.get("etag")).toBe('"x"');
    expect(ask(undefined, {}).headers.get("etag")).toBeNull();
  });

  it("is read, and by HEAD only told", async () => {
    const head = ask({}, "HEAD");
    expect([head.status, await head.text(), head.headers.get("content-length")]).toEqual([200, "", "10"]);
    expect(ask({}, "DELETE").status).toBe(405);
    const empty = fileResponse(new Request("http://x/", { headers: { range: "bytes=-1" } }), new Blob());
    expect([empty.status, empty.headers.get("content-type")]).toEqual([416, "application/octet-stream"]);
  });
});
