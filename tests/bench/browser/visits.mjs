/**
 * Small requests by HTTP to a server behind `bss listen --to`: a stream, and a connection of its own, for each. Beside it the server alone, asked over connections
 * that are kept, which is what a pool of them could save, and over one for each.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, get } from "node:http";
import { bss } from "../../harness/programs.mjs";
import { startProxy } from "../../harness/proxy.mjs";
import { within } from "../../harness/wait.mjs";
import { median } from "./table.mjs";

const NAME = "visits";
const START_MS = 10_000;
/** Asked for in a row by each of those that ask at the same time. */
const EACH = 200;
const AT_ONCE = 16;
const WARM = 20;
const BODY = Buffer.alloc(1024, 120);

/** @param {(key: string, value: number) => void} add */
export async function visits(add) {
  const server = createServer((_, response) => response.end(BODY));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const proxy = await startProxy();
  const listening = spawn(bss(), ["listen", NAME, "--to", `${port}`, "--http", "--url", proxy.mux], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await within(START_MS, "the address", once(listening.stdout, "data"));
    const through = { port: proxy.port, host: `${NAME}.localhost:${proxy.port}` };
    const alone = { port, host: `127.0.0.1:${port}` };
    for (const [key, to, keepAlive] of /** @type {const} */ ([
      ["visits", through, true],
      ["visitsAlone", alone, false],
      ["visitsKept", alone, true],
    ])) {
      await ask(to, keepAlive, WARM);
      const { perSecond, ms } = await ask(to, keepAlive, EACH);
      add(key, perSecond);
      add(`${key}Ms`, ms);
    }
  } finally {
    listening.kill();
    await proxy.stop();
    server.closeAllConnections();
    server.close();
  }
}

/** How many are answered in a second, and how long the one in the middle takes. @param {{ port: number, host: string }} to @param {boolean} keepAlive @param {number} each */
async function ask({ port, host }, keepAlive, each) {
  const agent = new Agent({ keepAlive, maxSockets: AT_ONCE });
  /** @type {number[]} */
  const took = [];
  const asker = async () => {
    for (let count = 0; count < each; count++) {
      const since = performance.now();
      const request = get({ host: "127.0.0.1", port, agent, headers: { host } });
      const [response] = await once(request, "response");
      let length = 0;
      for await (const part of response) length += part.length;
      if (response.statusCode !== 200 || length !== BODY.length)
        throw new Error(`${response.statusCode}, ${length} bytes`);
      took.push(performance.now() - since);
    }
  };
  const since = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, asker));
  const seconds = (performance.now() - since) / 1000;
  agent.destroy();
  return { perSecond: took.length / seconds, ms: median(took) };
}
