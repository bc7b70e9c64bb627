// What was asked of members, and what they answered so far.

import { StreamError } from "../error.ts";
import { later, type Timer } from "../later.ts";
import { heard } from "../mux/codes.ts";
import { settler } from "../settler.ts";
import type { Known, Member } from "./member.ts";
import type { Aim } from "./target.ts";

/** What one member answered. */
export interface Answer {
  /** Undefined: the proxy's program. */
  readonly from: Member | undefined;
  readonly value: unknown;
}

/** Not everybody answered: `timeout`, or the code of the first one who refused (`unsupported`: nobody listened there; `lost`, `gone`: it went; a code of its own). */
export class AckError extends StreamError {
  override readonly name = "AckError";
  /** Those that came. */
  readonly answers: readonly Answer[];
  /** Members without an answer: they did not answer, refused, or went. */
  readonly missing: readonly Member[];

  constructor(error: StreamError, answers: readonly Answer[], missing: readonly Member[]) {
    super(error.number, error.detail);
    this.answers = answers;
    this.missing = missing;
  }
}

/** A question that waits for answers. */
interface Ask {
  readonly isOne: boolean;
  readonly timer: Timer;
  readonly answers: Answer[];
  /** Who has not answered; before the proxy said who is asked, who we think that is. */
  waiting: Map<number, Member | undefined>;
  readonly refused: Member[];
  /** The proxy said who is asked. */
  isTold: boolean;
  error: StreamError | undefined;
  resolve(answer: unknown): void;
  reject(error: StreamError): void;
}

export class Asks {
  readonly #asks = new Map<number, Ask>();
  #last = 0;

  /** Begins to wait for what these answer. */
  begin({ isOne, timeout }: Aim, expected: readonly Known[]) {
    const ref = ++this.#last;
    const { promise, resolve, reject } = settler<unknown>();
    const late = () => this.fail(ref, new StreamError("timeout", `not everybody answered within ${timeout} ms`));
    const ask: Ask = {
      isOne,
      timer: later(late, timeout),
      answers: [],
      waiting: new Map(expected.map((member) => [member.number, member])),
      refused: [],
      isTold: false,
      error: undefined,
      resolve,
      reject,
    };
    this.#asks.set(ref, ask);
    return { ref, promise };
  }

  /** Whether the proxy said who is asked, or it is over. */
  isTold(ref: number): boolean {
    return this.#asks.get(ref)?.isTold ?? true;
  }

  /** The proxy says who is asked. */
  asked(ref: number, numbers: readonly number[], at: (number: number) => Known | undefined): void {
    const ask = this.#asks.get(ref);
    if (!ask || ask.isTold) return;
    ask.isTold = true;
    ask.waiting = new Map(numbers.map((number) => [number, at(number) ?? ask.waiting.get(number)]));
    this.#look(ref, ask);
  }

  /** Somebody answered; the first answer of each who is asked counts. */
  answered(ref: number, from: number, answer: { readonly value: unknown } | { readonly error: StreamError }): void {
    const ask = this.#asks.get(ref);
    if (!ask) return;
    const who = ask.waiting.get(from);
    const isAsked = ask.waiting.delete(from);
    if ("error" in answer) {
      // Whom the proxy could not find is not among the asked.
      ask.error ??= answer.error;
      if (who) ask.refused.push(who);
    } else if (isAsked) ask.answers.push({ from: who, value: answer.value });
    this.#look(ref, ask);
  }

  /** No more answers come to this one. */
  fail(ref: number, error: StreamError): void {
    const ask = this.#asks.get(ref);
    if (!ask) return;
    this.#asks.delete(ref);
    clearTimeout(ask.timer);
    const missing = [...ask.refused, ...ask.waiting.values()].filter((member) => member !== undefined);
    ask.reject(new AckError(error, ask.answers, missing));
  }

  /** Our seat is another one: only what is still to be said can be answered. */
  renew(unsaid: ReadonlySet<number | undefined>): void {
    for (const [ref, { isTold }] of this.#asks) {
      if (isTold || !unsaid.has(ref))
        this.fail(ref, new StreamError("lost", "our seat is gone, and the question with it"));
    }
  }

  end(error: StreamError): void {
    for (const ref of this.#asks.keys()) this.fail(ref, error);
  }

  #look(ref: number, ask: Ask): void {
    if (!ask.isTold || ask.waiting.size > 0) return;
    const [first] = ask.answers;
    if (ask.isOne && !first) ask.error ??= new StreamError("not_found", "that member is not there");
    if (ask.error) return this.fail(ref, ask.error);
    this.#asks.delete(ref);
    clearTimeout(ask.timer);
    ask.resolve(ask.isOne ? first?.value : ask.answers);
  }
}

/** What an answer's code and text mean, from another member. */
export function refusalOf(code: number, text: string): StreamError {
  return new StreamError(heard(code), text);
}
