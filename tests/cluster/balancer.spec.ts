/** The balancer of the example: to which nodes it hands connections. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "@playwright/test";
import { startBalancer } from "../../examples/cluster/balancer.mjs";

/** What answers as a node does: whether it is ready, and else its name. */
async function startNode(name: string) {
  const node = { isReady: true, port: 0, stop: () => void server.close() };
  const server = createServer((request, response) => {
    response.statusCode = request.url === "/readyz" && !node.isReady ? 503 : 200;
    response.setHeader("connection", "close").end(name);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  node.port = (server.address() as AddressInfo).port;
  return node;
}

test("connections go to nodes that are ready, in turn, and to any where none is", async () => {
  const nodes = [await startNode("one"), await startNode("two")] as const;
  const [one, two] = nodes;
  const balancer = await startBalancer(() => nodes.map(({ port }) => port));
  /** Who answers the next connections. */
  const asked = async () => {
    const answers = new Set<string>();
    for (let times = 0; times < 6; times++)
      answers.add(await (await fetch(`http://127.0.0.1:${balancer.port}/`)).text());
    return [...answers].sort().join(" and ");
  };
  try {
    expect(await asked()).toBe("one and two");
    one.isReady = false;
    await expect.poll(asked).toBe("two");
    [one.isReady, two.isReady] = [true, false];
    await expect.poll(asked).toBe("one");
    one.isReady = false;
    await expect.poll(asked).toBe("one and two");
    one.stop();
    await expect.poll(asked, "one that is gone").toBe("two");
  } finally {
    await balancer.stop();
    for (const node of nodes) node.stop();
  }
});
