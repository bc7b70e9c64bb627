/** The page of the README and the two snippets of the start page, as they stand there. */

import { readFile } from "node:fs/promises";
import type { Browser } from "@playwright/test";
import { snippets } from "../harness/document.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { expect, type Page, test, tryConnect } from "./fixture.ts";

interface Pages {
  /** The name that the server's page claims. */
  name: string;
  server: string;
  client: string;
}

/** Opens the server's page and, once that serves, the client's, whose console then says hello and nothing else. */
async function expectHello(browser: Browser, url: string, probe: Page, { name, server, client }: Pages): Promise<void> {
  const context = await browser.newContext();
  const said: string[] = [];
  try {
    const open = async (html: string) => {
      const page = await context.newPage();
      await page.route(`${url}readme`, (route) => route.fulfill({ contentType: "text/html", body: html }));
      await page.goto(`${url}readme`);
      return page;
    };
    await open(server);
    expect(await tryConnect(probe, name, { wait: 10_000 }), "the server's page serves").toMatchObject({ ok: true });
    // Whatever the client says is said after its page was there.
    context.on("console", (message) => said.push(message.text()));
    await open(client);
    await expect.poll(() => said).toEqual(["hello"]);
  } finally {
    await context.close();
  }
}

test("the README's page serves in one tab and is a client in another, as it is printed, from a server of its own", async ({
  browser,
}) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [html = ""] = snippets(readme, "html", "listen");
  const [, origin = ""] = /--allow-origin (http\S+)$/m.exec(readme) ?? [];
  expect([html, origin]).toEqual([expect.stringContaining('listen("NAME")'), "http://localhost:5173"]);
  const proxy = await startProxy(["--allow-origin", origin]);
  const context = await browser.newContext();
  const errors: string[] = [];
  context.on("console", (message) => errors.push(message.text()));
  const body = html.replaceAll("127.0.0.1:8080", `127.0.0.1:${proxy.port}`);
  await context.route(`${origin}/**`, (route) => route.fulfill({ contentType: "text/html", body }));
  const server = await context.newPage();
  await server.goto(`${origin}/`);
  await expect(server.locator("pre")).toHaveText("serving");
  const opening = server.waitForEvent("popup");
  await server.getByRole("link", { name: "Open a client tab" }).click();
  await expect((await opening).locator("pre")).toHaveText("hello");
  await expect(server.locator("pre")).toContainText('a client: {"from":"a tab"}');
  expect(errors).toEqual([]);
  await context.close();
  await proxy.stop();
});

test("the start page's client says on the console that nobody serves", async ({ browser, realProxy, tab }) => {
  const start = await tab();
  const code = await start.locator("#client-code").textContent();
  const context = await browser.newContext();
  const page = await context.newPage();
  const said = page.waitForEvent("console", (message) => message.type() === "error");
  const body = `<script type="module">${code?.replace('"echo"', '"nobody-echoes"')}</script>`;
  await page.route(`${realProxy.url}alone`, (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(`${realProxy.url}alone`);
  expect((await said).text()).toContain("not_found: nobody serves");
  await context.close();
});

test("the README's values cross from tab to tab as what they are", async ({ realProxy, tab }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const [snippet = ""] = snippets(readme, "js", "import { MuxDemux, StreamClient }");
  expect(snippet).toContain('connect("NAME").values(msgpack)');
  const server = await tab();
  await server.evaluate(async () => {
    const { msgpack } = await import("/browser-stream-server-msgpack.js");
    const serve = bss.StreamServer(bss.MuxDemux(), (stream) => {
      const values = stream.values(msgpack);
      values.pipe(values);
    });
    await serve.listen("values").listening;
  });
  const page = await tab();
  const said = page.waitForEvent("console");
  await page.route(`${realProxy.url}values`, (route) =>
    route.fulfill({
      contentType: "text/html",
      body: `<script type="module">${snippet.replace('"NAME"', '"values"')}</script>`,
    }),
  );
  await page.goto(`${realProxy.url}values`);
  const [value] = (await said).args();
  const kinds = await value?.evaluate(({ taken, id, pixels }) => [taken.constructor.name, typeof id, [...pixels]]);
  expect(kinds).toEqual(["Date", "bigint", [0, 255]]);
  // Gone before its server, or its loop would tell of that.
  await page.goto("about:blank");
});

test("the README's channel carries its messages from one page to two others", async ({ realProxy, tab, name }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = snippets(readme, "js", "import { Channel }").map((code) => code.replace('"NAME"', `"${name}"`));
  const [publish = "", subscribe = ""] = shown;
  expect(shown.map((code) => code.includes("publish("))).toEqual([true, false]);
  const open = async (code: string) => {
    const page = await tab();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    const body = `<script type="module">${code}</script>`;
    await page.route(`${realProxy.url}channel`, (route) => route.fulfill({ contentType: "text/html", body }));
    await page.goto(`${realProxy.url}channel`);
    return said;
  };
  // A reader waits for its publisher for some seconds only.
  await open(publish.replace("waitFor: 1", "waitFor: 2"));
  const readers = [await open(subscribe), await open(subscribe)];
  const all = ["0 one numbers", "1 two numbers", "2 three numbers", "that was all"];
  for (const said of readers) await expect.poll(() => said).toEqual(all);
});

test("the README's room has two members who answer each other", async ({ realProxy, tab, name }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = snippets(readme, "js", "import { Room }").map((code) => code.replace('"NAME"', `"${name}"`));
  expect(shown.length).toBe(1);
  const open = async (nickname: string) => {
    const page = await tab();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    const body = `<script type="module">${shown[0]?.replace("Ada", nickname)}; document.title = "asked";</script>`;
    await page.route(`${realProxy.url}readme-room`, (route) => route.fulfill({ contentType: "text/html", body }));
    await page.goto(`${realProxy.url}readme-room`);
    return { page, said };
  };
  const ada = await open("Ada");
  await expect(ada.page).toHaveTitle("asked");
  const eve = await open("<b>Eve</b>");
  await expect.poll(() => eve.said).toEqual(["Ada read"]);
  await expect.poll(() => ada.said).toEqual(["<b>Eve</b> came", "<b>Eve</b>: hello 3"]);
  await eve.page.goto("about:blank");
  await expect.poll(() => ada.said.at(-1)).toBe("<b>Eve</b> went: gone");
});

test("the README's swarm gives what was seeded", async ({ realProxy, tab }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = snippets(readme, "js", "import { Swarm }");
  expect(shown.length).toBe(1);
  const page = await tab();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  const body = `<script type="module">${shown[0]}</script>`;
  await page.route(`${realProxy.url}readme-swarm`, (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(`${realProxy.url}readme-swarm`);
  await expect.poll(() => said).toEqual(["64", "600000 600000"]);
});

test("the README's sealed stream comes back, under the key of its address", async ({ realProxy, tab, name }) => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const shown = snippets(readme, "js", "sealed: true").map((code) => code.replace('"NAME"', `"${name}"`));
  expect(shown.length).toBe(1);
  const page = await tab();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  const body = `<script type="module">${shown[0]}</script>`;
  await page.route(`${realProxy.url}sealed`, (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(`${realProxy.url}sealed`);
  await expect.poll(() => said).toEqual(["hello true"]);
});

test("the library's README has a sealed server that takes a friend, and forgets a pin by its whole name", async ({
  realProxy,
  tab,
  name,
}) => {
  const readme = await readFile(new URL("../../browser-lib/README.md", import.meta.url), "utf8");
  const [sealed = "", forgetting = ""] = snippets(readme, "js", '"browser-stream-server/seal"');
  const here = (code: string) => code.replaceAll("ws://127.0.0.1:8080/mux", realProxy.mux).replaceAll("NAME", name);
  const page = await tab();
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  const imports = {
    "browser-stream-server": "/browser-stream-server.js",
    "browser-stream-server/seal": "/browser-stream-server-seal.js",
  };
  const body = `
    <script type="importmap">${JSON.stringify({ imports })}</script>
    <script type="module">
      ${here(sealed)}
      await StreamClient(mdm).connect("${name}", { sealed: { keys: mine } }).opened;
      console.log(pins.entries().length);
      ${here(forgetting)}
      console.log(pins.entries().length);
    </script>`;
  await page.route(`${realProxy.url}friends`, (route) => route.fulfill({ contentType: "text/html", body }));
  await page.goto(`${realProxy.url}friends`);
  await expect
    .poll(() => said.filter((text) => text !== "a friend: undefined"))
    .toEqual(["a friend: a tab", "hello", "1", "0"]);
});

test("the start page's server and client work in two tabs as they are displayed", async ({
  browser,
  realProxy,
  tab,
}) => {
  const start = await tab();
  const script = async (id: string) => `<script type="module">${await start.locator(id).textContent()}</script>`;
  const [server, client] = await Promise.all([script("#server-code"), script("#client-code")]);
  expect(server).toContain('listen("echo")');
  expect(client).toContain('connect("echo"');
  await expectHello(browser, realProxy.url, start, { name: "echo", server, client });
});
