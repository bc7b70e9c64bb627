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
  await expect.poll(() => told.match(/http:\/\/\S+/g)?.length, { timeout: 30_000 }).toBe(4);
  const [cluster, first, second] = told.match(/http:\/\/\S+/g) ?? [];
  const [server, client, visitor] = [await tab(first), await tab(second), await tab(cluster)];
  await serveEcho(server, name);
  for (const page of [client, visitor]) expect(await tryConnect(page, name)).toMatchObject({ ok: true });
  const ended = new Promise((resolve) => example.once("close", resolve));
  example.kill("SIGINT");
  await ended;
  await expect(fetch(`${first}healthz`), "its nodes end with it").rejects.toThrow();
});
