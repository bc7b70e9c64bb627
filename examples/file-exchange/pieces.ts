// A file that is shared, piece by piece.

import { type Bytes, sha256 } from "./digest.ts";
import { type Listed, PIECE } from "./wire.ts";

/** A file that is shared. */
export interface Offered {
  readonly listed: Listed;
  readonly file: File;
}

/** A piece of a file, ready to go. */
export interface Piece {
  readonly bytes: Bytes;
  readonly digest: Bytes;
}

/** The file is not what it was when it was chosen. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** How many pieces are read before they are wanted. */
const READ_AHEAD = 4;

/** The pieces of a file from there on. Throws {@link Unreadable}. */
export async function* pieces(offered: Offered, from: number): AsyncGenerator<Piece, void, undefined> {
  const coming: Promise<Piece>[] = [];
  let next = from;
  for (;;) {
    for (; next < offered.listed.size && coming.length < READ_AHEAD; next += PIECE) {
      const piece = pieceAt(offered, next);
      piece.catch(() => {}); // Looked at in its turn.
      coming.push(piece);
    }
    const first = coming.shift();
    if (!first) return;
    yield await first;
  }
}

/** The piece that begins there. Throws {@link Unreadable}. */
export async function pieceAt({ file, listed }: Offered, at: number): Promise<Piece> {
  const end = Math.min(at + PIECE, listed.size);
  const buffer = await file
    .slice(at, end)
    .arrayBuffer()
    .catch(() => new ArrayBuffer());
  const bytes = new Uint8Array(buffer);
  if (bytes.length !== end - at) throw new Unreadable("The file was changed, moved or deleted at the sender.");
  return { bytes, digest: await sha256(bytes) };
}
