// A server of HTTP under a name: each request is a client's stream, and the answer what a function gives.

import type { Received } from "../encoding.ts";
import { Emitter } from "../events.ts";
import { type MuxDemux, sessionOf } from "../mux-demux.ts";
import { demand } from "../options.ts";
import type { Stream } from "../stream.ts";
import { type HeldName, type ListenOptions, StreamServer, type StreamServerOptions } from "../stream-server.ts";
import { BadRequest } from "./bad.ts";
import type { Head } from "./head.ts";
import { Incoming } from "./incoming.ts";
import { bytesOf, send, type Writer } from "./outgoing.ts";
import { requestOf } from "./request.ts";
import { upgradeOf } from "./upgrade.ts";

/** Answers a request: `fetch` of frameworks such as hono is one. */
export type Handler = (request: Request) => Response | Promise<Response>;

export interface ServeHttpOptions extends Pick<StreamServerOptions, "prefix" | "clientsMax">, ListenOptions {
  /** What is answered where the handler fails: 500, and a page or a line of text, unless stated. */
  failed?: ((error: unknown, request: Request) => Response) | undefined;
}

/** A request and what came of it. */
export interface Answered {
  readonly request: Request;
  /** 101 is a WebSocket. */
  readonly status: number;
  /** Of the answer's body. */
  readonly bytes: number;
  readonly milliseconds: number;
  /** Why the answer broke off, if it did: the visitor is gone, or the body failed. */
  readonly error?: unknown;
}

export interface HttpServerEvents {
  /** The name is ours, and visitors find us. */
  listening: [url: string | undefined];
  /** The connection is gone, and the name kept for us. */
  suspended: [];
  /** It is there again. */
  resumed: [];
  /** Somebody asks. */
  request: [request: Request];
  /** And has its answer. */
  answered: [answered: Answered];
  /** What the handler threw, or the name was refused or lost for. Where nobody listens it is shown on the console. */
  error: [error: unknown];
  /** The name is no longer ours. */
  close: [];
}

/** A site in a tab. */
export class HttpServer extends Emitter<HttpServerEvents> {
  readonly #server: StreamServer;
  readonly #handler: Handler;
  readonly #options: ServeHttpOptions;
  readonly #target: string;
  #url: string | undefined;
  /** Somebody has asked for a promise that tells what became of the name. */
  #isWatched = false;

  /** As `serveHttp`. */
  constructor(mdm: MuxDemux<Received>, name: string, handler: Handler, options: ServeHttpOptions = {}) {
    super();
    demand(typeof handler === "function", "a handler is a function: (request) => response");
    const { prefix, clientsMax, failed: _, ...listen } = options;
    this.#handler = handler;
    this.#options = options;
    this.#target = sessionOf(mdm).target;
    this.#server = StreamServer(
      mdm as MuxDemux,
      { prefix, clientsMax, http: true, resume: false },
      (stream) => void this.#serve(stream),
    );
    this.#server
      .on("listening", (held) => this.#held(held))
      .on("suspended", () => this.emit("suspended"))
      .on("resumed", () => this.emit("resumed"))
      .on("error", (error) => this.#tell(error, this.#isWatched))
      .on("close", () => this.emit("close"));
    this.#server.listen(name, listen);
  }

  /** Where visitors find us, once that is known: a host of our own, else a path. `undefined` where the proxy has neither for this name: hosts are made of a–z, 0–9 and `-`. */
  get url(): string | undefined {
    return this.#url;
  }

  /** Resolves with the URL when the name is ours; rejects as that of a `StreamServer` does. */
  get listening(): Promise<string | undefined> {
    this.#isWatched = true;
    return this.#server.listening.then(({ http }) => urlOf(this.#target, http));
  }

  /** Resolves when the name was given up; rejects with what it was refused or lost for. */
  get closed(): Promise<void> {
    this.#isWatched = true;
    return this.#server.closed;
  }

  /** Requests that are under way. */
  get clients(): number {
    return this.#server.clients;
  }

  /** Gives the name up. Answers that are under way go on, or with `now` break off. */
  close(options: { now?: boolean } = {}): Promise<void> {
    return this.#server.end(options);
  }

  #held({ http }: HeldName): void {
    this.#url = urlOf(this.#target, http);
    this.emit("listening", this.#url);
  }

  /** One request. */
  async #serve(stream: Stream): Promise<void> {
    const incoming = new Incoming(stream.readable);
    const writer = stream.writable.getWriter();
    // Whatever becomes of it is seen where it is written to.
    writer.closed.catch(() => {});
    try {
      const head = await incoming.head();
      if (head) await this.#answer(stream, incoming, writer, head);
      await writer.close();
    } catch (error) {
      if (error instanceof BadRequest) await refuse(writer, error);
      else stream.reset("internal");
    }
  }

  async #answer(stream: Stream, incoming: Incoming, writer: Writer, head: Head): Promise<void> {
    const begun = performance.now();
    const abort = new AbortController();
    const gone = (error: unknown) => abort.abort(error);
    stream.closed.catch(gone);
    const request = requestOf(head, incoming.body(head), abort.signal, stream.peer === undefined);
    this.emit("request", request);
    const response = await this.#handle(request);
    const upgrade = upgradeOf(response);
    const answered = { request, status: upgrade ? 101 : response.status };
    let bytes = 0;
    try {
      if (upgrade) {
        await writer.write(bytesOf(upgrade.head));
        await upgrade.socket.run(incoming, writer);
      } else bytes = await send(writer, response, head.method);
    } catch (error) {
      if (upgrade && upgrade.socket.readyState < 3) upgrade.socket.abandon();
      this.emit("answered", { ...answered, bytes, milliseconds: performance.now() - begun, error });
      if (!abort.signal.aborted) this.#tell(error);
      throw error;
    }
    this.emit("answered", { ...answered, bytes, milliseconds: performance.now() - begun });
  }

  /** What the handler says; where it fails, what is said instead. */
  async #handle(request: Request): Promise<Response> {
    try {
      const response = await this.#handler(request);
      if (!(response instanceof Response)) throw new TypeError("the handler gave no Response");
      if (response.type === "error" || response.bodyUsed)
        throw new TypeError("the handler gave a Response that cannot be sent");
      return response;
    } catch (error) {
      // Who is gone needs no answer, and its handler failed for that.
      if (!request.signal.aborted) this.#tell(error);
      return this.#options.failed?.(error, request) ?? failure(request);
    }
  }

  /** Where nobody listens it goes to the console: thrown, as others are, one request that fails would end a program in Node for all. */
  #tell(error: unknown, isWatched = false): void {
    if (!this.emit("error", error) && !isWatched) console.error(error);
  }
}

/**
 * Serves HTTP under a name of the proxy's: `handler` answers what visitors ask, from anywhere and without a token, at the server's `url`.
 *
 * Bodies stream both ways, as fast as the slower side; `request.signal` aborts when the visitor goes. Throws `bad_request` for what can be no name.
 */
export function serveHttp(
  mdm: MuxDemux<Received>,
  name: string,
  handler: Handler,
  options: ServeHttpOptions = {},
): HttpServer {
  return new HttpServer(mdm, name, handler, options);
}

/** What a visitor is told whose request the handler failed at: a page for who looks, a line for a program. */
function failure({ headers }: Request): Response {
  const text = "whoever serves this address failed";
  if (!headers.get("accept")?.includes("text/html")) return new Response(`internal: ${text}\n`, { status: 500 });
  const page = `<!doctype html><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"><title>500</title><h1>It failed</h1><p>Sorry: ${text} at this request.`;
  return new Response(page, { status: 500, headers: { "content-type": "text/html; charset=utf-8" } });
}

/** Where that is, for who reaches the proxy as we do. */
function urlOf(target: string, { host, path }: NonNullable<HeldName["http"]> = {}): string | undefined {
  if (host === undefined && path === undefined) return undefined;
  const proxy = new URL(target.replace(/^ws/, "http"));
  if (host === undefined) return new URL(path as string, proxy).href;
  proxy.hostname = host;
  return new URL("/", proxy).href;
}

/** Says what is wrong with a request that is none. */
async function refuse(writer: Writer, { status, message }: BadRequest): Promise<void> {
  const text = `bad_request: ${message}\n`;
  const response = new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
  await send(writer, response, "GET").catch(() => {});
  await writer.close().catch(() => {});
}
