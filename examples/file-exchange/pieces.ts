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

/** The pieces of a file from there on; the next is read while one is on its way. Throws {@link Unreadable}. */
export async function* pieces(offered: Offered, from: number): AsyncGenerator<Piece, void, undefined> {
  const { size } = offered.listed;
  let next = from < size ? pieceAt(offered, from) : undefined;
  for (let at = from; next; at += PIECE) {
    const piece = await next;
    next = at + PIECE < size ? pieceAt(offered, at + PIECE) : undefined;
    next?.catch(() => {}); // Looked at in its turn.
    yield piece;
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
