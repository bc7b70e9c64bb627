// HMAC-SHA-256: WebCrypto's, or where a page has none (no secure context) our own (FIPS 180-4, RFC 2104).

type Bytes = Uint8Array<ArrayBuffer>;

const ALGORITHM = { name: "HMAC", hash: "SHA-256" };
const BLOCK = 64;

/** The mac of a message under a key of at most 64 bytes. */
export async function hmac(key: Bytes, message: Bytes): Promise<Bytes> {
  const { subtle } = globalThis.crypto ?? {};
  if (!subtle) return plainHmac(key, message);
  const imported = await subtle.importKey("raw", key, ALGORITHM, false, ["sign"]);
  return new Uint8Array(await subtle.sign("HMAC", imported, message));
}

/** The same without WebCrypto. */
export function plainHmac(key: Bytes, message: Bytes): Bytes {
  const padded = (pad: number) => Array.from({ length: BLOCK }, (_, at) => (key[at] ?? 0) ^ pad);
  const inner = sha256(Uint8Array.from([...padded(0x36), ...message]));
  return sha256(Uint8Array.from([...padded(0x5c), ...inner]));
}

/** The digest of a short message. */
export function sha256(message: Bytes): Bytes {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / BLOCK) * BLOCK);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, message.length * 8);
  const [roots, cubes] = constants();
  const hash = roots.slice(0, 8);
  const words = new Int32Array(BLOCK);
  for (let block = 0; block < padded.length; block += BLOCK) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(block + 4 * i);
    for (let i = 16; i < BLOCK; i++) {
      const [a, b] = [at(words, i - 15), at(words, i - 2)];
      const low = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
      const high = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      words[i] = at(words, i - 16) + low + at(words, i - 7) + high;
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = hash;
    for (let i = 0; i < BLOCK; i++) {
      const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const first = (h + high + ((e & f) ^ (~e & g)) + at(cubes, i) + at(words, i)) | 0;
      const low = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const second = low + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) hash[i] = at(hash, i) + word;
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [i, word] of hash.entries()) digest.setInt32(4 * i, word);
  return new Uint8Array(digest.buffer);
}

/** The fractions of the square roots and of the cube roots of the first 64 primes. */
function constants(): [Int32Array, Int32Array] {
  const primes: number[] = [];
  for (let n = 2; primes.length < BLOCK; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  const fractions = (power: number) => Int32Array.from(primes, (prime) => (prime ** power % 1) * 2 ** 32);
  return [fractions(1 / 2), fractions(1 / 3)];
}

function turn(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

function at(words: Int32Array, i: number): number {
  return words[i] as number;
}
