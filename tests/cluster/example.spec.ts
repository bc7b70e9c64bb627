/** The example: one command, and three nodes are there. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, serveEcho, test, tryConnect } from "../browser/fixture.ts";
import { natsServer } from "../harness/cluster.mjs";
import { bss } from "../harness/programs.mjs";

const START = fileURLToPath(new URL("../../examples/cluster/start.mjs", import.meta.url));

test("the example starts three nodes behind one address, and a stream goes from one to another", async ({
  tab,
  name,
}) => {
  const args = [START, "--port", "0", "--bss", bss(), "--nats-server", natsServer()];
  const example = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  example.stdout.on("data", (bytes) => {
    told += bytes;
  });
  const ended = new Promise((resolve) => example.once("close", resolve));
  let [cluster, first, second, admin]: (string | undefined)[] = [];
  try {
    await expect.poll(() => told, { timeout: 30_000 }).toContain("NATS is at");
    [cluster, first, second, , admin] = told.match(/http:\/\/\S+/g) ?? [];
    const [server, client, visitor] = [await tab(first), await tab(second), await tab(cluster)];
    await serveEcho(server, name);
    for (const page of [client, visitor]) expect(await tryConnect(page, name)).toMatchObject({ ok: true });
    const nodes = async () => Object.keys((await (await fetch(`${admin}/api/overview`)).json()).nodes);
    await expect.poll(nodes, "it sees the other two").toHaveLength(2);
    process.kill(Number(/process (\d+)/.exec(told)?.[1]), "SIGKILL");
    await expect.poll(() => told).toContain("node 1 has ended; the others go on");
  } finally {
    example.kill("SIGINT");
    await ended;
  }
  await expect(fetch(`${second}healthz`), "its nodes end with it").rejects.toThrow();
});
