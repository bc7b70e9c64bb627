// What goes through the proxy: one encoded frame, or a stretch of sound, as one message of a channel.
//
// byte 0: its source · byte 1: 1 for a key frame, 2 where its colours have the full range, 4 where they are those of BT.709 and not of BT.601 · bytes 2–5: its number in its source · bytes 6–13: its time in microseconds (float64) · then what the encoder gave. Big-endian.

export type Source = "microphone" | "camera" | "screen";

export interface Chunk {
  readonly source: Source;
  /** It can be decoded by itself. */
  readonly isKey: boolean;
  /** Counts the chunks of its source: what is missing between two was left out. */
  readonly number: number;
  /** When it was taken, in microseconds of its sender's clock. */
  readonly time: number;
  /** How its colours are to be read: VP8 itself does not say. */
  readonly colours: Colours;
  readonly data: Uint8Array<ArrayBuffer>;
}

export interface Colours {
  readonly isFull: boolean;
  readonly isBt709: boolean;
}

const SOURCES: readonly Source[] = ["microphone", "camera", "screen"];
const HEAD = 14;

/** A chunk as a message, into which `copy` puts its data. */
export function writeChunk(
  { source, isKey, number, time, colours }: Omit<Chunk, "data">,
  length: number,
  copy: (to: Uint8Array<ArrayBuffer>) => void,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEAD + length);
  const view = new DataView(message.buffer);
  view.setUint8(0, SOURCES.indexOf(source));
  view.setUint8(1, Number(isKey) | (Number(colours.isFull) << 1) | (Number(colours.isBt709) << 2));
  view.setUint32(2, number);
  view.setFloat64(6, time);
  copy(message.subarray(HEAD));
  return message;
}

/** The chunk that a message is; nothing where it is none, for anybody may send anything. */
export function readChunk(message: Uint8Array<ArrayBuffer>): Chunk | undefined {
  if (message.length <= HEAD) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, HEAD);
  const source = SOURCES[view.getUint8(0)];
  const time = view.getFloat64(6);
  if (!source || !Number.isFinite(time)) return undefined;
  const flags = view.getUint8(1);
  const colours = { isFull: (flags & 2) > 0, isBt709: (flags & 4) > 0 };
  return { source, isKey: (flags & 1) > 0, number: view.getUint32(2), time, colours, data: message.subarray(HEAD) };
}
