import type * as Library from "browser-stream-server";

/** What `install` of in-page.mjs puts into a page. */
interface Tools {
  Digest: new () => { bytes: number; add(chunk: Uint8Array): Promise<void>; hex(): Promise<string> };
  pattern(seed: number, offset: number, length: number): Uint8Array<ArrayBuffer>;
  send(
    writable: WritableStream<Uint8Array>,
    seed: number,
    total: number,
    onSent?: (sent: number) => unknown,
  ): Promise<Sum>;
  receive(readable: ReadableStream<Uint8Array>, onReceived?: (received: number) => void): Promise<Sum>;
  converse(
    stream: Library.Stream,
    seed: number,
    total: number,
    onSent?: (sent: number) => unknown,
  ): Promise<{ sent: Sum; received: Sum; resent: number | undefined }>;
  digest(seed: number, total: number): Promise<Sum>;
  text(readable: ReadableStream<Uint8Array>): Promise<string>;
  say(writable: WritableStream<Uint8Array>, words: string): Promise<void>;
  outcome(promise: PromiseLike<unknown>): Promise<Outcome>;
  gate<T = void>(): { open(value: T): void; passed: Promise<T> };
  standstills(): () => number[];
}

interface Sum {
  bytes: number;
  sha: string;
}

interface Outcome {
  ok: boolean;
  code: string;
  number?: number;
  type: string;
  message: string;
}

declare global {
  var bss: typeof Library;
  var t: Tools;
  // biome-ignore lint/suspicious/noExplicitAny: what tests/bench/browser/in-page.mjs puts into a page, called by name
  var bench: any;
  // biome-ignore lint/suspicious/noExplicitAny: each test keeps what it likes between two steps in a page
  var kept: any;
}
