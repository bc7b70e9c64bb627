/**
 * What the tests use inside a page: seeded bytes, digests, outcomes. One self-contained function, because its text is
 * sent into the page; Node tests call it too.
 */

/** Puts `t` and `kept` on the global object. */
export function install() {
  const PIECE = 1 << 20;
  const CHUNK = 64 * 1024;

  /**
   * The bytes at `offset` of the endless pattern that `seed` names.
   *
   * @param {number} seed @param {number} offset @param {number} length
   */
  function pattern(seed, offset, length) {
    const first = Math.floor(offset / 4);
    const words = new Uint32Array(Math.ceil((offset + length) / 4) - first);
    const salt = Math.imul(seed + 1, 0x9e3779b1);
    for (let i = 0; i < words.length; i++) {
      let x = Math.imul((first + i) ^ salt, 0x85ebca6b);
      x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
      words[i] = x ^ (x >>> 16);
    }
    return new Uint8Array(words.buffer, offset - first * 4, length);
  }

  /** SHA-256 over the SHA-256 of every MiB: WebCrypto has no incremental hash. */
  class Digest {
    #piece = new Uint8Array(PIECE);
    #filled = 0;
    /** @type {Uint8Array[]} */
    #hashes = [];
    bytes = 0;

    /** @param {Uint8Array} chunk */
    async add(chunk) {
      this.bytes += chunk.length;
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + PIECE - this.#filled);
        this.#piece.set(part, this.#filled);
        this.#filled += part.length;
        at += part.length;
        if (this.#filled === PIECE) await this.#seal();
      }
    }

    async #seal() {
      this.#hashes.push(new Uint8Array(await crypto.subtle.digest("SHA-256", this.#piece.subarray(0, this.#filled))));
      this.#filled = 0;
    }

    /** @returns {Promise<string>} */
    async hex() {
      if (this.#filled > 0) await this.#seal();
      const all = new Uint8Array(this.#hashes.length * 32);
      this.#hashes.forEach((hash, i) => {
        all.set(hash, i * 32);
      });
      const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
      return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }
  }

  /**
   * Writes `total` bytes of the pattern, as fast as the stream takes them, and finishes.
   *
   * @param {WritableStream<Uint8Array>} writable @param {number} seed @param {number} total
   * @param {(sent: number) => unknown} onSent what it gives is waited for
   */
  async function send(writable, seed, total, onSent = () => {}) {
    const writer = writable.getWriter();
    const digest = new Digest();
    for (let at = 0; at < total; at += CHUNK) {
      const chunk = pattern(seed, at, Math.min(CHUNK, total - at));
      await digest.add(chunk);
      await writer.ready;
      await writer.write(chunk);
      await onSent(at + chunk.length);
    }
    await writer.close();
    return { bytes: total, sha: await digest.hex() };
  }

  /**
   * Reads to the clean end.
   *
   * @param {ReadableStream<Uint8Array>} readable @param {(received: number) => void} onReceived
   */
  async function receive(readable, onReceived = () => {}) {
    const digest = new Digest();
    const reader = readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { bytes: digest.bytes, sha: await digest.hex() };
      await digest.add(value);
      onReceived(digest.bytes);
    }
  }

  /**
   * Sends and receives as much on one stream, at the same time.
   *
   * @param {import("browser-stream-server").Stream} stream @param {number} seed @param {number} total
   * @param {(sent: number) => unknown} [onSent] as of {@link send}
   */
  async function converse(stream, seed, total, onSent) {
    const [received, sent] = await Promise.all([receive(stream.readable), send(stream.writable, seed, total, onSent)]);
    await stream.closed;
    return { sent, received, resent: stream.resumption?.resent };
  }

  /** The digest of the first `total` bytes of a pattern. @param {number} seed @param {number} total */
  async function digest(seed, total) {
    const sum = new Digest();
    for (let at = 0; at < total; at += PIECE) await sum.add(pattern(seed, at, Math.min(PIECE, total - at)));
    return { bytes: total, sha: await sum.hex() };
  }

  /** Reads a text to its clean end. @param {ReadableStream<Uint8Array>} readable */
  async function text(readable) {
    return await new Response(/** @type {any} */ (readable)).text();
  }

  /** Writes a text and finishes. @param {WritableStream<Uint8Array>} writable @param {string} words */
  async function say(writable, words) {
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode(words));
    await writer.close();
  }

  /**
   * What became of a promise, in a form that leaves the page.
   *
   * @param {PromiseLike<unknown>} promise
   */
  async function outcome(promise) {
    try {
      await promise;
      return { ok: true, code: "", number: undefined, type: "", message: "" };
    } catch (error) {
      const { code, number, name, message } = /** @type {any} */ (error ?? {});
      return { ok: false, code, number, type: name, message };
    }
  }

  /** A promise with its resolve outside: `gate.open(value)`, `await gate.passed`. */
  function gate() {
    /** @type {(value?: unknown) => void} */
    let open = () => {};
    const passed = new Promise((resolve) => {
      open = resolve;
    });
    return { open, passed };
  }

  /** From now on notes when this page stands still; the function that it gives ends that, and tells how many milliseconds each time took. */
  function standstills() {
    const TICK_MS = 100;
    /** @type {number[]} */
    const stood = [];
    let last = performance.now();
    const look = () => {
      const now = performance.now();
      if (now - last > 3 * TICK_MS) stood.push(now - last);
      last = now;
    };
    const timer = setInterval(look, TICK_MS);
    return () => {
      clearInterval(timer);
      look();
      return stood;
    };
  }

  Object.assign(globalThis, {
    t: { pattern, Digest, send, receive, converse, digest, text, say, outcome, gate, standstills },
    kept: {},
  });
}
