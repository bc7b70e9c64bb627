// Sound out of a WAV file that is still arriving: its header, then samples of 16 bits.

type Bytes = Uint8Array<ArrayBuffer>;

/** What a WAV file says of itself. */
export interface Format {
  readonly channels: number;
  readonly rate: number;
}

/** One stretch of sound: samples from −1 to 1, for each channel. */
export type Stretch = Float32Array<ArrayBuffer>[];

const BYTES = 2;

export class Wave {
  /** Known once the header has come. */
  format: Format | undefined;
  #rest: Bytes = new Uint8Array();

  /** Takes what came; the sound in it, once the header is read. */
  push(chunk: Bytes): Stretch | undefined {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const samples = this.format ? bytes : this.#header(bytes);
    if (!samples || !this.format) {
      this.#rest = bytes;
      return undefined;
    }
    const frame = this.format.channels * BYTES;
    const whole = samples.length - (samples.length % frame);
    this.#rest = samples.slice(whole);
    return whole > 0 ? split(samples.subarray(0, whole), this.format.channels) : undefined;
  }

  /** What follows the header, once that is whole; what is read of it before is read again. */
  #header(bytes: Bytes): Bytes | undefined {
    if (bytes.length < 12) return undefined;
    if (text(bytes, 0) !== "RIFF" || text(bytes, 8) !== "WAVE") throw new Error("This is no WAV file.");
    let format: Format | undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 12; at + 8 <= bytes.length; ) {
      const [tag, length] = [text(bytes, at), view.getUint32(at + 4, true)];
      if (tag === "data" && format) {
        this.format = format;
        return bytes.subarray(at + 8);
      }
      if (at + 8 + length > bytes.length) return undefined;
      if (tag === "fmt ") {
        const [kind, bits] = [view.getUint16(at + 8, true), view.getUint16(at + 22, true)];
        if (kind !== 1 || bits !== 8 * BYTES) throw new Error("This is no WAV file of 16 bits.");
        format = { channels: view.getUint16(at + 10, true), rate: view.getUint32(at + 12, true) };
      }
      at += 8 + length + (length % 2);
    }
    return undefined;
  }
}

function text(bytes: Bytes, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** Channels lie sample beside sample in the file. */
function split(bytes: Bytes, channels: number): Stretch {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames = bytes.length / (channels * BYTES);
  return Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: frames }, (_, at) => view.getInt16((at * channels + channel) * BYTES, true) / 32768),
  );
}
