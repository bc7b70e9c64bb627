// One call that came, as a person reads it: its headers, its body as JSON, text or bytes, and the same as a command.

import { copyText } from "../copy.ts";
import { size } from "../quantity.ts";

export interface Call {
  at: Date;
  method: string;
  path: string;
  url: string;
  headers: [name: string, value: string][];
  /** What is kept of it. */
  body: Uint8Array<ArrayBuffer>;
  /** What it had. */
  size: number;
}

/** Bytes that are shown where they are no text. */
const HEX_MAX = 4096;
/** What the way here added, and what curl says by itself. */
const LEFT_OUT = /^(host|connection|content-length|forwarded|x-forwarded-.*|accept-encoding|user-agent)$/;

/** A call as a line that opens. */
export function listed(call: Call): HTMLLIElement {
  const item = document.createElement("li");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const method = document.createElement("b");
  method.textContent = call.method;
  const path = document.createElement("bdi");
  path.textContent = call.path;
  const told = document.createElement("small");
  told.className = "quiet";
  told.textContent = `${call.at.toLocaleTimeString("en-GB")} · ${size(call.size)}`;
  summary.append(method, " ", path, " ", told);
  details.append(summary, headers(call), ...body(call), copy(call));
  item.append(details);
  return item;
}

function headers({ headers }: Call): HTMLElement {
  const list = document.createElement("dl");
  list.className = "headers";
  for (const [name, value] of headers) {
    const [term, data] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    data.textContent = value;
    list.append(term, data);
  }
  return list;
}

function body({ body, size: whole }: Call): HTMLElement[] {
  if (whole === 0) return [];
  const shown = document.createElement("pre");
  shown.tabIndex = 0;
  shown.textContent = json(body) ?? text(body) ?? hex(body);
  const left = whole - body.length;
  if (left === 0) return [shown];
  const more = document.createElement("p");
  more.className = "quiet";
  more.textContent = `and ${size(left)} more, which this page did not keep`;
  return [shown, more];
}

function json(bytes: Uint8Array): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text(bytes) ?? ""), undefined, 2);
  } catch {
    return undefined;
  }
}

function text(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they tell bytes from text
    return /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Sixteen bytes on a line, with what they are as text. */
function hex(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_MAX); at += 16) {
    const row = [...bytes.subarray(at, Math.min(at + 16, HEX_MAX))];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${letters}`);
  }
  if (bytes.length > HEX_MAX) lines.push(`… ${size(bytes.length - HEX_MAX)} more`);
  return lines.join("\n");
}

function copy(call: Call): HTMLElement {
  const row = document.createElement("p");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "slight";
  button.textContent = "Copy as curl";
  button.onclick = () => void copyText(button, curl(call));
  row.append(button);
  return row;
}

/** The command that sends the same once more. */
export function curl({ method, url, headers, body }: Pick<Call, "method" | "url" | "headers" | "body">): string {
  const words = ["curl", "-X", method];
  for (const [name, value] of headers) if (!LEFT_OUT.test(name)) words.push("-H", `${name}: ${value}`);
  const data = text(body);
  if (body.length > 0 && data !== undefined) words.push("--data-raw", data);
  words.push(url);
  return words.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}
