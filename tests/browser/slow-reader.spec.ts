import { startProxy } from "../harness/proxy.mjs";
import { slowReader, told } from "../harness/slow-reader.mjs";
import { expect, test } from "./fixture.ts";

const MIB = 1024 * 1024;
const TOTAL = (process.env.LONG === "1" ? 256 : 128) * MIB;

test("threat_06_a_slow_reader_stops_only_its_writer_and_costs_the_proxy_its_window", async ({ tab, name }) => {
  const proxy = await startProxy();
  try {
    const [server, client] = await Promise.all([tab(proxy.url), tab(proxy.url)]);
    const result = await slowReader({ server, client, rss: proxy.rss, name, total: TOTAL });
    console.log(told("Chromium", result));
    // The largest window is 4 MiB; the rest is what the writer has in its own hands.
    expect(result.sentAtStop - result.readAtStop).toBeLessThanOrEqual(5 * MIB);
    expect(result.rssGrowth).toBeLessThan(24 * MIB);
    expect(result.received.bytes).toBe(TOTAL);
    expect(result.received).toEqual(result.sent);
    // Its other streams keep their speed; the bound is wide because the machine is shared.
    expect(result.echoMs).toBeLessThan(10_000);
  } finally {
    await proxy.stop();
  }
});
