/** The proxy's own STUN: what it is good for is a page that hides its address. Run where networks can be made (playwright.config.ts). */

import type { Browser, TestInfo } from "@playwright/test";
import { install } from "../harness/in-page.mjs";
import { type Networks, startNetworks } from "../harness/networks.mjs";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { expect, type Page, test } from "./fixture.ts";
import { launchIn } from "./networked.ts";

let networks: Networks;
let proxy: RunningProxy;
let near: Browser;
let far: Browser;

test.beforeEach(async () => {
  networks = await startNetworks();
});

test.afterEach(async () => {
  await far?.close();
  await near?.close();
  await proxy?.stop();
  await networks?.stop();
});

/** The proxy in the near network, which nobody else is in. */
async function start(...args: string[]): Promise<RunningProxy> {
  const { address, through } = networks.near;
  return await startProxy(["--bind", `${address}:0`, "--open", ...args], through);
}

/** As everybody's browser: a page's own addresses are known to nobody. */
const hiding = (args: string[]) => args.map((arg) => arg.replace("WebRtcHideLocalIpsWithMdns,", ""));

async function tab(browser: Browser): Promise<Page> {
  const context = await browser.newContext();
  await context.addInitScript(install);
  const page = await context.newPage();
  await page.goto(proxy.url);
  await page.evaluate(async () => {
    globalThis.bss = await import("/browser-stream-server.js");
    kept.found = [];
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(config?: RTCConfiguration) {
        super(config);
        this.addEventListener("icecandidate", ({ candidate }) => {
          if (candidate?.candidate) kept.found.push({ type: candidate.type, address: candidate.address });
        });
        this.addEventListener("icegatheringstatechange", () => {
          kept.isGathered ||= this.iceGatheringState === "complete";
        });
      }
    };
  });
  return page;
}

/** What a page in the far network finds of its own address, and whether its stream goes direct. */
async function meet(info: TestInfo, name: string) {
  near = await launchIn(networks.near, info);
  far = await launchIn(networks.far, info, hiding);
  const [server, client] = [await tab(near), await tab(far)];
  await server.evaluate(async (name) => {
    kept.server = bss.StreamServer(bss.MuxDemux(), { direct: true }, (stream) => {
      void stream.readable.pipeTo(stream.writable);
    });
    await kept.server.listen(name).listening;
  }, name);
  await client.evaluate(async (name) => {
    kept.stream = bss.StreamClient(bss.MuxDemux(), { direct: true }).connect(name);
    await kept.stream.opened;
  }, name);
  return client;
}

test("a_page_that_hides_its_address_is_told_by_the_proxy_how_others_see_it", async ({ name }, info) => {
  proxy = await start("--stun", `${networks.near.address}:3478`);
  const client = await meet(info, name);
  const found = () => client.evaluate(() => kept.found);
  await expect.poll(found, { timeout: 40_000 }).toContainEqual({ type: "srflx", address: networks.far.address });
  const own = (await found()).filter(({ type }: { type: string }) => type === "host");
  expect(own.length, "its own addresses").toBeGreaterThan(0);
  for (const { address } of own) expect(address).toMatch(/\.local$/);
  await expect.poll(() => client.evaluate(() => kept.stream.carrier), { timeout: 40_000 }).toBe("direct");
});

test("without_it_nobody_tells", async ({ name }, info) => {
  proxy = await start();
  const client = await meet(info, name);
  await expect.poll(() => client.evaluate(() => kept.isGathered), { timeout: 40_000 }).toBe(true);
  const found = await client.evaluate(() => kept.found.map(({ type }: { type: string }) => type));
  expect([...new Set(found)]).toEqual(["host"]);
});
