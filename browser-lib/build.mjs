// Builds dist/ (modules, types and the single file) and the proxy's assets: the library, the examples, the start page and the admin page.
// `--watch` builds again on every change; `--size` only measures the single file against its budget.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const examples = join(here, "../examples");
const admin = join(here, "../proxy/admin");
const assets = join(here, "../proxy/assets");
const SINGLE = "browser-stream-server.js";
/** The codec that has a library in it: the package's entry `./msgpack`, and a file of its own for pages. */
const MSGPACK = "browser-stream-server-msgpack.js";
/** Channels: the package's entry `./channel`, and a file of its own for pages, which takes what it shares with the library from that. */
const CHANNEL = "browser-stream-server-channel.js";
/** HTTP into a tab: the package's entry `./http`, and a file for pages as that of channels. */
const HTTP = "browser-stream-server-http.js";
/** Connections of a page's own: the package's entry `./negotiation`, and a file for pages as that of channels. */
const NEGOTIATION = "browser-stream-server-negotiation.js";
/** Rooms: the package's entry `./room`, and a file of its own for pages, which takes what it shares with the library from that, and the codec from that codec's file. */
const ROOM = "browser-stream-server-room.js";
/** Swarms: the package's entry `./swarm`, and a file for pages as that of channels. */
const SWARM = "browser-stream-server-swarm.js";
/** The service worker that gives contents of swarms addresses: the package's entry `./swarm-worker`, a script that needs nothing beside it. */
const SWARM_WORKER = "browser-stream-server-swarm-worker.js";
/** What makes direct connections: the library loads it when the first is wanted, from beside itself. */
const DIRECT = "browser-stream-server-direct.js";
/** What carries a connection where no WebSocket comes through, likewise. */
const CARRIERS = "browser-stream-server-carriers.js";
/** What seals streams: the package's entry `./seal`, which the library loads when the first is wanted; and what it needs where the platform has no cryptography. */
const SEAL = "browser-stream-server-seal.js";
const NOBLE = "browser-stream-server-noble.js";
/**
 * What it measures, up to the next 256 bytes. Mux, server, client, connections that come back, names that are kept and watches: 14.3 KiB, of which 0.4 let
 * streams change what carries them. Going on over direct connections: 0.8. Resumable streams: 8.5 for the core, a SHA-256 for pages without a secure context among it, and 2.9 for what drives it.
 * A mux over any pair of streams, with the messages of errors: 1.3. Sending whole things 0.6, what else Node promises 0.2, priorities and turns 0.5, latest values 0.6. Values with the JSON codec: 1.6.
 * What is checked of options, and why there is no connection: 0.4. What is here of sealed streams before one is wanted: 0.8. Tokens that a function gives, are renewed
 * and refused: 0.5, for each of these has to be told apart where the connection is made. When another carrier than a WebSocket is to be looked for: 0.6.
 */
const BUDGET = 34 * 1024;
/** What the entry for Node has of its own, beside the library, in the same way. */
const NODE_BUDGET = 1024;
/** What seals, likewise. */
const SEAL_BUDGET = 7.5 * 1024;
/** Likewise: the noble libraries, with their licence. */
const NOBLE_BUDGET = 16.5 * 1024;
/** What makes direct connections, likewise. */
const DIRECT_BUDGET = 5.25 * 1024;
/** What carries a connection in place of a WebSocket, likewise. */
const CARRIERS_BUDGET = 3.25 * 1024;
/** What it measures, likewise: @msgpack/msgpack is 5.5 KiB of it, its licence 0.4. */
const MSGPACK_BUDGET = 7.75 * 1024;
/** What channels add to the library, in the same way. */
const CHANNEL_BUDGET = 5 * 1024;
/** What HTTP into a tab adds, likewise. */
const HTTP_BUDGET = 7.5 * 1024;
/** What the negotiation of a page's own connections adds, likewise. */
const NEGOTIATION_BUDGET = 1024;
/** Likewise: a room, its members, listeners and targets 2.7, what it sends and asks 1.2, seats and lines 1.8, records and values 1.8, the directory 0.6. A page loads the codec's file beside it, once. */
const ROOM_BUDGET = 8.5 * 1024;
/** Likewise: what is asked of whom, whom one trusts, and the fetches 7.2, links and their records 2, the origin 1.1, the tracker and manifests 1.8, giving 1.7, stores 2.2, what a page sees 2.2; images of a page and its side of the service worker 2.3. */
const SWARM_BUDGET = 21 * 1024;
/** Likewise, all of it: what a request wants and is answered 1.8, pages and the origin 1.7, manifests with a SHA-256 1.5. */
const SWARM_WORKER_BUDGET = 5.25 * 1024;
/** What issue 11 allows: the admin page with all that it loads. uPlot is 22.7 KiB of it, the library without what the page does without 14, preact 5.5, their licences 1. */
const ADMIN_BUDGET = 60 * 1024;

const common = { bundle: true, format: "esm", target: "es2022", logLevel: "warning", absWorkingDir: here };

/** What is loaded when it is needed lies beside. Bundlers of others split it off by themselves. */
const partsBeside = {
  name: "parts-beside",
  setup(setup) {
    const parts = {
      "/carriers/index.ts": CARRIERS,
      "/direct/direct.ts": DIRECT,
      "/seal/index.ts": SEAL,
      "/noble.ts": NOBLE,
    };
    setup.onResolve({ filter: /\.ts$/ }, ({ path, kind }) => {
      const part = kind === "dynamic-import" && Object.keys(parts).find((end) => path.endsWith(end));
      return part ? { path: `./${parts[part]}`, external: true } : undefined;
    });
  },
};

const single = { ...common, entryPoints: [join(here, "src/single.ts")], minify: true, plugins: [partsBeside] };
const direct = { ...common, entryPoints: [join(here, "src/direct/direct.ts")], minify: true };
const carriers = { ...common, entryPoints: [join(here, "src/carriers/index.ts")], minify: true };
const msgpack = {
  ...common,
  entryPoints: [join(here, "src/msgpack.ts")],
  minify: true,
  banner: { js: `/*! Contains @msgpack/msgpack. ${licence("@msgpack/msgpack")} */` },
};

/** What an entry shares with the library it takes from there, so that a page has each of it once: one class of errors, one of connections. */
const fromSingle = {
  name: "from-single",
  setup(setup) {
    setup.onResolve({ filter: /^\.\.\// }, ({ path }) => {
      // A few lines that only entries use; and what has a file of its own.
      if (path.endsWith("/decoder.ts") || path.endsWith("/base64.ts")) return undefined;
      return { path: `./${path.endsWith("/msgpack.ts") ? MSGPACK : SINGLE}`, external: true };
    });
    // Behind those few lines, too.
    setup.onResolve({ filter: /^\.\/(error|resume\/record)\.ts$/ }, ({ importer }) =>
      importer.endsWith("/src/decoder.ts") ? { path: `./${SINGLE}`, external: true } : undefined,
    );
  },
};

/** The same for what seals streams: it is small, and so is what it has of the library itself, but for what must be one in a page. */
const sharedFromSingle = {
  name: "shared-from-single",
  setup(setup) {
    const shared = /^\.\.\/(cell|error|reply|resumable\/opener)\.ts$/;
    setup.onResolve({ filter: shared }, () => ({ path: `./${SINGLE}`, external: true }));
  },
};
const seal = {
  ...common,
  entryPoints: [join(here, "src/seal/index.ts")],
  minify: true,
  plugins: [partsBeside, sharedFromSingle],
};
const noble = {
  ...common,
  entryPoints: [join(here, "src/seal/noble.ts")],
  minify: true,
  banner: { js: `/*! Contains @noble/ciphers, @noble/curves and @noble/hashes. ${licence("@noble/curves")} */` },
};
const channel = { ...common, entryPoints: [join(here, "src/channel/index.ts")], minify: true, plugins: [fromSingle] };
const http = { ...channel, entryPoints: [join(here, "src/http/index.ts")] };
const negotiation = { ...channel, entryPoints: [join(here, "src/negotiation/index.ts")] };
const swarm = { ...channel, entryPoints: [join(here, "src/swarm/index.ts")] };
/** A classic script: browsers without modules in service workers run it, too. */
const swarmWorker = {
  ...common,
  entryPoints: [join(here, "src/swarm-worker/worker.ts")],
  minify: true,
  format: "iife",
};
const room = { ...common, entryPoints: [join(here, "src/room/index.ts")], minify: true, plugins: [fromSingle] };

/** Pages import the library from the proxy that serves them. */
const libraryFromProxy = {
  name: "library-from-proxy",
  setup(setup) {
    setup.onResolve({ filter: /^browser-stream-server$/ }, () => ({ path: `/${SINGLE}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/msgpack$/ }, () => ({ path: `/${MSGPACK}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/seal$/ }, () => ({ path: `/${SEAL}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/channel$/ }, () => ({ path: `/${CHANNEL}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/http$/ }, () => ({ path: `/${HTTP}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/negotiation$/ }, () => ({
      path: `/${NEGOTIATION}`,
      external: true,
    }));
    setup.onResolve({ filter: /^browser-stream-server\/room$/ }, () => ({ path: `/${ROOM}`, external: true }));
    setup.onResolve({ filter: /^browser-stream-server\/swarm$/ }, () => ({ path: `/${SWARM}`, external: true }));
  },
};

/** The admin page has the library in it, but for what its one stream does without. */
const partsWithout = {
  name: "parts-without",
  setup(setup) {
    const parts = /\/(carriers|duplex-mux|duplex|latest|resumable\/resumables|send|values\/json|values\/values)\.ts$/;
    setup.onResolve({ filter: parts }, () => ({ path: join(admin, "without.ts") }));
  },
};
const adminPage = {
  ...common,
  entryPoints: ["main.tsx", "admin.css"].map((file) => join(admin, file)),
  entryNames: "admin",
  outdir: join(assets, "admin"),
  minify: true,
  jsx: "automatic",
  jsxImportSource: "preact",
  nodePaths: [join(here, "node_modules")],
  plugins: [partsWithout],
  banner: { js: `/*! Contains preact. ${licence("preact")} */\n/*! Contains uPlot. ${licence("uplot")} */` },
};

/** What an entry beside the library shares with it is not its own. */
const withoutLibrary = {
  name: "without-library",
  setup(setup) {
    setup.onResolve({ filter: /^\.\.\// }, ({ path }) => ({ path, external: true }));
  },
};

const [mode] = process.argv.slice(2);
if (mode === "--size") await size();
else if (mode === "--watch") await watchAll();
else await buildAll();

async function buildAll() {
  rmSync(dist, { recursive: true, force: true });
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  for (const config of ["tsconfig.build.json", "tsconfig.node.json"])
    execFileSync(process.execPath, [tsc, "-p", join(here, config)], { stdio: "inherit" });
  await build({ ...single, outfile: join(dist, SINGLE), sourcemap: "linked" });
  await build({ ...direct, outfile: join(dist, DIRECT) });
  await build({ ...carriers, outfile: join(dist, CARRIERS) });
  // Rooms load it in pages, and the package's entries have it with the library in it, too.
  for (const file of [MSGPACK, "msgpack.js"]) await build({ ...msgpack, outfile: join(dist, file) });
  await build({ ...channel, outfile: join(dist, CHANNEL) });
  await build({ ...http, outfile: join(dist, HTTP) });
  await build({ ...negotiation, outfile: join(dist, NEGOTIATION) });
  await build({ ...room, outfile: join(dist, ROOM) });
  await build({ ...swarm, outfile: join(dist, SWARM) });
  await build({ ...swarmWorker, outfile: join(dist, SWARM_WORKER) });
  await build({ ...seal, outfile: join(dist, SEAL) });
  // The package has it with the libraries in it, too, and depends on none.
  for (const file of [NOBLE, "seal/noble.js"]) await build({ ...noble, outfile: join(dist, file) });
  // Fails here, not in a page, where the single file lacks what it takes from there.
  for (const file of [CHANNEL, HTTP, NEGOTIATION, ROOM, SWARM, SEAL])
    await import(pathToFileURL(join(dist, file)).href);
  // For the package; where the proxy's image is made they are not there.
  for (const file of ["LICENSE-APACHE", "LICENSE-MIT"].filter((file) => existsSync(join(here, "..", file))))
    cpSync(join(here, "..", file), join(dist, file));
  await buildAssets();
  await size();
}

async function buildAssets() {
  rmSync(assets, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  for (const file of [
    SINGLE,
    `${SINGLE}.map`,
    CARRIERS,
    DIRECT,
    MSGPACK,
    CHANNEL,
    HTTP,
    NEGOTIATION,
    ROOM,
    SWARM,
    SWARM_WORKER,
    SEAL,
    NOBLE,
  ])
    cpSync(join(dist, file), join(assets, file));
  for (const file of ["index.html", "style.css"]) {
    if (existsSync(join(examples, file))) cpSync(join(examples, file), join(assets, file));
  }
  for (const name of existsSync(examples) ? readdirSync(examples) : []) await buildExample(name);
  await build(adminPage);
  cpSync(join(admin, "index.html"), join(assets, "admin/index.html"));
}

/** An example is a folder with a main.ts, and workers beside it; one without an index.html has its page elsewhere, or is no page at all. */
async function buildExample(name) {
  const [from, to] = [join(examples, name), join(assets, "examples", name)];
  for (const file of ["index.html", "captions.vtt", `${name}.css`].filter((file) => existsSync(join(from, file)))) {
    mkdirSync(to, { recursive: true });
    cpSync(join(from, file), join(to, file));
  }
  if (!existsSync(join(from, "main.ts"))) return;
  const workers = readdirSync(from).filter((file) => file.endsWith(".worker.ts"));
  await build({
    ...common,
    entryPoints: ["main.ts", ...workers].map((file) => join(from, file)),
    outdir: to,
    nodePaths: [join(here, "node_modules")],
    plugins: [libraryFromProxy],
  });
}

async function size() {
  await measure(SINGLE, single, BUDGET);
  await measure(DIRECT, direct, DIRECT_BUDGET);
  await measure(CARRIERS, carriers, CARRIERS_BUDGET);
  await measure(MSGPACK, msgpack, MSGPACK_BUDGET);
  await measure(CHANNEL, channel, CHANNEL_BUDGET);
  await measure(HTTP, http, HTTP_BUDGET);
  await measure(NEGOTIATION, negotiation, NEGOTIATION_BUDGET);
  await measure(ROOM, room, ROOM_BUDGET);
  await measure(SWARM, swarm, SWARM_BUDGET);
  await measure(SWARM_WORKER, swarmWorker, SWARM_WORKER_BUDGET);
  await measure(SEAL, seal, SEAL_BUDGET);
  await measure(NOBLE, noble, NOBLE_BUDGET);
  const entryPoints = [join(here, "src/node/index.ts")];
  const own = { ...common, entryPoints, platform: "node", plugins: [withoutLibrary], minify: true };
  await measure("browser-stream-server/node", own, NODE_BUDGET);
  await measure("admin page", adminPage, ADMIN_BUDGET, [readFileSync(join(admin, "index.html"))]);
}

/** All files that are built together, and `beside` that is not built. */
async function measure(name, what, budget, beside = []) {
  const result = await build({ ...what, write: false });
  const files = [...result.outputFiles.map(({ contents }) => contents), ...beside];
  const bytes = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
  const figure = (n) => `${(n / 1024).toFixed(2)} KiB (${n.toLocaleString("en")} bytes)`;
  console.log(`${name}: ${figure(bytes)} gzipped, ${figure(budget)} at most`);
  if (bytes <= budget) return;
  console.error(
    `over budget by ${(bytes - budget).toLocaleString("en")} bytes: ${name}. Make it smaller, or raise its budget in build.mjs.`,
  );
  process.exitCode = 1;
}

async function watchAll() {
  await buildAll();
  let timer;
  let running = Promise.resolve();
  const again = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      running = running.then(buildAll).catch((error) => console.error(String(error)));
    }, 100);
  };
  for (const folder of [join(here, "src"), examples, admin].filter(existsSync))
    watch(folder, { recursive: true }, again);
  console.log("watching src, examples and the admin page");
}

/** What has to stand beside every copy of a package. */
function licence(name) {
  return readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8").trim();
}
