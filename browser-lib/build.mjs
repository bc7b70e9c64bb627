// Builds dist/ (modules, types and the single file) and the proxy's assets: the library, the examples and the start page.
// `--watch` builds again on every change; `--size` only measures the single file against its budget.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const examples = join(here, "../examples");
const assets = join(here, "../proxy/assets");
const SINGLE = "browser-stream-server.js";
/**
 * What it measures, up to the next 256 bytes. Mux, server, client, connections that come back, names that are kept and watches: 14.3 KiB, of which 0.4 let
 * streams change what carries them. Resumable streams: 8.5 for the core, a SHA-256 for pages without a secure context among it, and 2.9 for what drives it.
 * What is checked of options, and why there is no connection: 0.4.
 */
const BUDGET = 26.25 * 1024;

const common = { bundle: true, format: "esm", target: "es2022", logLevel: "warning", absWorkingDir: here };

/** Pages import the library from the proxy that serves them. */
const libraryFromProxy = {
  name: "library-from-proxy",
  setup(setup) {
    setup.onResolve({ filter: /^browser-stream-server$/ }, () => ({ path: `/${SINGLE}`, external: true }));
  },
};

const [mode] = process.argv.slice(2);
if (mode === "--size") await size();
else if (mode === "--watch") await watchAll();
else await buildAll();

async function buildAll() {
  rmSync(dist, { recursive: true, force: true });
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(here, "tsconfig.build.json")], { stdio: "inherit" });
  await single(join(dist, SINGLE));
  await buildAssets();
  await size();
}

async function buildAssets() {
  rmSync(assets, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  for (const file of [SINGLE, `${SINGLE}.map`]) cpSync(join(dist, file), join(assets, file));
  for (const file of ["index.html", "style.css"]) {
    if (existsSync(join(examples, file))) cpSync(join(examples, file), join(assets, file));
  }
  for (const name of existsSync(examples) ? readdirSync(examples) : []) await buildExample(name);
}

/** An example is a folder with a main.ts; one without an index.html has its page elsewhere, or is no page at all. */
async function buildExample(name) {
  const [from, to] = [join(examples, name), join(assets, "examples", name)];
  if (existsSync(join(from, "index.html"))) {
    mkdirSync(to, { recursive: true });
    cpSync(join(from, "index.html"), join(to, "index.html"));
  }
  if (!existsSync(join(from, "main.ts"))) return;
  await build({
    ...common,
    entryPoints: [join(from, "main.ts")],
    outfile: join(to, "main.js"),
    plugins: [libraryFromProxy],
  });
}

function single(outfile) {
  return build({
    ...common,
    entryPoints: [join(here, "src/index.ts")],
    outfile,
    minify: true,
    sourcemap: "linked",
  });
}

async function size() {
  const result = await build({
    ...common,
    entryPoints: [join(here, "src/index.ts")],
    minify: true,
    write: false,
  });
  const bytes = gzipSync(result.outputFiles[0].contents, { level: 9 }).length;
  const kib = (n) => `${(n / 1024).toFixed(2)} KiB`;
  console.log(`${SINGLE}: ${kib(bytes)} gzipped, ${kib(BUDGET)} at most`);
  if (bytes > BUDGET) process.exitCode = 1;
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
  for (const folder of [join(here, "src"), examples].filter(existsSync)) watch(folder, { recursive: true }, again);
  console.log("watching src and examples");
}
