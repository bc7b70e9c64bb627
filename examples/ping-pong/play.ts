// The tab that plays: pings over two streams, and shows how long they took.

import { MuxDemux, type Stream, StreamClient } from "browser-stream-server";
import { button, code, duration, element, explain, follow, mux, nameOnPage, prefix, show, tell } from "../echo/page.ts";
import { breakAll, makeBreakable } from "./breakable.ts";
import { Pongs, ping } from "./ping.ts";

const view = element("player");
const EVERY_MS = 500;
const SHOWN = 60;
const CAN = typeof RTCPeerConnection === "function";
let brokenAt = 0;

export function play(name: string): void {
  if (CAN) makeBreakable();
  const mdm = MuxDemux(mux);
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
    watch(direct);
    await Promise.all([measure(proxied, "proxy"), measure(direct, "direct")]);
    over("The other tab stopped.");
  } catch (error) {
    const advice = code(error) === "not_found" ? "Nobody answers under this name: open the page without it." : "";
    over(advice || explain(error));
  }
  for (const stream of streams) stream.reset();
}

function over(why: string): void {
  tell("bad", "Not connected");
  element("player-problem").textContent = why;
  show(view, "failed", "play-again");
}

/** Says which way the stream goes, and lets the direct one be broken. */
function watch(stream: Stream): void {
  const breaker = element<HTMLButtonElement>("break");
  const say = () => {
    const isDirect = stream.carrier === "direct";
    const took = brokenAt ? ` ${duration(performance.now() - brokenAt)} after the break` : "";
    const looking = CAN ? "looks for a direct way" : "this browser has no direct way";
    element("carrier").textContent = isDirect
      ? "Direct: the proxy carries none of it."
      : `On the proxy${took}; it ${looking}.`;
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
    element("carrier").textContent = "Broken: nothing comes back, and nobody has said why.";
    breakAll();
  });
}

async function measure(stream: Stream, way: "proxy" | "direct"): Promise<void> {
  const pongs = new Pongs();
  const times: number[] = [];
  const timer = setInterval(() => stream.write(ping()), EVERY_MS);
  stream.write(ping());
  try {
    for await (const chunk of stream) {
      for (const ms of pongs.take(chunk)) {
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
