// The tab that plays: pings over two streams, and shows how long they took.

import { type MuxDemux, type Stream, StreamClient } from "browser-stream-server";
import { button, code, duration, element, explain, follow, nameOnPage, prefix, show, tell } from "../echo/page.ts";
import { dial, given, offer } from "../token.ts";
import { breakAll, makeBreakable } from "./breakable.ts";
import { Pongs, ping } from "./ping.ts";
import { Silence } from "./silence.ts";

const view = element("player");
const EVERY_MS = 500;
const SHOWN = 60;
const CAN = typeof RTCPeerConnection === "function";
let brokenAt = 0;

export function play(name: string): void {
  if (CAN) makeBreakable();
  const mdm = dial();
  follow(mdm);
  nameOnPage(name, `Ping-pong with ${name}`);
  button("play-again", () => void match(mdm, name));
  void match(mdm, name);
}

/** Both streams from their start to their end. */
async function match(mdm: MuxDemux, name: string): Promise<void> {
  tell("working", "Connecting");
  show(view, "working");
  const proxied = StreamClient(mdm, { prefix }).connect(name, { meta: "on the proxy" });
  const direct = StreamClient(mdm, { prefix, direct: true }).connect(name, { meta: "direct where possible" });
  const streams = [proxied, direct];
  try {
    await Promise.all(streams.map(({ opened }) => opened));
    tell("good", "Playing");
    show(view, "playing");
    const proxiedLine = new Silence("proxy-way", "proxied");
    proxiedLine.say("It stays on the proxy.");
    const directLine = new Silence("direct-way", "carrier");
    watch(direct, directLine);
    await Promise.all([measure(proxied, "proxy", proxiedLine), measure(direct, "direct", directLine)]);
    over("The other tab stopped.");
  } catch (error) {
    if (await given()) return match(mdm, name);
    offer(error);
    const isNobody = code(error) === "not_found";
    over(isNobody ? NOBODY : explain(error), isNobody);
  }
  for (const stream of streams) stream.reset();
}

const NOBODY =
  "Nobody answers under this name: the tab that answered was closed, or loaded again. Let this one answer under a new name, and open the other tab from it.";

function over(why: string, isNobody = false): void {
  tell("bad", "Not connected");
  element("play-anew").hidden = !isNobody;
  element("player-problem").textContent = why;
  show(view, "failed", "play-again");
}

/** Says which way the stream goes, and lets the direct one be broken. */
function watch(stream: Stream, line: Silence): void {
  const breaker = element<HTMLButtonElement>("break");
  const say = () => {
    const isDirect = stream.carrier === "direct";
    const took = brokenAt ? ` ${duration(performance.now() - brokenAt)} after the break` : "";
    const looking = CAN ? "looks for a direct way" : "this browser has no direct way";
    line.say(isDirect ? "Direct: the proxy carries none of it." : `On the proxy${took}; it ${looking}.`);
    breaker.disabled = !isDirect;
    brokenAt = 0;
    const { proxy, direct } = stream.carried ?? { proxy: { moves: 0 }, direct: { moves: 0 } };
    element("moves").textContent = `${proxy.moves + direct.moves}`;
  };
  stream.on("carrier", say);
  say();
  button("break", () => {
    brokenAt = performance.now();
    breaker.disabled = true;
    line.say("Broken: nothing comes back, and nobody has said why.", true);
    breakAll();
  });
}

async function measure(stream: Stream, way: "proxy" | "direct", line: Silence): Promise<void> {
  const pongs = new Pongs();
  const times: number[] = [];
  const send = () => {
    stream.write(ping());
    line.sent();
  };
  const timer = setInterval(send, EVERY_MS);
  send();
  try {
    for await (const chunk of stream) {
      for (const ms of pongs.take(chunk)) {
        line.answered();
        times.push(ms);
        if (times.length > SHOWN) times.shift();
        element(`${way}-last`).textContent = duration(ms);
        element(`${way}-median`).textContent = duration(median(times));
        draw(way, times);
      }
    }
  } finally {
    clearInterval(timer);
  }
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** From a tenth of a millisecond at the bottom to ten seconds at the top. */
function draw(way: string, times: readonly number[]): void {
  const height = (ms: number) => 12 - (12 * (Math.log10(Math.min(10_000, Math.max(0.1, ms))) + 1)) / 5;
  const from = SHOWN - times.length;
  const points = times.map((ms, at) => `${from + at},${height(ms).toFixed(2)}`).join(" ");
  element(`${way}-line`).querySelector("polyline")?.setAttribute("points", points);
}
