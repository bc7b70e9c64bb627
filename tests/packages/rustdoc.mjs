/**
 * What rustdoc's pages say of a crate's API: every public item, its signatures, and the examples that stand on its page. The pages are made by any stable toolchain, follow every
 * re-export and every macro, and leave out what is hidden, so nothing here has to know Rust.
 */

import { readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";

/**
 * @typedef {object} Item
 * @property {string} path such as `browser_stream_client::resume::Record`
 * @property {string} page its file
 * @property {string[]} lines its declaration, its methods, and the traits that it implements
 * @property {string[]} examples all those of its page, as text
 * @property {string[]} see the pages that its documentation says to see
 */

/** Where what the compiler or a trait gives begins: it is not said by this item. */
const GIVEN = /<h2 id="(?:deref-methods-[^"]*|synthetic-implementations|blanket-implementations)"/;
/** Traits that stand for the derivation of others, and are nobody's to use. */
const INNER = /^impl(?:<.*?>)? (?:StructuralPartialEq|Freeze) for /;

/**
 * Every public item of a crate, in the order of their paths.
 *
 * @param {string} docs the folder of all crates' pages
 * @param {string} crate
 * @returns {Promise<Item[]>}
 */
export async function items(docs, crate) {
  const all = await readFile(join(docs, crate, "all.html"), "utf8");
  const listed = [...all.matchAll(/<li><a href="([^"]+)">([^<]+)<\/a><\/li>/g)];
  const pages = listed.map(([, href = "", name = ""]) => item(join(docs, crate, href), `${crate}::${name}`));
  const modules = await modulesBelow(docs, crate);
  const found = await Promise.all([
    ...pages,
    ...modules.map((path) => item(join(docs, ...path.split("::"), "index.html"), path)),
  ]);
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/**
 * A module and all that are in it. Pages of those that are no more may lie about, so what leads to them counts.
 *
 * @param {string} docs
 * @param {string} path
 * @returns {Promise<string[]>}
 */
async function modulesBelow(docs, path) {
  const html = await readFile(join(docs, ...path.split("::"), "index.html"), "utf8");
  const names = [...html.matchAll(/<a class="mod" href="(\w+)\/index\.html"/g)].map(([, name = ""]) => name);
  const below = [...new Set(names)].map((name) => modulesBelow(docs, `${path}::${name}`));
  return [path, ...(await Promise.all(below)).flat()];
}

/**
 * @param {string} page
 * @param {string} path
 * @returns {Promise<Item>}
 */
async function item(page, path) {
  const html = await readFile(page, "utf8");
  const main = html.slice(html.indexOf('<section id="main-content"'));
  const given = main.search(GIVEN);
  const own = given < 0 ? main : main.slice(0, given);
  return {
    path,
    page,
    lines: [...declaration(own), ...signatures(own), ...unimplemented(main), ...reexports(own)],
    examples: examples(own),
    see: await Promise.all(see(own.split('<h2 id="')[0] ?? "", page).map(followed)),
  };
}

/** @param {string} html */
function declaration(html) {
  const [, code = ""] = /<pre class="rust item-decl"><code>(.*?)<\/code><\/pre>/s.exec(html) ?? [];
  // Long lists are folded away behind a summary.
  return text(code.replace(/<summary.*?<\/summary>/gs, ""))
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "" && !/^\s*\/\/ (?:Required|Provided|Some)/.test(line));
}

/**
 * Methods and constants of the item's own, and the traits that it implements with the types that these take.
 *
 * @param {string} html
 */
function signatures(html) {
  const heads = html.matchAll(
    /<section id="[^"]*" class="([^"]*)">(?:(?!<\/section>).)*?<h[34] class="code-header">(.*?)<\/h[34]>/gs,
  );
  return (
    [...heads]
      .filter(([, kind = ""]) => ["impl", "method", "associatedconstant", "associatedtype trait-impl"].includes(kind))
      .map(([, kind = "", head = ""]) => ({ kind, line: text(head).replaceAll(/\s+/g, " ").replace(/ ⓘ$/, "").trim() }))
      // What a trait's own page says of its methods stands in its declaration.
      .filter(({ kind, line }) => (kind === "method" ? line.startsWith("pub ") : kind !== "impl" || / for /.test(line)))
      .filter(({ line }) => !INNER.test(line))
      .map(({ kind, line }) => (kind === "associatedtype trait-impl" ? `    ${line}` : line))
  );
}

/**
 * That it may not be sent or shared is said by the compiler alone.
 *
 * @param {string} html
 */
function unimplemented(html) {
  const [, given = ""] = html.split('<h2 id="synthetic-implementations"');
  const heads = [...given.matchAll(/<h3 class="code-header">(impl.*?)<\/h3>/gs)].map(([, head = ""]) =>
    text(head).replaceAll(/\s+/g, " "),
  );
  return heads.filter((head) => /^impl(?:<.*?>)? !(?:Send|Sync|Unpin) /.test(head));
}

/** @param {string} html */
function reexports(html) {
  return [...html.matchAll(/<dt id="reexport\.[^"]*"><code>(.*?)<\/code>/gs)].map(([, use = ""]) => text(use));
}

/** @param {string} html */
function examples(html) {
  return [
    ...html.matchAll(/<div class="example-wrap"><pre class="rust rust-example-rendered"><code>(.*?)<\/code>/gs),
  ].map(([, code = ""]) => text(code));
}

/**
 * @param {string} html
 * @param {string} page
 */
function see(html, page) {
  return [...html.matchAll(/\bSee <a href="([^":#]+\.html)/g)].map(([, href = ""]) =>
    normalize(join(dirname(page), href)),
  );
}

/**
 * Where a page sends its reader on: what is shown in one place may be defined in another.
 *
 * @param {string} page
 */
async function followed(page) {
  const html = await readFile(page, "utf8").catch(() => "");
  const [, to] = /<meta http-equiv="refresh" content="0;URL=([^"#]+)/.exec(html) ?? [];
  return to ? normalize(join(dirname(page), to)) : page;
}

/** @param {string} html */
function text(html) {
  const broken = html
    .replaceAll(/<(?:br|div class="where").*?>/g, " ")
    .replaceAll(/(<div class="code-attribute">.*?)<\/div>/g, "$1\n");
  const bare = broken.replaceAll(/<[^>]*>/g, "");
  const named = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'", "&nbsp;": " " };
  return bare.replaceAll(/&(?:lt|gt|amp|quot|#39|nbsp);/g, (name) => named[/** @type {keyof typeof named} */ (name)]);
}
