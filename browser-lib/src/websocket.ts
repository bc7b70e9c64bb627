// A WebSocket as transport: the platform's, or one that the user gives (in Node 20, `ws`).

import { StreamError } from "./error.ts";
import type { CloseInfo, Transport } from "./transport.ts";

/** What we use of a WebSocket. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** A WebSocket class, as the platform's or that of the `ws` package. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** The version of the protocol that we speak (PROTOCOL.md, section 1). */
export const SUBPROTOCOL = "bss.1";

const BROKEN: CloseInfo = { code: 1006, reason: "" };
/** What is not open by then is given up: a page would be told after minutes. */
const DIAL_MS = 15_000;

export class WebSocketTransport implements Transport {
  onopen = (): void => {};
  onmessage = (_: Uint8Array<ArrayBuffer>): void => {};
  onclose = (_: CloseInfo): void => {};
  readonly #socket: WebSocketLike;
  readonly #copies: boolean;

  /** Dials at once. Throws `bad_request` if the URL is none. */
  constructor(url: string, given: WebSocketClass | undefined, protocols: readonly string[]) {
    const Socket = given ?? (globalThis.WebSocket as WebSocketClass | undefined);
    if (typeof Socket !== "function") {
      throw new StreamError("unsupported", "there is no WebSocket class: give one, as in MuxDemux(url, { WebSocket })");
    }
    // The platform's own copies what it is given to send; another one may keep it for later.
    this.#copies = given !== undefined && given !== globalThis.WebSocket;
    try {
      this.#socket = new Socket(url, [...protocols]);
    } catch (error) {
      throw new StreamError("bad_request", `${url} is no WebSocket URL (${error})`);
    }
    this.#listen();
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(this.#copies ? bytes.slice() : bytes);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.binaryType = "arraybuffer";
    let told = BROKEN.reason;
    const close = ({ code = BROKEN.code, reason }: Partial<CloseInfo>) => {
      clearTimeout(timer);
      socket.onopen = socket.onclose = null;
      this.onclose({ code, reason: reason || told });
    };
    const timer = setTimeout(() => {
      close(BROKEN);
      socket.close();
    }, DIAL_MS);
    socket.onopen = () => {
      clearTimeout(timer);
      this.onopen();
    };
    // What went wrong is not told to pages; `ws` tells. The close event follows.
    socket.onerror = ({ message = told }: { message?: string }) => {
      told = message;
    };
    socket.onclose = close;
    socket.onmessage = (event: { data: unknown }) => {
      // Text is no part of the protocol. A page may not close with 1003.
      if (typeof event.data === "string") this.close(4003, "binary messages only");
      else this.onmessage(new Uint8Array(event.data as ArrayBuffer));
    };
  }
}

/** What may be the cause of a connection that cannot be made: a page is not told. */
export function doubt(url: string): string {
  const { location } = globalThis as { location?: Location };
  const at = url.endsWith("/mux") ? "" : " at /mux";
  if (new URL(url).host === location?.host) {
    return `does the proxy serve this page${at}? Else MuxDemux(url)`;
  }
  return `does the proxy run there${at}${location ? ", and allow this page (--allow-origin)" : ""}?`;
}

/** The WebSocket URL for what the user gave: a URL (http counts as ws), a path on the page's origin, or nothing for `/mux` there. */
export function socketUrl(given: string | URL | undefined): string {
  if (typeof given === "object" && !(given instanceof URL)) {
    const pair = "{ readable, writable } of the platform's streams (of a Node stream: Duplex.toWeb(stream))";
    throw new StreamError("bad_request", `MuxDemux takes a URL, or a pair ${pair}`);
  }
  const { location } = globalThis as { location?: Location };
  // A worker made from a blob has its origin, but no path to start from.
  const base = location?.protocol === "blob:" ? location.origin : location?.href;
  let url: URL;
  try {
    url = new URL(given ?? "/mux", base);
  } catch {
    throw new StreamError(
      "bad_request",
      `${given ?? "/mux"} is no URL${base ? "" : ", and there is no page to start from"}`,
    );
  }
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = "";
  return url.href;
}
