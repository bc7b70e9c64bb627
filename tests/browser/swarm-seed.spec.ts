/** A page of somebody's own, whose images `bss seed` gave ids to: one line of script, and the images come from visitors. */

import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { picture } from "../../examples/image-swarm/picture.mjs";
import { known } from "../harness/evil.mjs";
import { freePort } from "../harness/port.mjs";
import { startProxy } from "../harness/proxy.mjs";
import { expect, test } from "./programs.ts";
import { holders } from "./swarm-tab.ts";

const PAGE = `<!doctype html>
<title>Hills</title>
<link rel="icon" href="data:,">
<h1>Hills &amp; suns</h1>
<img src="one.png" alt="One" width="64" height="48">
<p><img alt='Two' src='two.png'></p>
<script type="module">
  import { MuxDemux } from "PROXY/browser-stream-server.js";
  import { swarmImages } from "PROXY/browser-stream-server-swarm.js";
  globalThis.images = swarmImages(MuxDemux("MUX"));
  globalThis.came = [];
  images.on("image", ({ img, sources }) => came.push([img.alt, sources.peers, sources.origin]));
</script>
`;

test("a page that bss seed wrote shows its images, from its server first and then from visitors", async ({
  browser,
  run,
  folder,
}) => {
  const sent: Record<string, number> = {};
  const server = createServer((asked, answer) => {
    const name = asked.url === "/" ? "out.html" : (asked.url ?? "").slice(1);
    sent[name] = (sent[name] ?? 0) + 1;
    answer.writeHead(200, { "content-type": name.endsWith(".html") ? "text/html" : "image/png" });
    answer.end(readFileSync(join(folder, name)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const url = `http://127.0.0.1:${port}/`;
  const admin = `127.0.0.1:${await freePort()}`;
  const proxy = await startProxy(["--allow-origin", url.slice(0, -1), "--admin", admin]);
  const images = { "one.png": picture(1), "two.png": picture(2) };
  for (const [name, bytes] of Object.entries(images)) writeFileSync(join(folder, name), bytes);
  const html = PAGE.replaceAll("PROXY", proxy.url.slice(0, -1)).replace("MUX", proxy.mux);
  writeFileSync(join(folder, "page.html"), html);
  expect((await run("seed", join(folder, "page.html"), "--out", join(folder, "out.html")).ended).code).toBe(0);
  const written = readFileSync(join(folder, "out.html"), "utf8");
  for (const bytes of Object.values(images)) expect(written).toContain(`data-swarm="${known(bytes).id}"`);

  const open = async ({ isServed = true } = {}) => {
    const page = await (await browser.newContext()).newPage();
    // Whom visitors keep waiting for seconds asks the server too, rightly.
    if (!isServed) await page.route("**/*.png", () => {});
    await page.goto(url);
    const count = () => page.evaluate(() => Reflect.get(globalThis, "came").length);
    await expect.poll(count, { timeout: 60_000 }).toBe(2);
    const widths = await page
      .locator("img")
      .evaluateAll((all) => all.map((img) => (img as HTMLImageElement).naturalWidth));
    expect(widths).toEqual([640, 640]);
    return { page, came: await page.evaluate(() => Reflect.get(globalThis, "came").toSorted()) };
  };
  const first = await open();
  const [{ length: one }, { length: two }] = Object.values(images) as [Uint8Array, Uint8Array];
  expect(first.came).toEqual([
    ["One", 0, one],
    ["Two", 0, two],
  ]);
  // Who comes next is told of the first when that has said that it holds both.
  await expect.poll(() => holders(admin)).toBe(2);
  const second = await open({ isServed: false });
  expect(second.came).toEqual([
    ["One", one, 0],
    ["Two", two, 0],
  ]);
  for (const { page } of [first, second]) await page.context().close();
  server.close();
  await proxy.stop();
});
