// What a receiver does not take, and how it says so.

import { type Stream, StreamError } from "browser-stream-server";
import { CODES } from "./wire.ts";

/** What does not go by the protocol counts as a piece that is not right. */
export function known(thrown: unknown): StreamError | NoRoom | BadPiece {
  if (thrown instanceof StreamError || thrown instanceof NoRoom || thrown instanceof BadPiece) return thrown;
  return new BadPiece(thrown instanceof Error ? thrown.message : String(thrown));
}

/** Tells the sender what was our doing. A stream that is over already does not hear it. */
export function refuse(stream: Stream, error: StreamError | NoRoom | BadPiece): void {
  stream.closed.catch(() => {}); // We know.
  if (error instanceof StreamError) stream.reset();
  else stream.error(error.message, error instanceof NoRoom ? CODES.cannotWrite : CODES.badPiece);
}

/** What came cannot be kept. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

/** A piece, or what should be one, that is not what was announced. */
export class BadPiece extends Error {
  override readonly name = "BadPiece";
}
