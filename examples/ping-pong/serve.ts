// The tab that answers: sends back what comes, and counts which way it came.

import { type MuxDemux, type Stream, StreamServer } from "browser-stream-server";
import { button, element, explain, follow, nameOnPage, prefix, show, tell } from "../echo/page.ts";
import { dial, offer } from "../token.ts";
import { PING_BYTES } from "./ping.ts";

const view = element("server");
const answered = { proxy: 0, direct: 0 };
let players = 0;

export function serve(name: string): void {
  const mdm = dial();
  follow(mdm);
  nameOnPage(name, "Ping-pong");
  element<HTMLAnchorElement>("open-player").href = `?with=${encodeURIComponent(name)}`;
  button("serve-again", () => void listen(mdm, name));
  void listen(mdm, name);
}

async function listen(mdm: MuxDemux, name: string): Promise<void> {
  tell("working", "Asking for a name");
  show(view, "working");
  try {
    const server = StreamServer(mdm, { prefix, direct: true }, answer).listen(name);
    await server.listening;
    tell("good", "Ready");
    show(view, "serving", "open-player");
    await server.closed;
  } catch (error) {
    tell("bad", "Not serving");
    element("server-problem").textContent = explain(error);
    offer(error);
    show(view, "failed", "serve-again");
  }
}

/** One stream of a player: it has two, of which one stays on the proxy. */
async function answer(stream: Stream): Promise<void> {
  const counts = stream.meta === "direct where possible";
  if (counts) count(1);
  const writer = stream.writable.getWriter();
  try {
    for await (const chunk of stream) {
      await writer.write(chunk);
      answered[stream.carrier] += chunk.length / PING_BYTES;
      element(`answered-${stream.carrier}`).textContent = Math.floor(answered[stream.carrier]).toLocaleString("en");
    }
    await writer.close();
  } catch {
    // The player went away.
  }
  if (counts) count(-1);
}

function count(change: 1 | -1): void {
  players += change;
  element("players").textContent = `${players}`;
}
