// A proxy that is reached over HTTP alone: what it says to each request is a test's.

import { vi } from "vitest";
import { record } from "./records.ts";

export interface Asked {
  readonly headers: Record<string, string>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
  readonly keepalive: boolean;
}

/** One connection over HTTP, as the proxy sees it. */
export class Line {
  readonly ups: Asked[] = [];
  #writer: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly body: ReadableStream<Uint8Array>;
  isGone = false;

  constructor() {
    this.body = new ReadableStream({
      start: (writer) => {
        this.#writer = writer;
      },
    });
  }

  hello(connection = "secret", up_bytes_max = 1 << 20): void {
    this.put(record(1, JSON.stringify({ connection, ups_max: 4, up_bytes_max })));
    this.put(record(3, " ".repeat(2048)));
  }

  send(bytes: Uint8Array): void {
    this.put(record(0, bytes));
  }

  close(code: number, reason: string): void {
    this.put(record(2, JSON.stringify({ code, reason })));
    this.#writer?.close();
  }

  /** Ends it without a word. */
  cut(): void {
    this.#writer?.error(new TypeError("network error"));
  }

  put(bytes: Uint8Array): void {
    this.#writer?.enqueue(bytes);
  }

  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.ups.map(({ body }) => body ?? new Uint8Array())));
  }
}

/** Takes the place of `fetch`. */
export function httpProxy() {
  const proxy = {
    /** What it says that it has; nothing is a proxy that is not there. */
    carriers: ["websocket", "http"] as string[] | undefined,
    asked: 0,
    lines: [] as Line[],
    /** Whether a line says hello by itself, and what it is refused with. */
    greets: true,
    refusal: undefined as number | undefined,
    /** The answer to a body. */
    up: (_: Asked, __: Line): Promise<number> | number => 204,
  };
  const answer = async (_: string, init: RequestInit): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    const signal = init.signal as AbortSignal;
    const asked = { headers, body: init.body as Uint8Array, signal, keepalive: init.keepalive === true };
    switch (headers["bss-carrier"]) {
      case "list":
        proxy.asked++;
        if (!proxy.carriers) throw new TypeError("failed to fetch");
        return Response.json({ carriers: proxy.carriers });
      case "down": {
        if (proxy.refusal) return new Response("limit: no\n", { status: proxy.refusal });
        const line = new Line();
        proxy.lines.push(line);
        signal.addEventListener("abort", () => {
          line.isGone = true;
          line.cut();
        });
        if (proxy.greets) line.hello();
        return new Response(line.body);
      }
      default: {
        const line = proxy.lines.at(-1) as Line;
        line.ups.push(asked);
        const status = await proxy.up(asked, line);
        return new Response(status === 204 ? null : "no", { status });
      }
    }
  };
  const fetch = vi.fn(answer);
  vi.stubGlobal("fetch", fetch);
  return proxy;
}
