/** A port for what has to be told in advance where it listens. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** From here, and below this. */
const [FIRST, END] = [20_000, 32_000];
/** What this process was given before. @type {Set<number>} */
const given = new Set();

/**
 * One that nobody has at this moment, and that the system gives to nobody who asks for any, or who connects: such a port might be somebody else's before it is
 * listened on.
 */
export async function freePort() {
  const first = ephemeral();
  const end = first > FIRST ? Math.min(first, END) : END;
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (end - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

/** The first of the ports that the system gives away by itself: Linux says it, and elsewhere it is a higher one than ours. */
function ephemeral() {
  try {
    return Number.parseInt(readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8"), 10);
  } catch {
    return END;
  }
}

/** @param {number} port */
async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
