/**
 * What the library's declarations say of its API: every name that an entry exports, and what those are made of, as who imports them sees it, without what is private and without
 * comments.
 */

import { relative } from "node:path";
import ts from "typescript";

/** @typedef {{ path: string, lines: string[] }} Item */

const OPTIONS = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2023, skipLibCheck: true, types: [] };

/**
 * In the order of their paths: `browser-stream-server/room.Room` is exported, `browser-stream-server(mux-demux).Mdm` is not. What is said to be `@internal` is left out.
 *
 * @param {string} folder of all declarations
 * @param {Record<string, string>} entries such as `./room`, with their declarations
 * @returns {Item[]}
 */
export function items(folder, entries) {
  const program = ts.createProgram(Object.values(entries), OPTIONS);
  const checker = program.getTypeChecker();
  /** @type {Map<ts.Symbol, string>} */
  const paths = new Map();
  /** What who imports it can make. */
  const made = new Set();
  for (const [entry, file] of Object.entries(entries)) {
    const source = program.getSourceFile(file);
    const module = source && checker.getSymbolAtLocation(source);
    if (!module) throw new Error(`${file} exports nothing`);
    for (const symbol of checker.getExportsOfModule(module)) {
      const declared = meant(checker, symbol);
      if (declared.getJsDocTags(checker).some(({ name }) => name === "internal")) continue;
      if (!symbol.declarations?.some(ts.isTypeOnlyExportDeclaration)) made.add(declared);
      if (!paths.has(declared)) paths.set(declared, `browser-stream-server${entry.slice(1)}.${symbol.name}`);
    }
  }
  // What is found on the way is gone through as well.
  for (const [symbol] of paths) {
    const used = symbol.declarations?.flatMap((declaration) => names(declaration, made.has(symbol))) ?? [];
    for (const name of used) {
      const local = checker.getSymbolAtLocation(name);
      const found = local && meant(checker, local);
      const at = found?.declarations?.find(isOnTop)?.getSourceFile().fileName;
      if (!found || !at?.startsWith(folder) || paths.has(found)) continue;
      paths.set(found, `browser-stream-server(${relative(folder, at).replace(/\.d\.ts$/, "")}).${found.name}`);
    }
  }
  const all = [...paths].map(([symbol, path]) => ({
    path,
    lines: symbol.declarations?.flatMap((declaration) => linesOf(declaration, made.has(symbol))) ?? [],
  }));
  return all.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/**
 * @param {ts.TypeChecker} checker
 * @param {ts.Symbol} symbol
 */
function meant(checker, symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/**
 * @param {ts.Node} node
 * @param {boolean} isMade
 * @returns {ts.Identifier[]}
 */
function names(node, isMade) {
  if (ts.isIdentifier(node)) return [node];
  const found = [];
  for (const child of node.getChildren()) if (isSeen(child, isMade)) found.push(...names(child, isMade));
  return found;
}

/**
 * Whether who imports something sees this part of it: nothing private, and how it is made only where it can be.
 *
 * @param {ts.Node} node
 * @param {boolean} isMade
 */
function isSeen(node, isMade) {
  if (!ts.isClassElement(node)) return true;
  const isPrivate =
    (node.name && ts.isPrivateIdentifier(node.name)) || ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private;
  return !isPrivate && (isMade || !ts.isConstructorDeclaration(node));
}

/** @param {ts.Node} node */
function isOnTop(node) {
  return ts.isSourceFile(ts.isVariableDeclaration(node) ? node.parent.parent.parent : node.parent);
}

const printer = ts.createPrinter({ removeComments: true });

/**
 * @param {ts.Declaration} declaration
 * @param {boolean} isMade
 * @returns {string[]}
 */
function linesOf(declaration, isMade) {
  // A constant says what it is in the statement around it.
  let node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  if (ts.isClassDeclaration(node)) {
    const members = node.members.filter((member) => isSeen(member, isMade));
    node = ts.factory.updateClassDeclaration(
      node,
      node.modifiers,
      node.name,
      node.typeParameters,
      node.heritageClauses,
      members,
    );
  }
  const text = printer.printNode(ts.EmitHint.Unspecified, node, declaration.getSourceFile());
  return text.split("\n");
}
