// A connection over HTTP: one long response has what comes, requests have what goes (PROTOCOL.md, section 17).

import type { CloseInfo, Transport } from "../transport.ts";
import { Batches } from "./batches.ts";
import { Records } from "./records.ts";

/** Bodies under way at once: while one is on its way the next is, too. A browser has six connections to a host without HTTP/2. */
const UNDER_WAY_MAX = 2;
/** A body whose answer got lost is sent once more; the proxy knows its number. */
const TRIES = 2;
/** What the proxy is told of what a page says as it goes: browsers let no more out than 64 KiB in all. */
const PARTING_MAX = 32 * 1024;
/** Who does not begin to answer by then has somebody in between who holds it back. */
const BEGIN_MS = 5000;
const HELD_BACK = "the answer did not begin to come: something in between holds it back";

export class HttpTransport implements Transport {
  onopen = (): void => {};
  onmessage = (_: Uint8Array<ArrayBuffer>): void => {};
  onclose = (_: CloseInfo): void => {};
  onroom = (): void => {};
  readonly #url: string;
  readonly #abort = new AbortController();
  readonly #batches = new Batches();
  /** Names the connection; only its two ends know it. */
  #connection = "";
  #number = 0;
  #underWay = 0;
  #isPlanned = false;
  #isLeaving = false;
  #closing: CloseInfo | undefined;
  #isOver = false;

  /** Dials at once. */
  constructor(url: string, protocols: readonly string[]) {
    this.#url = url;
    const { signal } = this.#abort;
    const leave = () => {
      this.#isLeaving = true;
    };
    globalThis.addEventListener?.("pagehide", leave, { signal, capture: true });
    const timer = setTimeout(() => this.#end({ code: 1006, reason: HELD_BACK }), BEGIN_MS);
    signal.addEventListener("abort", () => clearTimeout(timer));
    this.#receive(protocols, () => clearTimeout(timer)).then(
      (info) => this.#end(info),
      (error) => this.#end({ code: 1006, reason: String(error) }),
    );
  }

  get isFull(): boolean {
    return this.#batches.isFull;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#batches.add(bytes);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    // What is sent together leaves together.
    queueMicrotask(() => {
      this.#isPlanned = false;
      this.#pump();
    });
  }

  close(code: number, reason: string): void {
    this.#closing = { code, reason };
    this.#pump();
  }

  /** Takes the response to its end, and tells how that was. */
  async #receive(protocols: readonly string[], begun: () => void): Promise<CloseInfo> {
    const response = await this.#ask({ "bss-carrier": "down", "bss-protocol": protocols.join(", ") });
    const { status, body } = response;
    if (status !== 200 || !body) return { code: 1006, reason: `${(await response.text()).trim()} (${status})` };
    let end: CloseInfo | undefined;
    const records = new Records({
      hello: (said) => {
        const { connection, up_bytes_max } = Object(said);
        this.#connection = String(connection);
        this.#batches.most(Number(up_bytes_max));
        begun();
        if (!this.#isOver) this.onopen();
      },
      close: (said) => {
        end = { code: 1006, reason: "", ...Object(said) };
      },
    });
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      // An end without a word is a connection that broke.
      if (done || end) return end ?? { code: 1006, reason: "" };
      const bytes = records.push(value);
      if (bytes.length > 0 && !this.#isOver) this.onmessage(bytes);
    }
  }

  /** Sends what there is, as far as it may be under way, and says when there is room again. */
  #pump(wasFull = this.isFull): void {
    while (!this.#isOver && this.#connection && (this.#underWay < UNDER_WAY_MAX || this.#isLeaving)) {
      const body = this.#batches.next(this.#isLeaving ? PARTING_MAX : Infinity);
      if (!body) break;
      void this.#post(this.#number++, body);
    }
    if (wasFull && !this.isFull) this.onroom();
    if (this.#closing && this.#underWay === 0 && this.#batches.isEmpty) this.#end(this.#closing);
  }

  /** Sends one body, and what waits behind it when it was taken. */
  async #post(number: number, body: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#underWay++;
    const at = performance.now();
    let why = "";
    for (let left = TRIES; left > 0 && !this.#isOver; left--) {
      try {
        const headers = { "bss-carrier": "up", "bss-connection": this.#connection, "bss-number": String(number) };
        const { status } = await this.#ask(headers, body);
        if (status === 204) {
          this.#underWay--;
          const wasFull = this.isFull;
          // Of a longer body there is room for more.
          this.#batches.took(body.length, performance.now() - at);
          return this.#pump(wasFull);
        }
        why = `what was sent was not taken (${status})`;
        // Only what time may mend is tried again.
        if (status < 500 && status !== 408 && status !== 429) break;
      } catch (error) {
        why = String(error);
      }
    }
    this.#end({ code: 1006, reason: why });
  }

  #ask(headers: Record<string, string>, body?: Uint8Array<ArrayBuffer>): Promise<Response> {
    const { signal } = this.#abort;
    const keepalive = this.#isLeaving && body !== undefined;
    if (body) headers["content-type"] = "application/octet-stream";
    return fetch(this.#url, { method: "POST", headers, body: body ?? null, cache: "no-store", keepalive, signal });
  }

  #end(info: CloseInfo): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // What a page says as it goes outlives it.
    if (!this.#isLeaving) this.#abort.abort();
    this.onclose(info);
  }
}
