/**
 * What a document of proxy/docs tells its reader to do, in order. Its fences say by their words what they are:
 *
 * - `sh`: a shell runs it to its end; `sh stays`: goes on for as long as the document; `sh again`: is
 *   interrupted and started once more; `sh made`: targets of the Makefile, which are there;
 *   `make run` starts what it would start; `sh elsewhere`: needs what not every reader has, and is only parsed.
 * - `js`: a module of a page of the proxy; `js node`: of a program in Node; `js theirs`: another library's, for comparison.
 * - `html NAME`, `toml NAME`: a file of that name in the reader's folder.
 * - `text prints`: what the step before it has printed; `text prints NAME`: what the step of that file or command has by then.
 * - `text`: a drawing, with nothing to be typed. `rust`: compiled as a doctest (tests/harness/lib.rs).
 *
 * A line that begins with "Open <URL>" is a step, too.
 */

/**
 * @typedef {object} Step
 * @property {string} kind the first word of the fence, or `open`
 * @property {string} words what follows it there
 * @property {string} text what stands in the fence, or the URL
 * @property {number} line where it stands
 */

/** What each kind may say behind its name. */
const WORDS = {
  sh: /^(stays|again|made|elsewhere)?$/,
  js: /^(node|theirs)?$/,
  html: /^[\w-]+\.html$/,
  toml: /^[\w-]+\.toml$/,
  text: /^(prints( \S+)?)?$/,
  rust: /^$/,
  "rust,no_run": /^$/,
};

/**
 * The fences of any document, in order.
 *
 * @param {string} document
 * @returns {Step[]}
 */
export function fences(document) {
  return parts(document).filter(({ kind }) => kind !== "open");
}

/**
 * The code of the fences of one kind that contain this.
 *
 * @param {string} document
 * @param {string} kind
 * @param {string} content
 * @returns {string[]}
 */
export function snippets(document, kind, content) {
  return fences(document).flatMap((fence) => (fence.kind === kind && fence.text.includes(content) ? [fence.text] : []));
}

/**
 * The steps of a document. One that has no meaning here is an error.
 *
 * @param {string} document
 * @returns {Step[]}
 */
export function steps(document) {
  const found = parts(document);
  for (const { kind, words, line } of found) {
    const allowed = Object.entries(WORDS).find(([known]) => known === kind)?.[1];
    if (kind !== "open" && !allowed?.test(words)) {
      throw new Error(`line ${line}: nobody knows how to run \`${`${kind} ${words}`.trim()}\``);
    }
  }
  return found;
}

/** @param {string} document */
function parts(document) {
  /** @type {Step[]} */
  const found = [];
  /** @type {Step | undefined} */
  let fence;
  for (const [index, line] of document.split("\n").entries()) {
    const [, info] = /^```(.*)$/.exec(line) ?? [];
    const [, url] = /^Open <(\S+)>/.exec(line) ?? [];
    if (fence !== undefined) {
      if (info === undefined) fence.text += `${line}\n`;
      else fence = undefined;
    } else if (info !== undefined) {
      const [kind = "", ...words] = info.split(" ");
      fence = { kind, words: words.join(" "), text: "", line: index + 1 };
      found.push(fence);
    } else if (url !== undefined) {
      found.push({ kind: "open", words: "", text: url, line: index + 1 });
    }
  }
  if (fence !== undefined) throw new Error(`line ${fence.line}: this fence does not end`);
  return found;
}
