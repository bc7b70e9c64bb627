/** What every case plays on: a browser, the proxy, a bare relay, the peer, delays in between, and a server of the page and the library. */

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";
import { bench, chromium, serves } from "../../harness/programs.mjs";
import { startProxy } from "../../harness/proxy.mjs";
import { within } from "../../harness/wait.mjs";
import { cpuMs } from "./cpu.mjs";
import { install } from "./in-page.mjs";

const START_MS = 10_000;
const LIBRARY = new URL("../../../browser-lib/dist/", import.meta.url);
/** The names that the peer serves: with the library, and for next to nothing. */
export const NAME = "peer";
export const LIGHT = "light";
/** 100 ms for a round trip. */
const DELAY_MS = 50;
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** What automation turns off by itself: a page in the background is to be treated as a user's. */
const THROTTLING = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** @typedef {Awaited<ReturnType<typeof setStage>>} Stage */

/** Starts all of it; whatever fails, `stop` ends what runs. */
export async function setStage() {
  // Whoever interrupts it leaves nothing running.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  /** @type {(() => unknown)[]} */
  const stops = [];
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one();
  };
  try {
    const pages = await startPages();
    stops.push(pages.stop);
    const hasWebTransport = serves("--webtransport");
    const more = hasWebTransport ? ["--webtransport"] : [];
    const proxy = await startProxy(["--allow-origin", pages.origin, ...more]);
    stops.push(proxy.stop);
    const relay = await startProgram(stops, ["relay", "all", "websocket"]);
    const shim = await startProgram(stops, ["shim", "127.0.0.1:0", new URL(proxy.url).host, String(DELAY_MS)]);
    const [peer, farPeer] = [await startPeer(stops), await startPeer(stops)];
    await peer.tell({ light: proxy.mux, name: LIGHT });
    await peer.tell({ serve: proxy.mux, name: NAME });
    await farPeer.tell({ serve: `ws://${shim}/mux`, name: `far-${NAME}` });
    const browser = await puppeteer.launch({
      executablePath: chromium(),
      headless: true,
      // Or each message of a WebSocket is told to the driver with its payload, which costs more than all that is measured here.
      networkEnabled: false,
      args: ARGS,
      ignoreDefaultArgs: THROTTLING,
    });
    stops.push(() => browser.close());
    return {
      mux: proxy.mux,
      hasWebTransport,
      /** The same, with a delay on the way. */
      farMux: `ws://${shim}/mux`,
      relay: `ws://${relay}`,
      /** Of the pages. */
      origin: pages.origin,
      peer,
      browser,
      /** CPU time of the whole browser so far. */
      cpuMs: () => cpuMs(browser.process()?.pid ?? 0),
      /** A page that has the library in `file` of `dist`. */
      tab: (file = "browser-stream-server.js") => openTab(browser, pages.url, file),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {import("puppeteer-core").Browser} browser @param {string} url @param {string} file */
async function openTab(browser, url, file) {
  const page = await browser.newPage();
  await page.goto(url);
  await page.evaluate(install);
  await page.evaluate(async (path) => {
    globalThis.bss = await import(path);
  }, `/${file}`);
  return page;
}

/** Serves an empty page, and the library as it was built last. */
async function startPages() {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://pages").pathname;
    if (!path.endsWith(".js")) return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
    response.writeHead(200, { "content-type": "text/javascript" });
    return createReadStream(new URL(`.${path}`, LIBRARY))
      .on("error", () => response.destroy())
      .pipe(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${port}/`, origin: `http://127.0.0.1:${port}`, stop };
}

/** Starts a part of the Rust bench, which prints its address first. @param {(() => unknown)[]} stops @param {string[]} args */
async function startProgram(stops, args) {
  const child = spawn(bench(), args, { stdio: ["ignore", "pipe", "inherit"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  stops.push(kill);
  const [line] = await within(START_MS, `the address of bench ${args.join(" ")}`, once(child.stdout, "data"));
  return String(line).trim();
}

/** @param {(() => unknown)[]} stops @param {string[]} through a command that becomes the one behind it */
export async function startPeer(stops, through = []) {
  const [execPath, ...execArgv] = [...through, process.execPath];
  const child = fork(fileURLToPath(new URL("peer.mjs", import.meta.url)), { execPath, execArgv });
  stops.push(() => child.kill("SIGKILL"));
  await within(START_MS, "the peer", once(child, "message"));
  return {
    /** @param {{ bare?: string, light?: string, serve?: string, name?: string }} order */
    async tell(order) {
      const ready = once(child, "message");
      child.send(order);
      await within(START_MS, "the peer to be ready", ready);
    },
  };
}
