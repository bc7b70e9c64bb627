// The server's end of a WebSocket: what a page knows as WebSocket, over a stream.

import { toBytes } from "../chunk.ts";
import { BINARY, closeFrame, Frames, frame, NO_STATUS, PONG, type Said, TEXT, Violation } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import type { Writer } from "./outgoing.ts";

/** How a WebSocket ended, as the platform's `CloseEvent` tells it. */
export interface SocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** The events of a server's WebSocket. */
export interface ServerSocketEvents {
  open: Event;
  message: MessageEvent<string | ArrayBuffer | Blob>;
  error: Event;
  close: SocketCloseEvent;
}

const REASON_MAX = 123;
/** A client that does not answer a goodbye is left. */
const CLOSE_MS = 10_000;
const ABNORMAL = 1006;

/** As `WebSocket` in pages; `binaryType` is `"arraybuffer"` unless stated. */
export class ServerSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;
  binaryType: "arraybuffer" | "blob" = "arraybuffer";
  onopen: ((event: Event) => unknown) | null = null;
  onmessage: ((event: ServerSocketEvents["message"]) => unknown) | null = null;
  onerror: ((event: Event) => unknown) | null = null;
  onclose: ((event: SocketCloseEvent) => unknown) | null = null;
  readonly extensions = "";
  readonly url: string;
  readonly protocol: string;
  readonly #frames: Frames;
  #readyState: 0 | 1 | 2 | 3 = 0;
  #buffered = 0;
  #writer: Writer | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #said: { code: number; reason: string } | undefined;

  /** Sockets come from `upgradeWebSocket`. */
  constructor(url: string, protocol: string, messageMax: number) {
    super();
    this.url = url;
    this.protocol = protocol;
    this.#frames = new Frames(messageMax);
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  /** Bytes that were sent and have not left. */
  get bufferedAmount(): number {
    return this.#buffered;
  }

  /** Sends text, or bytes. Throws `InvalidStateError` before it is open; after it was closed what is sent is dropped. */
  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (this.#readyState === 0) throw new DOMException("the socket is not open yet", "InvalidStateError");
    if (this.#readyState !== 1) return;
    // Copied, for it is the caller's again at once.
    this.#write(frame(typeof data === "string" ? TEXT : BINARY, toBytes(data)));
  }

  /** Says goodbye with a code (1000, or 3000 to 4999) and a reason of at most 123 bytes. */
  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999))
      throw new DOMException("a close code is 1000, or 3000 to 4999", "InvalidAccessError");
    if (new TextEncoder().encode(reason).length > REASON_MAX)
      throw new DOMException("a reason has at most 123 bytes", "SyntaxError");
    if (this.#readyState <= 1) this.#goodbye(code ?? NO_STATUS, reason);
  }

  override addEventListener<E extends keyof ServerSocketEvents>(
    type: E,
    listener: (event: ServerSocketEvents[E]) => unknown,
    options?: AddEventListenerOptions | boolean,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: AddEventListenerOptions | boolean,
  ): void;
  override addEventListener(type: string, listener: never, options?: AddEventListenerOptions | boolean): void {
    super.addEventListener(type, listener, options);
  }

  /** Both sides have agreed: speaks until it is over. */
  async run(incoming: Incoming, writer: Writer): Promise<void> {
    this.#writer = writer;
    const isParting = this.#readyState === 2;
    if (!isParting) this.#readyState = 1;
    this.#tell("open", new Event("open"));
    let wasClean = false;
    try {
      wasClean = await this.#listen(incoming);
    } catch (error) {
      if (error instanceof Violation) this.#goodbye(error.code, error.message);
      this.#tell("error", new Event("error"));
    }
    clearTimeout(this.#timer);
    this.#readyState = 3;
    const { code, reason } = wasClean && this.#said ? this.#said : { code: ABNORMAL, reason: "" };
    this.#tell("close", Object.assign(new Event("close"), { code, reason, wasClean }));
    await writer.close().catch(() => {});
  }

  /** It came to nothing. */
  abandon(): void {
    this.#readyState = 3;
    this.#tell("error", new Event("error"));
    this.#tell("close", Object.assign(new Event("close"), { code: ABNORMAL, reason: "", wasClean: false }));
  }

  /** Hears the client to its goodbye, which is answered; false where it went without. */
  async #listen(incoming: Incoming): Promise<boolean> {
    while (true) {
      const bytes = await incoming.next();
      if (!bytes) return false;
      for (const said of this.#frames.take(bytes)) {
        if (said.kind !== "close") this.#hear(said);
        else {
          this.#said = { code: said.code, reason: said.reason };
          this.#goodbye(said.code, "");
          return true;
        }
      }
    }
  }

  #hear(said: Exclude<Said, { kind: "close" }>): void {
    if (said.kind === "ping" && this.#readyState === 1) this.#write(frame(PONG, said.data));
    if (said.kind !== "message" || this.#readyState !== 1) return;
    const { data } = said;
    const shown = typeof data === "string" ? data : this.binaryType === "blob" ? new Blob([data]) : data.buffer;
    this.#tell("message", new MessageEvent("message", { data: shown }));
  }

  /** Once; what comes until the client's own is dropped. */
  #goodbye(code: number, reason: string): void {
    if (this.#readyState >= 2) return;
    const isOpen = this.#readyState === 1;
    this.#readyState = 2;
    if (!isOpen) return this.#parting(code, reason);
    this.#write(closeFrame(code, reason));
    this.#timer = setTimeout(() => void this.#writer?.abort().catch(() => {}), CLOSE_MS);
  }

  /** Closed before it was open: the goodbye is all that is said. */
  #parting(code: number, reason: string): void {
    this.addEventListener("open", () => this.#write(closeFrame(code, reason)), { once: true });
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    this.#buffered += bytes.length;
    const left = () => {
      this.#buffered -= bytes.length;
    };
    this.#writer?.write(bytes).then(left, left);
  }

  #tell<E extends keyof ServerSocketEvents>(type: E, event: ServerSocketEvents[E]): void {
    const listener = this[`on${type}`] as ((event: ServerSocketEvents[E]) => unknown) | null;
    if (listener) super.addEventListener(type, listener as EventListener, { once: true });
    this.dispatchEvent(event);
    if (listener) this.removeEventListener(type, listener as EventListener);
  }
}
