// The 12 bytes in front of every frame (yamux spec, "Framing"): version, type, flags, stream id and length, big-endian.

export const HEADER_BYTES = 12;

export const DATA = 0;
export const WINDOW_UPDATE = 1;
export const PING = 2;
export const GO_AWAY = 3;

export const SYN = 1;
export const ACK = 2;
export const FIN = 4;
export const RST = 8;

/** How a peer can break the protocol: each ends the session. */
export type ViolationKind =
  | "version"
  | "type"
  | "stream_zero"
  | "parity"
  | "reuse"
  | "window"
  | "credit_overflow"
  | "after_fin";

/** The peer broke the protocol. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly kind: ViolationKind;

  constructor(kind: ViolationKind) {
    super(kind);
    this.kind = kind;
  }
}

/** Reads a big-endian u32. */
export function u32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

/** Is shown the header at `at`. */
export type Trace = (bytes: Uint8Array, at: number) => void;

/** Frames on their way out, in memory that is used again for every message. */
export class Outbound {
  readonly bytes: Uint8Array<ArrayBuffer>;
  length = 0;
  trace: Trace | undefined;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  get room(): number {
    return this.bytes.length - this.length;
  }

  header(kind: number, flags: number, id: number, length: number): void {
    const at = this.length;
    this.bytes[at] = 0;
    this.bytes[at + 1] = kind;
    this.bytes[at + 2] = flags >>> 8;
    this.bytes[at + 3] = flags;
    for (let i = 0; i < 4; i++) {
      this.bytes[at + 4 + i] = id >>> (24 - 8 * i);
      this.bytes[at + 8 + i] = length >>> (24 - 8 * i);
    }
    this.length = at + HEADER_BYTES;
    this.trace?.(this.bytes, at);
  }

  /** The place for so many bytes of payload. */
  payload(length: number): Uint8Array {
    this.length += length;
    return this.bytes.subarray(this.length - length, this.length);
  }
}

/** The frame at `at` in words, for the debug log. */
export function describe(bytes: Uint8Array, at: number): string {
  const kind = bytes[at + 1] ?? 0;
  const flags = ["SYN", "ACK", "FIN", "RST"].filter((_, bit) => (bytes[at + 3] ?? 0) & (1 << bit));
  const name = ["DATA", "WINDOW_UPDATE", "PING", "GO_AWAY"][kind] ?? `TYPE ${kind}`;
  return [name, `#${u32(bytes, at + 4)}`, ...flags, u32(bytes, at + 8)].join(" ");
}
