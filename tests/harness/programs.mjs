/** Finds the programs that the tests run: the proxy, the browsers, the interop peers, what stands in front. */

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const TARGET = fileURLToPath(new URL("../../target/", import.meta.url));

/** @param {string} path */
function runs(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} name */
function onPath(name) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(runs);
}

/**
 * The first that can be run: what the variable says, the usual place, a name on the PATH.
 *
 * @param {string} variable
 * @param {string} usual
 * @param {string[]} names
 * @returns {string | undefined}
 */
function browser(variable, usual, names) {
  const said = process.env[variable];
  if (said !== undefined && said !== "") {
    if (!runs(said)) throw new Error(`${variable} names ${said}, which cannot be run`);
    return said;
  }
  return runs(usual) ? usual : names.map(onPath).find((path) => path !== undefined);
}

/** The installed Chromium. */
export function chromium() {
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  const path = browser("CHROMIUM_PATH", "/usr/bin/chromium", names);
  if (path === undefined) {
    throw new Error("no Chromium found: run tests/install-browsers.sh, or set CHROMIUM_PATH to one");
  }
  return path;
}

/** The installed Firefox. */
export function firefox() {
  const path = browser("FIREFOX_PATH", "/usr/bin/firefox-esr", ["firefox-esr", "firefox"]);
  if (path === undefined) {
    throw new Error("no Firefox found: run tests/install-browsers.sh, or set FIREFOX_PATH to one");
  }
  return path;
}

/**
 * A program that cargo builds; the release one wins, since that is what `make test` builds.
 *
 * @param {string} name
 * @param {string} variable
 * @param {string} build the command that makes it
 * @param {string[]} profiles where it is looked for, in this order
 */
function built(name, variable, build, profiles = ["release", "debug"]) {
  const said = process.env[variable];
  const places = said ? [said] : profiles.map((profile) => join(TARGET, profile, name));
  const path = places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new Error(`${name} is not there (looked at ${places.join(", ")}): run \`${build}\`, or set ${variable}`);
  }
  return path;
}

/** The proxy's program. */
export function bss() {
  return built("bss", "BSS_BIN", "cargo build --release --bin bss");
}

/** Whether the proxy's program has an option: some are there only if it was built with a feature. @param {string} option */
export function serves(option) {
  return execFileSync(bss(), ["serve", "--help"], { encoding: "utf8" }).includes(option);
}

/** The program that measures, which also is what is compared with. */
export function bench() {
  return built("bench", "BENCH_BIN", "cargo build --release -p browser-stream-tests --bin bench", ["release"]);
}

/** The peer over the `yamux` crate. */
export function yamuxPeer() {
  return built("yamux-peer", "YAMUX_PEER_BIN", "npm run preinterop", ["debug"]);
}

/** The example that has the proxy inside. */
export function embed() {
  return built("embed", "EMBED_BIN", "npm run preinterop", ["debug"]);
}

/** The example that is a peer over the `yamux` crate. */
export function rustPeer() {
  return built("rust-peer", "RUST_PEER_BIN", "npm run preinterop", ["debug"]);
}

/** The example that takes files. */
export function upload() {
  return built("upload", "UPLOAD_BIN", "npm run preinterop", ["debug"]);
}

/** The example that serves media. */
export function media() {
  return built("media", "MEDIA_BIN", "npm run preinterop", ["debug"]);
}

/** The program that opens streams to pages. */
export function pusher() {
  return built("pusher", "PUSHER_BIN", "npm run preinterop", ["debug"]);
}

/** The server of BinaryJS's front page. */
export function binary() {
  return built("binary", "BINARY_BIN", "npm run preinterop", ["debug"]);
}

/** The Rust client's end of a long talk. */
export function talker() {
  return built("talker", "TALKER_BIN", "npm run preinterop", ["debug"]);
}

/** The Rust client's end of a mux over one stream. */
export function muxer() {
  return built("muxer", "MUXER_BIN", "npm run preinterop", ["debug"]);
}

/** The Rust client's end of a stream of values. */
export function valuer() {
  return built("valuer", "VALUER_BIN", "npm run preinterop", ["debug"]);
}

/**
 * A program of those that tests of a proxy in front need.
 *
 * @param {"nginx" | "caddy" | "openssl"} name
 */
export function front(name) {
  const unpacked = ["usr/sbin", "usr/bin"].map((folder) => join(TARGET, "front", folder, name));
  const path = onPath(name) ?? [join("/usr/sbin", name), ...unpacked].find(runs);
  if (path === undefined) throw new Error(`no ${name} found: run tests/install-front.sh`);
  return path;
}

/** The TURN server, and the environment that it finds its libraries in. */
export function turnserver() {
  const usr = join(TARGET, "turn", "usr");
  const path = onPath("turnserver") ?? ["/usr/bin/turnserver", join(usr, "bin", "turnserver")].find(runs);
  if (path === undefined) throw new Error("no turnserver found: run tests/install-turn.sh");
  if (!path.startsWith(usr)) return { path, env: process.env };
  const folders = readdirSync(join(usr, "lib"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const libraries = folders.map(({ name }) => join(usr, "lib", name)).join(delimiter);
  return { path, env: { ...process.env, LD_LIBRARY_PATH: libraries } };
}

/** Python 3. */
export function python() {
  const path = onPath("python3");
  if (path === undefined) throw new Error("no python3 found: install it (apt-get install python3)");
  return path;
}

/** Go's compiler, or undefined. */
export function go() {
  return onPath("go");
}
