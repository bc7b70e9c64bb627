/** Direct connections over a TURN server that shares a secret with the proxy: coturn, as it is packaged. */

import { writeFile } from "node:fs/promises";
import { type RunningProxy, startProxy } from "../harness/proxy.mjs";
import { startTurn, type Turn } from "../harness/turn.mjs";
import { expect, type Page, test } from "./fixture.ts";

const MIB = 1 << 20;
const TOTAL = 16 * MIB;

let turn: Turn;
let proxy: RunningProxy;

test.beforeEach(async () => {
  turn = await startTurn();
});

test.afterEach(async () => {
  await proxy?.stop();
  await turn?.stop();
});

/** A server, and its client, that tell nobody an address of their own; their connections lie in `kept.pcs`, and what the client sent in `kept.sent`. */
async function meet(server: Page, client: Page, name: string): Promise<void> {
  for (const page of [server, client]) {
    await page.evaluate(() => {
      kept.pcs = [];
      kept.errors = [];
      Math.random = () => 0.01;
      globalThis.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(config?: RTCConfiguration) {
          super(config);
          kept.pcs.push(this);
          this.onicecandidateerror = ({ errorCode }) => kept.errors.push(errorCode);
        }
      };
    });
  }
  await server.evaluate(async (name) => {
    kept.server = bss.StreamServer(bss.MuxDemux(), { direct: { iceTransportPolicy: "relay" } }, (stream) => {
      kept.stream = stream;
      stream.closed.catch(() => {});
    });
    await kept.server.listen(name).listening;
  }, name);
  await client.evaluate(async (name) => {
    kept.stream = bss.StreamClient(bss.MuxDemux(), { direct: { iceTransportPolicy: "relay" } }).connect(name);
    kept.stream.closed.catch(() => {});
    await kept.stream.opened;
  }, name);
}

/** The kinds of the two candidates that a page's connection goes over. */
function selected(page: Page): Promise<(string | undefined)[]> {
  return page.evaluate(async () => {
    const pc = kept.pcs.findLast(({ connectionState }: RTCPeerConnection) => connectionState === "connected");
    const stats = new Map<string, Record<string, string>>(await pc.getStats());
    const transport = [...stats.values()].find(({ type }) => type === "transport");
    const pair = stats.get(transport?.selectedCandidatePairId ?? "");
    return [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => stats.get(id ?? "")?.candidateType);
  });
}

test("where_only_coturn_shows_a_way_a_stream_goes_on_over_it", async ({ tab, name }) => {
  proxy = await startProxy(["--turn", turn.url, "--turn-secret", turn.secret]);
  const [server, client] = await Promise.all([tab(proxy.url), tab(proxy.url)]);
  await meet(server, client, name);
  for (const page of [server, client]) {
    const carrier = () => page.evaluate(() => kept.stream.carrier);
    await expect.poll(carrier, { intervals: [20], timeout: 40_000 }).toBe("direct");
    expect(await selected(page)).toEqual(["relay", "relay"]);
  }
  const received = server.evaluate(() => t.receive(kept.stream.readable));
  const sent = await client.evaluate((total) => t.send(kept.stream.writable, 1, total), TOTAL);
  expect(await received).toEqual(sent);
  const { direct } = await server.evaluate(() => kept.stream.carried);
  // A link that is silent for two seconds is left for the proxy, rightly; what came before that came over coturn, and no other way.
  expect(direct.received).toBeGreaterThan(MIB);
  // The login names the session that it was made for, and until when it is good.
  expect(turn.log()).toMatch(/user <\d{10}:[0-9a-f-]{36}>/);
});

test("a_login_that_coturn_does_not_know_opens_no_way_and_harms_no_stream", async ({ tab, name }, info) => {
  test.slow();
  const other = info.outputPath("other-secret");
  await writeFile(other, "south", { mode: 0o600 });
  proxy = await startProxy(["--turn", turn.url, "--turn-secret", other]);
  const [server, client] = await Promise.all([tab(proxy.url), tab(proxy.url)]);
  await meet(server, client, name);
  const refused = () => client.evaluate(() => kept.errors.includes(401));
  await expect.poll(refused, { message: "coturn refuses the login", timeout: 40_000 }).toBe(true);
  const isGivenUp = () =>
    client.evaluate(() => kept.pcs.some((pc: RTCPeerConnection) => pc.connectionState === "closed"));
  await expect.poll(isGivenUp, { timeout: 40_000 }).toBe(true);
  const received = server.evaluate(() => t.text(kept.stream.readable));
  await client.evaluate(() => kept.stream.end("over the proxy"));
  expect(await received).toBe("over the proxy");
  expect(await client.evaluate(() => kept.stream.carrier)).toBe("proxy");
});
