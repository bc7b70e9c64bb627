/** Who may connect at all, and what a cut connection looks like. */

import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket } from "ws";
import { startProxy } from "../harness/proxy.mjs";
import { startShim } from "../harness/shim.mjs";
import { expect, serveEcho, test } from "./fixture.ts";

/** A web server of somebody else, with one page. */
async function stranger() {
  const page =
    '<!doctype html><title>another site</title><iframe sandbox="allow-scripts" srcdoc="<p>none</p>"></iframe>';
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(page));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The status that an upgrade with these headers gets; 101 is a session. */
async function upgrade(mux: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(mux, "bss.1", { headers });
  return await new Promise((resolve) => {
    socket.on("error", () => {});
    socket.on("open", () => {
      resolve(101);
      socket.close();
    });
    socket.on("unexpected-response", (_, response) => {
      resolve(response.statusCode ?? 0);
      socket.terminate();
    });
  });
}

/** The status of a GET with these headers. */
async function get(url: string, headers: Record<string, string>): Promise<number> {
  const asked = request(url, { headers });
  asked.end();
  const [response] = await once(asked, "response");
  response.resume();
  return response.statusCode;
}

/** In a page: whether a WebSocket to `mux` opens. */
function tryWebSocket(mux: string): Promise<string> {
  const socket = new WebSocket(mux, "bss.1");
  return new Promise((resolve) => {
    socket.onopen = () => resolve("open");
    socket.onclose = () => resolve("refused");
  });
}

test("threat_14_a_page_of_another_origin_gets_no_session", async ({ page, realProxy }) => {
  const other = await stranger();
  await page.goto(other.origin);
  expect(await page.evaluate(tryWebSocket, realProxy.mux)).toBe("refused");
  const frame = page.frames()[1];
  expect(await frame?.evaluate(() => origin)).toBe("null");
  expect(await frame?.evaluate(tryWebSocket, realProxy.mux)).toBe("refused");
  // Nor does it get at the library, or at whether the proxy is there.
  const read = await page.evaluate(async (url) => {
    const results = ["browser-stream-server.js", "healthz", ""].map(async (path) => {
      try {
        return (await fetch(url + path)).type;
      } catch {
        return "refused";
      }
    });
    return await Promise.all(results);
  }, realProxy.url);
  expect(read).toEqual(["refused", "refused", "refused"]);
  other.stop();
});

test("threat_14_an_allowed_origin_loads_the_library_and_connects", async ({ tab, page, name }) => {
  const other = await stranger();
  const proxy = await startProxy(["--allow-origin", other.origin]);
  try {
    await serveEcho(await tab(proxy.url), name);
    await page.goto(other.origin);
    const echoed = await page.evaluate(
      async ({ url, mux, name }) => {
        const library = await import(`${url}browser-stream-server.js`);
        const stream = library.StreamClient(library.MuxDemux(mux)).connect(name);
        const writer = stream.writable.getWriter();
        await writer.write(new TextEncoder().encode("from elsewhere"));
        await writer.close();
        return await new Response(stream.readable).text();
      },
      { url: proxy.url, mux: proxy.mux, name },
    );
    expect(echoed).toBe("from elsewhere");
  } finally {
    await proxy.stop();
    other.stop();
  }
});

test("threat_14_origin_and_host_decide_on_every_route", async ({ realProxy }) => {
  const own = `http://127.0.0.1:${realProxy.port}`;
  expect(await upgrade(realProxy.mux, {})).toBe(101);
  expect(await upgrade(realProxy.mux, { origin: own })).toBe(101);
  expect(
    await upgrade(realProxy.mux, { origin: `http://localhost:${realProxy.port}`, host: `localhost:${realProxy.port}` }),
  ).toBe(101);
  const strange = [
    "null",
    "http://evil.example",
    `http://127.0.0.1:${realProxy.port + 1}`,
    `http://localhost:${realProxy.port}`,
    "x",
  ];
  for (const origin of strange) expect(await upgrade(realProxy.mux, { origin }), origin).toBe(403);
  for (const host of [
    "evil.example",
    `evil.example:${realProxy.port}`,
    "127.0.0.1.evil.example",
    "localhost.evil.example",
  ]) {
    expect([403, 421], host).toContain(await upgrade(realProxy.mux, { host }));
    // DNS rebinding: the page's origin and the host agree, and both are strange.
    expect([403, 421], host).toContain(await upgrade(realProxy.mux, { host, origin: `http://${host}` }));
    for (const path of ["", "healthz", "browser-stream-server.js", "examples/echo/"]) {
      expect([403, 421], `${host} ${path}`).toContain(await get(realProxy.url + path, { host }));
    }
  }
  for (const host of [`localhost:${realProxy.port}`, "127.0.0.1", "[::1]", `[::1]:${realProxy.port}`]) {
    expect(await get(`${realProxy.url}healthz`, { host }), host).toBe(200);
  }
});

for (const cutSide of ["client", "server"] as const) {
  test(`threat_12_a_connection_cut_on_the_${cutSide}s_side_in_mid_transfer_is_lost_for_both`, async ({
    tab,
    name,
    realProxy,
  }) => {
    const shim = await startShim(realProxy.port);
    const [server, client] = await Promise.all([
      tab(cutSide === "server" ? shim.url : realProxy.url),
      tab(cutSide === "client" ? shim.url : realProxy.url),
    ]);
    await server.evaluate(async (name) => {
      kept.mdm = bss.MuxDemux();
      const handler = bss.StreamServer(kept.mdm, (stream) => {
        kept.sending = t.outcome(t.send(stream.writable, 1, 256 << 20));
        kept.receiving = t.outcome(t.receive(stream.readable));
        kept.closed = t.outcome(stream.closed);
      });
      await handler.listen(name).listening;
    }, name);
    await client.evaluate(async (name) => {
      const some = t.gate<void>();
      kept.mdm = bss.MuxDemux();
      kept.stream = bss.StreamClient(kept.mdm).connect(name, { resume: false });
      kept.sending = t.outcome(t.send(kept.stream.writable, 2, 256 << 20));
      kept.receiving = t.outcome(
        t.receive(kept.stream.readable, (received) => {
          if (received > 4 << 20) some.open();
        }),
      );
      kept.closed = t.outcome(kept.stream.closed);
      await some.passed;
    }, name);
    shim.cut();
    for (const page of [server, client]) {
      const [sending, receiving, closed] = await page.evaluate(() =>
        Promise.all([kept.sending, kept.receiving, kept.closed]),
      );
      expect([sending.ok, receiving.ok, closed.ok]).toEqual([false, false, false]);
      expect([sending.code, receiving.code, closed.code]).toEqual(["lost", "lost", "lost"]);
    }
    await shim.stop();
  });
}
