// A ping: the time at which it left, which comes back as it is.

export const PING_BYTES = 8;

export function ping(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PING_BYTES);
  new DataView(bytes.buffer).setFloat64(0, performance.now());
  return bytes;
}

/** Takes bytes as they come, in any parts; for each whole ping, how many milliseconds it took. */
export class Pongs {
  #rest = new Uint8Array();

  take(chunk: Uint8Array): number[] {
    const bytes = new Uint8Array([...this.#rest, ...chunk]);
    const view = new DataView(bytes.buffer);
    const whole = Math.floor(bytes.length / PING_BYTES);
    this.#rest = bytes.slice(whole * PING_BYTES);
    return Array.from({ length: whole }, (_, at) => performance.now() - view.getFloat64(at * PING_BYTES));
  }
}
