/** A framework's `fetch` is a handler: hono's routes, its middleware, streams and errors, by HTTP through the real proxy. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { getCookie, setCookie } from "hono/cookie";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { WebSocket } from "ws";
import { http, MuxDemux } from "../harness/library.mjs";
import { startProxy } from "../harness/proxy.mjs";

const run = promisify(execFile);

/** @type {import("../harness/proxy.mjs").RunningProxy} */
let proxy;
/** @type {import("browser-stream-server").MuxDemux} */
let mdm;
/** @type {string} */
let url;

before(async () => {
  proxy = await startProxy();
  const app = new Hono();
  app.get("/hello/:name", (c) => c.text(`hello ${c.req.param("name")}, by ${c.req.header("x-forwarded-proto")}`));
  app.post("/sum", async (c) => {
    const { numbers } = await c.req.json();
    return c.json({ sum: numbers.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0) }, 201);
  });
  app.get("/visits", (c) => {
    const count = Number(getCookie(c, "visits") ?? 0) + 1;
    setCookie(c, "visits", `${count}`);
    return c.text(`${count}`);
  });
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      for (const data of ["one", "two"]) await stream.writeSSE({ data });
    }),
  );
  app.use("/own/*", basicAuth({ username: "me", password: "secret" }));
  app.get("/own/page", (c) => c.html("<h1>mine</h1>"));
  app.get("/broken", () => {
    throw new Error("no idea");
  });
  app.onError((error, c) =>
    error instanceof HTTPException ? error.getResponse() : c.text(`broken: ${error.message}`, 500),
  );
  mdm = MuxDemux(proxy.mux, { WebSocket: /** @type {any} */ (WebSocket) });
  url = /** @type {string} */ (await http.serveHttp(mdm, "app", app.fetch).listening);
});

after(async () => {
  mdm?.close();
  await proxy?.stop();
});

/** What curl prints: the body, and the status behind it. @param {string} path @param {string[]} args */
async function curl(path, ...args) {
  const { stdout } = await run("curl", ["-sS", "--noproxy", "*", "-w", " %{http_code}", ...args, `${url}${path}`]);
  return stdout;
}

test("hono's routes and its json answer visitors of the name", async () => {
  assert.equal(await curl("hello/w%C3%B6rld"), "hello wörld, by http 200");
  const json = ["-H", "content-type: application/json", "-d", '{"numbers":[1,2,39]}'];
  assert.equal(await curl("sum", ...json), '{"sum":42} 201');
  assert.equal(await curl("nowhere"), "404 Not Found 404");
});

test("its cookies, its events, its middleware and its errors come through", async () => {
  assert.equal(await curl("visits", "-b", "visits=6"), "7 200");
  assert.match(await curl("visits", "-i"), /^set-cookie: visits=1; Path=\/\r$/im);
  assert.equal(await curl("events"), "data: one\n\ndata: two\n\n 200");
  assert.match(await curl("own/page", "-i"), /^www-authenticate: Basic realm=/im);
  assert.equal(await curl("own/page", "-u", "me:secret"), "<h1>mine</h1> 200");
  assert.equal(await curl("broken"), "broken: no idea 500");
});
