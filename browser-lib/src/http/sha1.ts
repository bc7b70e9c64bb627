// SHA-1 (FIPS 180-4), at once and everywhere: the handshake of WebSockets wants it, and pages without a secure context have none. It proves nothing there.

/** The digest of a short ASCII text, in base64. */
export function sha1Base64(text: string): string {
  const words = padded(text);
  let hash = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let at = 0; at < words.length; at += 16) hash = block(hash, words.slice(at, at + 16));
  const bytes = hash.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]);
  return btoa(String.fromCharCode(...bytes));
}

/** The text as words, with what has to stand behind it. */
function padded(text: string): number[] {
  const blocks = Math.ceil((text.length + 9) / 64);
  const words = new Array<number>(blocks * 16).fill(0);
  const put = (at: number, byte: number) => {
    words[at >> 2] = (words[at >> 2] as number) | (byte << (24 - (at % 4) * 8));
  };
  for (let at = 0; at < text.length; at++) put(at, text.charCodeAt(at) & 255);
  put(text.length, 0x80);
  words[words.length - 1] = text.length * 8;
  return words;
}

function block(hash: readonly number[], words: number[]): number[] {
  for (let round = 16; round < 80; round++) {
    const [three, eight, fourteen, sixteen] = [3, 8, 14, 16].map((back) => words[round - back] as number);
    words.push(rotate((three as number) ^ (eight as number) ^ (fourteen as number) ^ (sixteen as number), 1));
  }
  let [a, b, c, d, e] = hash as [number, number, number, number, number];
  words.forEach((word, round) => {
    const mix = ROUNDS[Math.floor(round / 20)] as Round;
    const [mixed, constant] = mix(b, c, d);
    const next = (rotate(a, 5) + mixed + e + constant + word) | 0;
    [e, d, c, b, a] = [d, c, rotate(b, 30), a, next];
  });
  return [a, b, c, d, e].map((word, index) => (word + (hash[index] as number)) | 0);
}

type Round = (b: number, c: number, d: number) => [mixed: number, constant: number];

const ROUNDS: Round[] = [
  (b, c, d) => [(b & c) | (~b & d), 0x5a827999],
  (b, c, d) => [b ^ c ^ d, 0x6ed9eba1],
  (b, c, d) => [(b & c) | (b & d) | (c & d), 0x8f1bbcdc],
  (b, c, d) => [b ^ c ^ d, 0xca62c1d6],
];

function rotate(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}
