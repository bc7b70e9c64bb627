// A carrier at the server before its stream is known.

import { Decoder } from "./decoder.ts";
import type { Limits } from "./limits.ts";
import { JOIN } from "./record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A place among the unproven carriers of a session. */
export interface Pass {
  /** Its carrier said which stream it belongs to: nobody takes its place any more. */
  said(): void;
  /** Gives it up; once more does nothing. */
  free(): void;
}

/** The carriers of one session that have proven nothing yet. */
export class Unproven {
  readonly #held = new Set<Pass>();
  /** What closes those that have said nothing, oldest first. */
  readonly #silent = new Map<Pass, () => void>();

  get count(): number {
    return this.#held.size;
  }

  /** A place. Where there are too many, the oldest carrier that has said nothing is closed for it; none if all have. */
  admit(limits: Limits, close: () => void): Pass | undefined {
    if (this.count >= limits.unprovenMax) {
      const [oldest] = this.#silent;
      if (!oldest) return undefined;
      oldest[0].free();
      oldest[1]();
    }
    const pass: Pass = {
      said: () => this.#silent.delete(pass),
      free: () => {
        this.#held.delete(pass);
        this.#silent.delete(pass);
      },
    };
    this.#held.add(pass);
    this.#silent.set(pass, close);
    return pass;
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
    this.#pass.said();
    return { stream, nonce, decoder, deadline: this.deadline, pass: this.#pass };
  }
}
