// The frames of a WebSocket, as a server reads and writes them (RFC 6455 section 5): a state machine without a socket.

type Bytes = Uint8Array<ArrayBuffer>;

/** What a client said. */
export type Said =
  | { readonly kind: "message"; readonly data: string | Bytes }
  | { readonly kind: "ping" | "pong"; readonly data: Bytes }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

/** A client broke the rules: the code to close with. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;
/** No status in a close frame; none at all. */
export const NO_STATUS = 1005;

/** Reads frames from bytes, however they come cut. */
export class Frames {
  readonly #most: number;
  #bytes: Bytes = new Uint8Array();
  /** Of a message that came in part: what it is, and its parts. */
  #opcode = CONTINUATION as number;
  #parts: Bytes[] = [];
  #size = 0;
  #isClosed = false;

  /** Messages have at most so many bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  /** What was said in the next bytes. Throws `Violation`; nothing behind that, or behind a close, means anything. */
  *take(bytes: Bytes): Generator<Said, void, undefined> {
    this.#bytes = this.#bytes.length === 0 ? bytes : join([this.#bytes, bytes]);
    while (!this.#isClosed) {
      const frame = this.#frame();
      if (!frame) return;
      const said = this.#hear(frame);
      if (said) yield said;
    }
  }

  /** The next whole frame, unmasked. */
  #frame(): { opcode: number; isLast: boolean; data: Bytes } | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const [first, second] = bytes as unknown as [number, number];
    const [opcode, isLast] = [first & 15, first >= 128];
    if (first & 0x70) throw new Violation(1002, "no extension was agreed upon");
    if (second < 128) throw new Violation(1002, "a client masks its frames");
    const isControl = opcode >= CLOSE;
    if (isControl && (!isLast || second > 128 + 125)) throw new Violation(1002, "a control frame is short and whole");
    const wide = second === 254 ? 2 : second === 255 ? 8 : 0;
    if (bytes.length < 2 + wide) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = wide === 2 ? view.getUint16(2) : wide === 8 ? Number(view.getBigUint64(2)) : second - 128;
    if (!isControl && length + this.#size > this.#most) throw new Violation(1009, "the message is too long");
    const from = 2 + wide + 4;
    if (bytes.length < from + length) return undefined;
    const mask = bytes.subarray(from - 4, from);
    const data = bytes.slice(from, from + length);
    for (let at = 0; at < length; at++) data[at] = (data[at] as number) ^ (mask[at & 3] as number);
    this.#bytes = bytes.subarray(from + length);
    return { opcode, isLast, data };
  }

  #hear({ opcode, isLast, data }: { opcode: number; isLast: boolean; data: Bytes }): Said | undefined {
    switch (opcode) {
      case PING:
        return { kind: "ping", data };
      case PONG:
        return { kind: "pong", data };
      case CLOSE:
        this.#isClosed = true;
        return { kind: "close", ...closing(data) };
      case TEXT:
      case BINARY:
      case CONTINUATION:
        return this.#part(opcode, isLast, data);
      default:
        throw new Violation(1002, "there is no such frame");
    }
  }

  #part(opcode: number, isLast: boolean, data: Bytes): Said | undefined {
    if ((opcode === CONTINUATION) !== (this.#opcode !== CONTINUATION))
      throw new Violation(1002, "a message goes on until it is whole");
    if (opcode !== CONTINUATION) this.#opcode = opcode;
    this.#parts.push(data);
    this.#size += data.length;
    if (!isLast) return undefined;
    const whole = this.#parts.length === 1 ? data : join(this.#parts);
    const isText = this.#opcode === TEXT;
    [this.#opcode, this.#parts, this.#size] = [CONTINUATION, [], 0];
    return { kind: "message", data: isText ? text(whole) : whole };
  }
}

/** A frame of a server's: never masked, never in parts. */
export function frame(opcode: number, data: Uint8Array): Bytes {
  const wide = data.length > 0xffff ? 8 : data.length > 125 ? 2 : 0;
  const bytes = new Uint8Array(2 + wide + data.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x80 | opcode;
  bytes[1] = wide === 8 ? 127 : wide === 2 ? 126 : data.length;
  if (wide === 8) view.setBigUint64(2, BigInt(data.length));
  else if (wide === 2) view.setUint16(2, data.length);
  bytes.set(data, 2 + wide);
  return bytes;
}

/** The frame that says goodbye. */
export function closeFrame(code: number, reason = ""): Bytes {
  if (code === NO_STATUS) return frame(CLOSE, new Uint8Array());
  const said = new TextEncoder().encode(reason);
  return frame(CLOSE, join([new Uint8Array([code >> 8, code & 255]), said]));
}

/** Whether an end may say that it closes for this reason (RFC 6455 section 7.4). */
export function isCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
}

function closing(data: Bytes): { code: number; reason: string } {
  if (data.length === 0) return { code: NO_STATUS, reason: "" };
  const code = ((data[0] as number) << 8) | (data[1] ?? 0);
  if (data.length === 1 || !isCloseCode(code)) throw new Violation(1002, "there is no such close code");
  return { code, reason: text(data.subarray(2)) };
}

function text(bytes: Bytes): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Violation(1007, "text is UTF-8");
  }
}

function join(parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
