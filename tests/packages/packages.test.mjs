/** The packages as a registry would get them: all are made and looked at, none is published. `LONG=1` also builds the crates out of what is in them. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const LIBRARY = join(ROOT, "browser-lib");
const LONG = process.env.LONG === "1";
const MIB = 1 << 20;

/** The crates that are for others, in the order in which they would be published, and the most that each may be, packed. */
const CRATES = /** @type {const} */ ([
  { name: "browser-stream-mux", folder: "proxy/mux", most: 0.125 * MIB },
  { name: "browser-stream-protocol", folder: "proxy/protocol", most: 0.125 * MIB },
  { name: "browser-stream-client", folder: "proxy/client", most: 0.25 * MIB },
  { name: "browser-stream-server", folder: "proxy", most: 1.1875 * MIB },
]);

/** What every crate has besides its source. */
const COMMON = ["Cargo.toml", "README.md", "LICENSE-APACHE", "LICENSE-MIT"];
/** What cargo adds. */
const CARGOS = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];
/** What the proxy has besides: its build, what it serves, and what it speaks. */
const PROXYS = ["build.rs", "CHANGELOG.md", "PROTOCOL.md", "RESUME.md", "SEAL.md", "SECURITY.md"];

/** Built of several modules, for pages and for what has libraries in it. */
const SINGLE_FILES = [
  "",
  "-carriers",
  "-channel",
  "-direct",
  "-http",
  "-msgpack",
  "-negotiation",
  "-noble",
  "-room",
  "-seal",
  "-swarm",
  "-swarm-worker",
];

test("each crate has what it is built of and what says how to use it, and nothing else", async () => {
  for (const { name, folder } of CRATES) {
    const source = await files(join(ROOT, folder), "src");
    const more = folder === "proxy" ? [...PROXYS, ...(await files(join(ROOT, folder), "assets"))] : [];
    const { stdout } = await run("cargo", ["package", "--list", "--allow-dirty", "--locked", "--package", name]);
    const listed = stdout.trim().split("\n");
    const ours = listed.filter((file) => !CARGOS.includes(file)).sort();
    assert.deepEqual(ours, [...COMMON, ...source, ...more].sort(), name);
  }
});

test("the crates are packed without a complaint, and are small", { timeout: 1_200_000 }, async () => {
  const all = CRATES.flatMap(({ name }) => ["--package", name]);
  const { stderr } = await run("cargo", [
    "package",
    "--allow-dirty",
    "--locked",
    ...(LONG ? [] : ["--no-verify"]),
    ...all,
  ]);
  // Their tests need what the repository has beside them.
  const complaints = stderr.split("\n").filter((line) => /^(warning|error)/.test(line));
  assert.deepEqual(
    complaints.filter((line) => !/^warning: ignoring test `\w+` as `tests\//.test(line)),
    [],
  );
  const { target_directory: target, packages } = await metadata();
  for (const { name, most } of CRATES) {
    const { version } = packages.find((one) => one.name === name) ?? {};
    const { length } = await readFile(join(target, "package", `${name}-${version}.crate`));
    console.log(`${name} ${version}: ${(length / 1024).toFixed(1)} KiB of ${most / 1024} at most`);
    assert.ok(length <= most, name);
  }
});

test("each crate says what it is, for whom and since which Rust, in the manifest and in words", async () => {
  const { packages } = await metadata();
  const [published, rest] = [
    packages.filter(({ publish }) => publish === null),
    packages.filter(({ publish }) => publish !== null),
  ];
  assert.deepEqual(published.map(({ name }) => name).sort(), CRATES.map(({ name }) => name).sort());
  assert.ok(rest.every(({ publish }) => publish?.length === 0));
  for (const { name, folder } of CRATES) {
    const said = published.find((one) => one.name === name);
    assert.ok(said?.description && said.documentation && said.authors.length > 0, name);
    assert.equal(said.license, "MIT OR Apache-2.0");
    assert.equal(said.readme, "README.md");
    assert.ok(said.keywords.length > 0 && said.keywords.length <= 5 && said.categories.length > 0, name);
    const readme = await readFile(join(ROOT, folder, "README.md"), "utf8");
    assert.match(readme, new RegExp(`It needs Rust ${said.rust_version} `), name);
    const unversioned = said.dependencies.filter(({ kind, req }) => kind !== "dev" && req === "*");
    assert.deepEqual(unversioned, [], `${name} says of each crate that it needs which version`);
  }
});

test("the Rust that the crates ask for is one that builds them", { timeout: 1_200_000 }, async () => {
  const { packages } = await metadata();
  const [version = ""] = new Set(packages.map(({ rust_version }) => rust_version ?? ""));
  const { stdout } = await run("rustc", ["--version"]);
  // What is built with it here is proof enough.
  if (stdout.startsWith(`rustc ${version}.`)) return;
  const { stdout: installed } = await run("rustup", ["toolchain", "list"]).catch(() => ({ stdout: "" }));
  const toolchain = installed
    .split(/\s+/)
    .find((name) => name.startsWith(`${version}.`) || name.startsWith(`${version}-`));
  if (!toolchain) {
    console.log(
      `Rust ${version} is not here (rustup toolchain install ${version}): clippy alone looks for what it has not`,
    );
    return;
  }
  const all = CRATES.flatMap(({ name }) => ["--package", name]);
  await run("rustup", ["run", toolchain, "cargo", "check", "--locked", "--target-dir", "target/oldest", ...all]);
});

test("the npm package has each module with its types, the single files, and nothing else", async () => {
  const modules = (await files(LIBRARY, "src")).map((file) => file.replace(/^src\/(.*)\.ts$/, "dist/$1"));
  const built = modules.flatMap((module) => [`${module}.js`, `${module}.d.ts`]);
  const single = SINGLE_FILES.map((part) => `dist/browser-stream-server${part}.js`);
  const expected = ["README.md", "package.json", "dist/LICENSE-APACHE", "dist/LICENSE-MIT", ...built, ...single];
  // With what it was made of, for who looks into it in a page.
  expected.push("dist/browser-stream-server.js.map");
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], LIBRARY);
  /** @type {{ size: number, files: { path: string }[] }[]} */
  const [packed] = JSON.parse(stdout);
  assert.ok(packed);
  assert.deepEqual(packed.files.map(({ path }) => path).sort(), expected.sort());
  console.log(`browser-stream-server for npm: ${(packed.size / 1024).toFixed(1)} KiB, of 640 at most`);
  assert.ok(packed.size <= 640 * 1024);
});

test("who installs the npm package can import each entry, with its types", { timeout: 120_000 }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "bss-package-"));
  context.after(() => rm(folder, { recursive: true }));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], LIBRARY);
  const [{ filename }] = JSON.parse(stdout);
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({ name: "one-of-yours", type: "module", private: true }),
  );
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", `./${filename}`], folder);

  const { exports } = JSON.parse(await readFile(join(LIBRARY, "package.json"), "utf8"));
  // A script that a page registers, and nothing to import.
  const scripts = ["./package.json", "./swarm-worker"];
  const entries = Object.keys(exports).filter((entry) => !scripts.includes(entry));
  const imports = entries.map((entry, at) => `import * as e${at} from "browser-stream-server${entry.slice(1)}";`);
  const counts = entries.map((entry, at) => `console.log("${entry}", Object.keys(e${at}).length > 0);`);
  const script = [...imports, ...counts].join("\n");
  await writeFile(join(folder, "all.mjs"), script);
  const { stdout: said } = await run(process.execPath, ["all.mjs"], folder);
  assert.deepEqual(
    said.trim().split("\n"),
    entries.map((entry) => `${entry} true`),
  );

  await writeFile(
    join(folder, "all.ts"),
    `${script}\nconst mdm = e0.MuxDemux("ws://127.0.0.1/mux");\nmdm.state satisfies string;\n`,
  );
  // Who takes the entry for Node has Node's types.
  const options = ["--typeRoots", join(LIBRARY, "node_modules/@types"), "--types", "node", "--noEmit", "--strict"];
  const target = ["--module", "nodenext", "--target", "es2023", "--lib", "es2024,dom,dom.asynciterable"];
  const tsc = join(LIBRARY, "node_modules/.bin/tsc");
  const { stdout: faults } = await run(tsc, [...options, ...target, "all.ts"], folder).catch((error) => error);
  assert.equal(faults, "");
});

/**
 * The files below a folder's part, by paths from that folder.
 *
 * @param {string} folder
 * @param {string} part
 */
async function files(folder, part) {
  const all = await readdir(join(folder, part), { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.replace(/\/?$/, "/").length));
}

/** @typedef {{ kind: string | null, req: string }} Dependency */
/**
 * @typedef {object} Package
 * @property {string} name
 * @property {string} version
 * @property {string[] | null} publish
 * @property {string | null} description
 * @property {string | null} documentation
 * @property {string | null} license
 * @property {string | null} readme
 * @property {string | null} rust_version
 * @property {string[]} authors
 * @property {string[]} keywords
 * @property {string[]} categories
 * @property {Dependency[]} dependencies
 */

/** @returns {Promise<{ target_directory: string, packages: Package[] }>} */
async function metadata() {
  const { stdout } = await run("cargo", ["metadata", "--no-deps", "--format-version", "1", "--locked"]);
  return JSON.parse(stdout);
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function run(program, args, cwd = ROOT) {
  return promisify(execFile)(program, args, { cwd, maxBuffer: 16 * MIB });
}
