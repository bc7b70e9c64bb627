// A tab that shows what others post to it: `/examples/webhook/?name=NAME` has the name in its address, so that it is the same when the page is loaded again.

import { type HttpServer, serveHttp } from "browser-stream-server/http";
import { copyText } from "../copy.ts";
import { button, code, element, explain, follow, prefix, show, tell } from "../echo/page.ts";
import { Naming } from "../naming.ts";
import { dial, offer } from "../token.ts";
import { type Call, curl, listed } from "./call.ts";
import { Reply } from "./reply.ts";

const view = element("webhook");
/** Why a name cannot be had that another may. */
const NAME_CODES = ["name_taken", "name_reserved", "superseded", "forbidden"];
/** Calls that are kept: the oldest goes. */
const CALLS_MAX = 50;
/** Of each body: the rest is counted. */
const BODY_MAX = 1024 * 1024;
/** What is sent by the command that the page shows while nothing has come. */
const SAMPLE = new TextEncoder().encode('{"hello": "tab"}');
const mdm = dial();
const reply = new Reply();
const naming = new Naming("hook", () => void listen());
let server: HttpServer | undefined;

follow(mdm);
button("again", () => void listen());
button("clear", clear);
void listen();

/** Listens until the name is lost, or is to be another. */
async function listen(): Promise<void> {
  tell("working", "Asking for an address");
  show(view, "working");
  naming.keep();
  await server?.close({ now: true });
  const listening = serveHttp(mdm, naming.name, take, { prefix, persist: "tab" });
  server = listening;
  listening
    .on("error", (error) => console.error(error))
    .on("suspended", () => show(view, "suspended"))
    .on("resumed", () => show(view, "serving"));
  try {
    present(await listening.listening);
    await listening.closed;
  } catch (error) {
    if (server !== listening) return;
    server = undefined;
    tell("bad", "Not listening");
    element("problem").textContent = explain(error);
    offer(error);
    show(view, "failed", "again");
    if (NAME_CODES.includes(code(error))) naming.ask();
    void listening.close().catch(() => {}); // It may be held by now.
  }
}

function present(url: string | undefined): void {
  if (url === undefined) throw new Error("this proxy has no addresses for tabs: start it with --http-host");
  element("address").textContent = url;
  button("copy", () => void copyText(element("copy"), url));
  element<HTMLAnchorElement>("try").href = url;
  const headers: [string, string][] = [["content-type", "application/json"]];
  const command = curl({ method: "POST", url, headers, body: SAMPLE });
  element("command").textContent = command;
  button("copy-command", () => void copyText(element("copy-command"), command));
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
  return reply.response();
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

function clear(): void {
  element("calls").replaceChildren();
  element("empty").hidden = false;
  element("clear").hidden = true;
  element("copy").focus();
}
