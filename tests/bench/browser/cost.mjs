/** What the library's own code costs in a page, from Chromium's sampling profiler. */

const SAMPLE_US = 200;

/**
 * @typedef {{ id: number, callFrame: { functionName: string, url: string }, children?: number[] }} Node
 */

/**
 * Milliseconds of the main thread in the library while `work` ran: its functions and the platform's that they call, collecting garbage included;
 * without `WebSocket.send`, which a page without the library calls just as often.
 *
 * @param {import("puppeteer-core").Page} page @param {() => Promise<unknown>} work
 */
export async function profile(page, work) {
  const client = await page.createCDPSession();
  await client.send("Profiler.enable");
  await client.send("Profiler.setSamplingInterval", { interval: SAMPLE_US });
  await client.send("Profiler.start");
  await work();
  const { profile } = await client.send("Profiler.stop");
  await client.detach();
  const ours = owned(profile.nodes);
  const { samples = [], timeDeltas = [] } = profile;
  // A delta leads up to its sample.
  return samples.reduce((sum, id, i) => (ours.has(id) ? sum + (timeDeltas[i + 1] ?? 0) / 1000 : sum), 0);
}

/** The nodes that the library is to answer for. @param {Node[]} nodes */
function owned(nodes) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  /** @type {Set<number>} */
  const ours = new Set();
  /** @param {Node} node @param {boolean} inside */
  const walk = (node, inside) => {
    const { functionName, url } = node.callFrame;
    const isNative = url === "";
    const counts = url.endsWith(".js") || (isNative && inside && functionName !== "send");
    if (counts || functionName === "(garbage collector)") ours.add(node.id);
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child) walk(child, counts);
    }
  };
  const [root] = nodes;
  if (root) walk(root, false);
  return ours;
}
