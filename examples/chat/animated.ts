// Whether a picture moves: that is read off its bytes, because a picture that is drawn anew stands still.

export function isAnimated(bytes: Uint8Array, type: string): boolean {
  if (type === "image/gif") return gifFrames(bytes) > 1;
  if (type === "image/webp") return text(bytes, 12, 4) === "VP8X" && ((bytes[20] ?? 0) & 2) !== 0;
  if (type === "image/png") return hasFrames(bytes);
  return type === "image/avif" && text(bytes, 8, 4) === "avis";
}

/** Counts up to two: the blocks of a GIF, one after the other. */
function gifFrames(bytes: Uint8Array): number {
  let at = 13 + palette(bytes[10]);
  let frames = 0;
  while (at < bytes.length && frames < 2) {
    const block = bytes[at];
    if (block === 0x21) at = afterParts(bytes, at + 2);
    else if (block === 0x2c) {
      frames++;
      at = afterParts(bytes, at + 11 + palette(bytes[at + 9]));
    } else break;
  }
  return frames;
}

function palette(flags = 0): number {
  return flags & 0x80 ? 3 << ((flags & 7) + 1) : 0;
}

/** Behind parts that each say how long they are, up to the empty one. */
function afterParts(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let length = bytes[at]; length; length = bytes[at]) at += length + 1;
  return at + 1;
}

/** A PNG says that it moves before its first data. */
function hasFrames(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += view.getUint32(at) + 12) {
    const chunk = text(bytes, at + 4, 4);
    if (chunk === "acTL") return true;
    if (chunk === "IDAT") return false;
  }
  return false;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + length));
}
