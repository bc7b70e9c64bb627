/** HTTP into a tab, in a real browser: a tab serves, others look. */

import { startProxy } from "../harness/proxy.mjs";
import { expect, test } from "./fixture.ts";
import { photograph } from "./photograph.ts";
import { HTML, serve } from "./site.ts";

test.describe.configure({ mode: "parallel" });

test("a page that a tab serves is a page like any other, with an origin of its own", async ({
  tab,
  realProxy,
  name,
}) => {
  const server = await tab();
  const url = await serve(
    server,
    name,
    `async (request) => request.method === "POST" ? Response.json({ text: await request.text(), origin: request.headers.get("origin") }) : ${HTML}`,
  );
  expect(url).toBe(`http://${name}.localhost:${realProxy.port}/`);
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  await expect(visitor.getByRole("heading")).toHaveText("from a tab");
  const said = await visitor.evaluate(async () => (await fetch("/post", { method: "POST", body: "körper" })).json());
  expect(said).toEqual({ text: "körper", origin: url.slice(0, -1) });
  expect(await server.evaluate(() => kept.asked)).toEqual(["GET /", "POST /post"]);
});

test("a film is sought in: its server is asked for the range", async ({ tab, name }) => {
  const server = await tab();
  // Ten minutes of silence: more than a browser loads at once.
  const film = `(request, http) => {
    if (new URL(request.url).pathname === "/") return new Response("<!doctype html><link rel=icon href=data:,><video src=film.wav preload=metadata></video>", { headers: { "content-type": "text/html" } });
    const seconds = 600, rate = 88200, head = new DataView(new ArrayBuffer(44));
    const text = (at, word) => [...word].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
    text(0, "RIFF"); head.setUint32(4, 36 + seconds * rate, true); text(8, "WAVEfmt "); head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
    head.setUint32(24, 44100, true); head.setUint32(28, rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true); text(36, "data"); head.setUint32(40, seconds * rate, true);
    const second = new Uint8Array(rate);
    globalThis.film ??= new File([head, ...Array(seconds).fill(second)], "film.wav", { type: "audio/wav", lastModified: 0 });
    return http.fileResponse(request, globalThis.film);
  }`;
  const url = await serve(server, name, film);
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  const at = await visitor.locator("video").evaluate(async (video: HTMLVideoElement) => {
    if (video.readyState < 1)
      await new Promise((resolve) => video.addEventListener("loadedmetadata", resolve, { once: true }));
    const sought = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = 550;
    await sought;
    return video.currentTime;
  });
  expect(at).toBe(550);
  const ranges: string[] = await server.evaluate(() => kept.asked);
  const from = ranges.map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1] ?? 0));
  expect(Math.max(...from), ranges.join()).toBeGreaterThan(40_000_000);
});

test("threat_34_two_names_have_neither_cookies_nor_storage_in_common", async ({ tab, name }) => {
  const server = await tab();
  const handler = `(request, http) => http.setCookie(${HTML}, "told=1; Domain=localhost")`;
  const [one, two] = [await serve(server, `${name}-a`, handler), await serve(server, `${name}-b`, handler)];
  const visitor = await server.context().newPage();
  await visitor.goto(one);
  await visitor.evaluate(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: what an old page would do
    document.cookie = "said=1; domain=localhost";
    localStorage.setItem("kept", "1");
  });
  expect(await visitor.evaluate(() => [document.cookie, localStorage.length])).toEqual(["told=1", 1]);
  await visitor.goto(`${two}x`);
  expect(await visitor.evaluate(() => [document.cookie, localStorage.length])).toEqual(["told=1", 0]);
  const cookies = await server.context().cookies();
  expect(cookies.map(({ name, domain }) => `${name} ${domain}`).sort()).toEqual(
    [new URL(one), new URL(two)].map(({ hostname }) => `told ${hostname}`).sort(),
  );
});

test("threat_14_a_page_of_a_name_reaches_neither_the_proxy_nor_who_runs_it", async ({ tab, name }) => {
  const proxy = await startProxy(["--admin", "127.0.0.1:0"]);
  const server = await tab(proxy.url);
  const url = await serve(server, name, `() => ${HTML}`);
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  // The same port by all names of this machine, and its own.
  const tries = await visitor.evaluate(async (port) => {
    const dials = ["localhost", "127.0.0.1", location.hostname].map(async (host) => {
      const socket = new WebSocket(`ws://${host}:${port}/mux`);
      return await new Promise((resolve) => {
        socket.onopen = () => resolve(`${host} open`);
        socket.onerror = () => resolve("refused");
      });
    });
    const reads = ["localhost", "127.0.0.1"].map(
      async (host) =>
        await fetch(`http://${host}:${port}/readyz`).then(
          () => `${host} read`,
          () => "refused",
        ),
    );
    return await Promise.all([...dials, ...reads]);
  }, proxy.port);
  expect(tries).toEqual(Array(5).fill("refused"));
  expect(await visitor.evaluate(async () => (await fetch("/readyz")).text())).toContain("from a tab");
  await visitor.close();
  await server.close();
  await proxy.stop();
});

test("threat_34_below_a_path_a_page_has_no_origin_that_others_share", async ({ tab, name }) => {
  const proxy = await startProxy(["--http-path"]);
  const server = await tab(proxy.url);
  await serve(server, name, `(request, http) => http.setCookie(${HTML}, "told=1")`);
  const visitor = await server.context().newPage();
  await visitor.goto(`${proxy.url}~${name}/`);
  const page = await visitor.evaluate(() => {
    const denied = (what: () => unknown) => {
      try {
        return what();
      } catch {
        return "denied";
      }
    };
    return [globalThis.origin, denied(() => localStorage.length), denied(() => document.cookie)];
  });
  expect(page).toEqual(["null", "denied", "denied"]);
  expect(await server.context().cookies()).toEqual([]);
  await visitor.close();
  await server.close();
  await proxy.stop();
});

test("a folder is a web site, with a line for each visitor", async ({ tab, realProxy }) => {
  const server = await tab(`${realProxy.url}examples/site-in-a-tab/`);
  await photograph(server, "site-idle");
  await server.evaluate(() => {
    const files = {
      "index.html": "<!doctype html><link rel=icon href=data:,><h1>Start</h1><a href=list/>list</a>",
      "list/日本 & <b>.txt": "text",
      ".hidden": "no",
    };
    const chosen = Object.entries(files).map(([path, text]) => {
      const file = new File([text], path.split("/").at(-1) as string);
      Object.defineProperty(file, "webkitRelativePath", { value: `my site/${path}` });
      return file;
    });
    const picker = document.getElementById("folder") as HTMLInputElement;
    Object.defineProperty(picker, "files", { value: chosen, configurable: true });
    Object.defineProperty(picker, "value", { value: "", writable: true });
    picker.dispatchEvent(new Event("change"));
  });
  const link = server.locator("#address");
  await expect(link).toHaveText(/^http:\/\/site-[a-z0-9]{10}\.localhost:\d+\/$/);
  await expect(server.locator("#contents")).toHaveText(/^2 files, /);
  await photograph(server, "site-serving");
  const opening = server.waitForEvent("popup");
  await link.click();
  const visitor = await opening;
  await expect(visitor.getByRole("heading")).toHaveText("Start");
  await visitor.getByRole("link").click();
  await expect(visitor.getByRole("listitem")).toContainText(["..", "日本 & <b>.txt"]);
  await photograph(visitor, "site-list");
  await visitor.getByRole("link", { name: "日本" }).click();
  await expect(visitor.locator("body")).toHaveText("text");
  const hidden = await visitor.goto(`${await link.textContent()}.hidden`);
  expect(hidden?.status()).toBe(404);
  await expect(server.getByRole("log")).toContainText("/list/日本 & <b>.txt");
  await photograph(server, "site-log");
  await server.getByRole("button", { name: "Stop" }).click();
  await expect(server.locator("#drop")).toBeVisible();
  await visitor.reload();
  await photograph(visitor, "site-gone");
  await expect(visitor.getByRole("heading")).toHaveText("Nobody is here");
});

test("a tab shows what is posted to it, and answers as it is told", async ({ tab, realProxy }) => {
  const server = await tab(`${realProxy.url}examples/webhook/`);
  const address = server.locator("#address");
  await expect(address).toHaveText(/^http:\/\/hook-/);
  await photograph(server, "webhook-empty");
  const url = (await address.textContent()) as string;
  const visitor = await server.context().newPage();
  await visitor.goto(url);
  await expect(visitor.locator("body")).toHaveText("ok");
  await server.getByText("What this tab answers").click();
  await server.getByLabel("Status").fill("418");
  await server.getByLabel("Body").fill("tea");
  const answer = await visitor.evaluate(async () => {
    const response = await fetch("/x?y", {
      method: "POST",
      headers: { "content-type": "application/json", "x-mine": "it's" },
      body: '{"a":[1,2]}',
    });
    return [response.status, await response.text()];
  });
  expect(answer).toEqual([418, "tea"]);
  const call = server.locator("#calls > li").filter({ hasText: "/x?y" });
  await call.locator("summary").click();
  await expect(call.locator("pre")).toHaveText('{\n  "a": [\n    1,\n    2\n  ]\n}');
  await photograph(server, "webhook-call");
  await server.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await call.getByRole("button", { name: "Copy as curl" }).click();
  const command = () => server.evaluate(() => navigator.clipboard.readText());
  await expect.poll(command).toContain("-H 'x-mine: it'\\''s'");
  expect(await command()).toContain(`--data-raw '{"a":[1,2]}' '${url}x?y'`);
  await server.getByRole("button", { name: "Clear" }).click();
  await expect(server.locator("#calls > li")).toHaveCount(0);
});
