// A connection over WebTransport: one stream, which the proxy opens (PROTOCOL.md, section 17).

import type { CloseInfo, Transport } from "../transport.ts";
import { Records } from "./records.ts";

/** More than this unsent, and payload waits where the session's round robin is. */
const UNSENT_MAX = 256 * 1024;
/** Where UDP is dropped nobody says so. */
const BEGIN_MS = 5000;

/** What the proxy says of its WebTransport. */
export interface Announced {
  readonly port: number;
  /** Of certificates that nobody vouches for, in base64. */
  readonly hashes: readonly string[];
}

/** Reads what a proxy says; nothing where it is something else, or the platform has no WebTransport. */
export function announced(said: unknown): Announced | undefined {
  const { port, hashes } = Object(said);
  if (typeof WebTransport !== "function" || !Number.isInteger(port) || !Array.isArray(hashes)) return undefined;
  return { port, hashes: hashes.map(String) };
}

export class WebTransportTransport implements Transport {
  onopen = (): void => {};
  onmessage = (_: Uint8Array<ArrayBuffer>): void => {};
  onclose = (_: CloseInfo): void => {};
  onroom = (): void => {};
  readonly #connection: WebTransport;
  readonly #timer: ReturnType<typeof setTimeout>;
  #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;
  #unsent = 0;
  #closing: CloseInfo | undefined;
  #isOver = false;

  /** Dials at once; `base` is the proxy's address over HTTP. */
  constructor(base: string, { port, hashes }: Announced) {
    const url = new URL(base);
    url.protocol = "https:";
    url.port = String(port);
    const serverCertificateHashes = hashes.map((hash) => ({
      algorithm: "sha-256",
      value: Uint8Array.from(atob(hash), (digit) => digit.charCodeAt(0)),
    }));
    this.#connection = new WebTransport(url.href, hashes.length > 0 ? { serverCertificateHashes } : {});
    this.#timer = setTimeout(() => this.#end({ code: 1006, reason: "no answer over UDP" }), BEGIN_MS);
    // Told of by what waits for it.
    this.#connection.closed.catch(() => {});
    this.#receive().then(
      (info) => this.#end(info),
      (error) => this.#end({ code: 1006, reason: String(error) }),
    );
  }

  get isFull(): boolean {
    return this.#unsent >= UNSENT_MAX;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    const { length } = bytes;
    this.#unsent += length;
    const sent = () => {
      const wasFull = this.isFull;
      this.#unsent -= length;
      if (wasFull && !this.isFull) this.onroom();
      this.#part();
    };
    // What goes wrong is told by the connection's end.
    this.#writer?.write(bytes.slice()).then(sent, () => {});
  }

  close(code: number, reason: string): void {
    this.#closing = { code, reason };
    this.#part();
  }

  async #receive(): Promise<CloseInfo> {
    await this.#connection.ready;
    const { value: stream } = await this.#connection.incomingBidirectionalStreams.getReader().read();
    if (!stream) return { code: 1006, reason: "" };
    this.#writer = (stream.writable as WritableStream<Uint8Array<ArrayBuffer>>).getWriter();
    this.#writer.closed.catch(() => {});
    let end: CloseInfo | undefined;
    const records = new Records({
      hello: () => {
        clearTimeout(this.#timer);
        if (!this.#isOver) this.onopen();
      },
      close: (said) => {
        end = { code: 1006, reason: "", ...Object(said) };
      },
    });
    const reader = (stream.readable as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || end) return end ?? { code: 1006, reason: "" };
      const bytes = records.push(value);
      if (bytes.length > 0 && !this.#isOver) this.onmessage(bytes);
    }
  }

  /** Closes where that was asked for, once all has left. */
  #part(): void {
    if (!this.#closing || this.#unsent > 0) return;
    const closing = this.#closing;
    // A stream that is finished is sent to its end; a connection that is closed forgets what is under way.
    const finished = this.#writer?.close() ?? Promise.resolve();
    const end = () => this.#end(closing);
    finished.then(end, end);
  }

  #end(info: CloseInfo): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    try {
      this.#connection.close();
    } catch {
      // It is closed, or never was there.
    }
    this.onclose(info);
  }
}
