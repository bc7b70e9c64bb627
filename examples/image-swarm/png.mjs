// A PNG of a palette and an index for each pixel. Nothing is compressed, so that every browser and Node write the same bytes.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** The most that a block of DEFLATE that is only stored has (RFC 1951, section 3.2.4). */
const BLOCK_MAX = 0xffff;
const ADLER_PRIME = 65_521;
/** Bytes after which Adler's sums are brought below the prime: they would outgrow 32 bits soon. */
const ADLER_MAX = 5_552;

/**
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} palette red, green and blue of each of at most 256 colours
 * @param {Uint8Array} pixels the colour of each, row by row
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function png(width, height, palette, pixels) {
  const rows = new Uint8Array((width + 1) * height);
  for (let row = 0; row < height; row++) {
    // Before each row stands its filter: none.
    rows.set(pixels.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  }
  const [eight, indexed] = [8, 3];
  return joined([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", joined([number(width), number(height), Uint8Array.of(eight, indexed, 0, 0, 0)])),
    chunk("PLTE", palette),
    chunk("IDAT", stored(rows)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** @param {string} name @param {Uint8Array} data */
function chunk(name, data) {
  const body = joined([Uint8Array.from(name, (letter) => letter.charCodeAt(0)), data]);
  return joined([number(data.length), body, number(crc32(body))]);
}

/** The zlib format without compression (RFC 1950). @param {Uint8Array<ArrayBuffer>} bytes */
function stored(bytes) {
  /** @type {Uint8Array[]} */
  const parts = [Uint8Array.of(0x78, 0x01)];
  for (let at = 0; at < bytes.length; at += BLOCK_MAX) {
    const block = bytes.subarray(at, at + BLOCK_MAX);
    const isLast = at + BLOCK_MAX >= bytes.length ? 1 : 0;
    const [low, high] = [block.length & 0xff, block.length >> 8];
    parts.push(Uint8Array.of(isLast, low, high, low ^ 0xff, high ^ 0xff), block);
  }
  return joined([...parts, number(adler32(bytes))]);
}

/** @param {Uint8Array} bytes */
function adler32(bytes) {
  let [low, high] = [1, 0];
  for (let at = 0; at < bytes.length; at += ADLER_MAX) {
    for (const byte of bytes.subarray(at, at + ADLER_MAX)) {
      low += byte;
      high += low;
    }
    [low, high] = [low % ADLER_PRIME, high % ADLER_PRIME];
  }
  return high * 65_536 + low;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb8_8320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let rest = 0xffff_ffff;
  for (const byte of bytes) rest = /** @type {number} */ (CRC[(rest ^ byte) & 0xff]) ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** Big-endian, in four bytes. @param {number} value */
function number(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
