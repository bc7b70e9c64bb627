/** The rows of the table: which samples, and what is asked of them (performance.md, "To reach"; design: 3.2, 3.5). */

/** 80 % of 4 MiB in each round trip of 100 ms. */
const DELAYED_MIN = 32;
/** As for the Rust load program: p99 of a ping beside bulk. */
const SLOW_MAX = 300;
const PLAIN = "plain stream, the same page";
const CLEAR = "unsealed, the same page";
const SOCKET = "WebSocket, the same page";
const ALONE = "the server alone, a connection each";
const BARE = "bare WebSocket in the same page";

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {string} unit
 * @property {string} key
 * @property {[key: string, name: string]} [baseline]
 * @property {number} [ratioMin] of ours to the baseline
 * @property {number} [min]
 * @property {number} [max]
 */

/** @type {Figure[]} */
export const FIGURES = [
  { name: "page: download, 64 KiB", unit: "MiB/s", key: "oursDown", baseline: ["bareDown", BARE], ratioMin: 0.95 },
  { name: "page: upload, 64 KiB", unit: "MiB/s", key: "oursUp", baseline: ["bareUp", BARE], ratioMin: 0.95 },
  { name: "page: download, its first 256 MiB", unit: "MiB/s", key: "oursDownFirst", baseline: ["bareDownFirst", BARE] },
  { name: "page: upload, its first 256 MiB", unit: "MiB/s", key: "oursUpFirst", baseline: ["bareUpFirst", BARE] },
  {
    name: "page: resumable download",
    unit: "MiB/s",
    key: "resumableDown",
    baseline: ["plainDown", PLAIN],
    ratioMin: 0.9,
  },
  { name: "page: resumable upload", unit: "MiB/s", key: "resumableUp", baseline: ["plainUp", PLAIN], ratioMin: 0.9 },
  { name: "page: sealed download", unit: "MiB/s", key: "sealedDown", baseline: ["clearDown", CLEAR] },
  { name: "page: sealed upload", unit: "MiB/s", key: "sealedUp", baseline: ["clearUp", CLEAR] },
  ...["http", "webtransport"].flatMap((carrier) => [
    carried(carrier, "Down", "", "MiB/s"),
    carried(carrier, "Up", "", "MiB/s"),
    carried(carrier, "Down", "Cpu", "ms/MiB"),
    carried(carrier, "Up", "Cpu", "ms/MiB"),
  ]),
  { name: "page: Chromium's CPU, download", unit: "ms/MiB", key: "oursDownCpu", baseline: ["bareDownCpu", BARE] },
  { name: "page: Chromium's CPU, upload", unit: "ms/MiB", key: "oursUpCpu", baseline: ["bareUpCpu", BARE] },
  { name: "page: the library's code, download", unit: "ms/MiB", key: "libraryDown" },
  { name: "page: the library's code, upload", unit: "ms/MiB", key: "libraryUp" },
  { name: "page: 100 ms on its side, download", unit: "MiB/s", key: "nearDown", min: DELAYED_MIN },
  { name: "page: 100 ms on its side, upload", unit: "MiB/s", key: "nearUp", min: DELAYED_MIN },
  { name: "page: 100 ms on the peer's side, download", unit: "MiB/s", key: "farDown", min: DELAYED_MIN },
  { name: "page: 100 ms on the peer's side, upload", unit: "MiB/s", key: "farUp", min: DELAYED_MIN },
  // The proxy and the peer behind 10 Mbit/s that queues 50 ms at most; some twenty pings a round, of which the worst counts.
  { name: "page: ping beside download, 10 Mbit/s", unit: "ms", key: "slowDown", max: SLOW_MAX },
  { name: "page: ping beside upload, 10 Mbit/s", unit: "ms", key: "slowUp", max: SLOW_MAX },
  {
    name: "page: upload behind another tab",
    unit: "MiB/s",
    key: "hiddenUp",
    baseline: ["visibleUp", "the same page in front"],
    ratioMin: 0.8,
  },
  // Shows that the row above means something. A second of the clock holds one tick, give or take when it was looked at.
  { name: "page: timers behind another tab", unit: "ticks/s", key: "hiddenTicks", max: 1.5 },
  // Each holder gives 1 MiB in a second at most.
  {
    name: "page: swarm of four holders, 1 MiB/s each",
    unit: "MiB/s",
    key: "swarmFour",
    baseline: ["swarmOne", "one of them"],
    ratioMin: 3,
  },
  // Of eleven who announce all of them ten are dead, silent, lie or leave.
  {
    name: "page: 20 pictures, ten of eleven peers do harm",
    unit: "ms",
    key: "swarmFaults",
    baseline: ["originAlone", "their origin alone, unchecked"],
  },
  // No page is in it: 1 KiB to sixteen who ask at once. The last row is what could be gained at most by keeping connections to the server.
  { name: "HTTP through bss listen --to", unit: "1/s", key: "visits", baseline: ["visitsAlone", ALONE] },
  { name: "HTTP through bss listen --to, median", unit: "ms", key: "visitsMs", baseline: ["visitsAloneMs", ALONE] },
  { name: "HTTP to the server, kept connections", unit: "1/s", key: "visitsKept", baseline: ["visitsAlone", ALONE] },
];

/**
 * What carries a session in place of a WebSocket, beside one.
 *
 * @param {string} carrier @param {"Down" | "Up"} way @param {"" | "Cpu"} what @param {string} unit @returns {Figure}
 */
function carried(carrier, way, what, unit) {
  const by = carrier === "http" ? "HTTP" : "WebTransport";
  const name = `page: ${what ? "Chromium's CPU, " : ""}${way === "Down" ? "download" : "upload"} over ${by}`;
  return { name, unit, key: carrier + way + what, baseline: [`websocket${way}${what}`, SOCKET] };
}
