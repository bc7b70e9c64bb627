// A carrier at the server before its stream is known.

import { Decoder } from "./decoder.ts";
import type { Limits } from "./limits.ts";
import { JOIN } from "./record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A place among the unproven carriers of a session. */
export interface Pass {
  /** Gives it up; once more does nothing. */
  free(): void;
}

/** The carriers of one session that have proven nothing yet. */
export class Unproven {
  count = 0;

  /** A place, unless there are too many. */
  admit(limits: Limits): Pass | undefined {
    if (this.count >= limits.unprovenMax) return undefined;
    this.count++;
    let isHeld = true;
    return {
      free: () => {
        this.count -= Number(isHeld);
        isHeld = false;
      },
    };
  }
}

/** What a newcomer said: which stream it belongs to. What came behind that waits in its decoder. */
export interface Join {
  readonly stream: Bytes;
  readonly nonce: Bytes;
  readonly decoder: Decoder;
  readonly deadline: number;
  readonly pass: Pass;
}

/** A carrier that was opened to join a stream and has not said which. */
export class Newcomer {
  readonly #decoder = new Decoder();
  readonly #pass: Pass;
  /** When it must be closed if it said nothing. */
  readonly deadline: number;

  constructor(pass: Pass, limits: Limits, now: number) {
    this.#pass = pass;
    this.deadline = now + limits.unproven;
  }

  /** Takes its bytes: what it said, or nothing if that is not whole. Throws (close it) if it said anything else. */
  received(bytes: Bytes): Join | undefined {
    const decoder = this.#decoder;
    decoder.rest = bytes;
    const fact = decoder.next();
    if (!fact) return undefined;
    if (fact.type !== JOIN) throw new RangeError("the first record of a carrier was not JOIN");
    const { stream, nonce } = fact;
    return { stream, nonce, decoder, deadline: this.deadline, pass: this.#pass };
  }
}
