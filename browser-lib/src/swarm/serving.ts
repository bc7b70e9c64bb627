// The holder's side: a name of its own under which others fetch from us, as long as we may give.

import type { StreamError } from "../error.ts";
import { toHex } from "../hex.ts";
import type { MuxDemux } from "../mux-demux.ts";
import { StreamServer } from "../stream-server.ts";
import { Client, type Supply } from "./client.ts";
import type { Content } from "./shelf.ts";

/** Who fetches from us at the same time; the one too many is told that we are busy. */
const CLIENTS_MAX = 64;

export interface ServingHooks extends Supply {
  /** The name is ours, or ours again: what we hold can be announced. */
  named(): void;
  /** The name was refused, or lost. */
  failed(error: StreamError): void;
}

export class Serving {
  readonly #mdm: MuxDemux;
  readonly #how: { readonly prefix: string; readonly direct: boolean };
  readonly #hooks: ServingHooks;
  readonly #clients = new Set<Client>();
  #server: StreamServer | undefined;
  #name: string | undefined;

  constructor(mdm: MuxDemux, how: { prefix: string; direct: boolean }, hooks: ServingHooks) {
    this.#mdm = mdm;
    this.#how = how;
    this.#hooks = hooks;
  }

  /** What others connect to, while the name is ours. */
  get name(): string | undefined {
    return this.#name;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Takes a name; nothing where we have one. */
  start(): void {
    if (this.#server) return;
    const server = StreamServer(this.#mdm, { ...this.#how, clientsMax: CLIENTS_MAX }, (stream) => {
      const client = new Client(stream, this.#hooks);
      this.#clients.add(client);
      void client.run().finally(() => this.#clients.delete(client));
    });
    this.#server = server;
    const named = ({ name }: { name: string }) => {
      if (this.#server !== server) return;
      this.#name = name;
      this.#hooks.named();
    };
    const lost = () => {
      if (this.#server === server) this.#name = undefined;
    };
    server.on("listening", named).on("resumed", named).on("suspended", lost);
    server.on("error", (error) => {
      if (this.#server !== server) return;
      this.#server = this.#name = undefined;
      this.#hooks.failed(error);
    });
    server.listen(`swarm-${uuid()}`);
    server.closed.catch(() => {});
  }

  /** Gives the name up; those who fetch from us hear that we are gone. */
  stop(): Promise<void> {
    const server = this.#server;
    this.#server = this.#name = undefined;
    return server ? server.end({ now: true }).catch(() => {}) : Promise.resolve();
  }

  /** We have one more piece. */
  came(content: Content, piece: number): void {
    for (const client of this.#clients) client.came(content, piece);
  }

  /** We have less of it, or nothing any more. */
  went(content: Content, isGone: boolean): void {
    for (const client of this.#clients) client.went(content, isGone);
  }
}

/** Also where a page has no secure context, and with it no `randomUUID`. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes).replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
