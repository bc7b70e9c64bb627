// A tab that shows what others post to it: `/examples/webhook/?name=NAME` has the name in its address, so that it is the same when the page is loaded again.

import { type HttpServer, serveHttp } from "browser-stream-server/http";
import { copyText } from "../copy.ts";
import { button, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { dial, offer } from "../token.ts";
import { type Call, listed } from "./call.ts";

const view = element("webhook");
/** Calls that are kept: the oldest goes. */
const CALLS_MAX = 50;
/** Of each body: the rest is counted. */
const BODY_MAX = 1024 * 1024;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const mdm = dial();
const name = nameOfPage();

follow(mdm);
history.replaceState(null, "", `?name=${name}`);
button("again", () => void listen());
button("clear", clear);
void listen();

/** Listens until the name is lost. */
async function listen(): Promise<void> {
  tell("working", "Asking for an address");
  show(view, "working");
  const server = serveHttp(mdm, name, take, { prefix, persist: "tab" });
  server
    .on("error", (error) => console.error(error))
    .on("suspended", () => show(view, "suspended"))
    .on("resumed", () => show(view, "serving"));
  try {
    await present(server);
    await server.closed;
  } catch (error) {
    tell("bad", "Not listening");
    element("problem").textContent = explain(error);
    offer(error);
    show(view, "failed", "again");
    void server.close().catch(() => {}); // It may be held by now.
  }
}

async function present(server: HttpServer): Promise<void> {
  const url = await server.listening;
  if (url === undefined) throw new Error("this proxy has no addresses for tabs: start it with --http-host");
  element("address").textContent = url;
  button("copy", () => void copyText(element("copy"), url));
  element<HTMLAnchorElement>("try").href = url;
  tell("good", "Listening");
  show(view, "serving", "copy");
}

/** Shows a call, and answers it as the form says. */
async function take(request: Request): Promise<Response> {
  const { bytes, whole } = await read(request);
  const { pathname, search } = new URL(request.url);
  const call: Call = {
    at: new Date(),
    method: request.method,
    path: pathname + search,
    url: request.url,
    headers: [...request.headers],
    body: bytes,
    size: whole,
  };
  element("calls").prepend(listed(call));
  for (const old of [...element("calls").children].slice(CALLS_MAX)) old.remove();
  element("empty").hidden = true;
  element("clear").hidden = false;
  return answer();
}

/** The first of a body, and how many bytes it has. */
async function read(request: Request): Promise<{ bytes: Uint8Array<ArrayBuffer>; whole: number }> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let whole = 0;
  const reader = request.body?.getReader();
  while (reader) {
    const { value } = await reader.read();
    if (!value) break;
    if (whole < BODY_MAX) parts.push(value.slice(0, BODY_MAX - whole));
    whole += value.length;
  }
  return { bytes: new Uint8Array(await new Blob(parts).arrayBuffer()), whole };
}

/** What the form says. Pages may call from anywhere, and read what is answered. */
function answer(): Response {
  const { code, type, body } = { code: field("code"), type: field("type"), body: field("body") };
  const status = /^[2-5]\d\d$/.test(code) ? Number(code) : 200;
  const headers = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "*",
    ...(type && { "content-type": type }),
  };
  const isBodiless = status === 204 || status === 205 || status === 304;
  try {
    return new Response(isBodiless ? null : body, { status, headers });
  } catch {
    return new Response("the content type in the form can be no header\n", { status: 500 });
  }
}

function field(id: string): string {
  return element<HTMLInputElement | HTMLTextAreaElement>(id).value;
}

function clear(): void {
  element("calls").replaceChildren();
  element("empty").hidden = false;
  element("clear").hidden = true;
  element("copy").focus();
}

/** The name in the address; without one, a new one that nobody guesses. */
function nameOfPage(): string {
  const { name = "" } = Object.fromEntries(new URLSearchParams(location.search));
  if (NAME.test(name)) return name;
  const letters = crypto.getRandomValues(new Uint8Array(10));
  return `hook-${[...letters].map((letter) => (letter % 36).toString(36)).join("")}`;
}
