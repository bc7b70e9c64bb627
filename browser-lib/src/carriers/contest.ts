// Several carriers begin one behind the other; the first that is open carries the session, and the others go.

import type { Carrier } from "../carriers.ts";
import type { Session } from "../session.ts";
import type { CloseInfo, Transport } from "../transport.ts";

/** One that is not open by then has company: all in all three seconds are not to be enough to notice. */
const STEP_MS = 1000;

/** How to begin with a carrier. */
export interface Run {
  readonly carrier: Carrier;
  readonly start: () => Transport;
}

export class Contest {
  readonly #session: Session;
  readonly #left: Run[];
  readonly #runners = new Set<Transport>();
  /** A WebSocket that was dialed before, and reports to the session by itself. */
  #beside: Transport | undefined;
  #winner: Carrier | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(session: Session, runs: readonly Run[], beside: Transport | undefined) {
    this.#session = session;
    this.#left = [...runs];
    this.#beside = beside;
    this.#next({ code: 1006, reason: "" });
  }

  get winner(): Carrier | undefined {
    return this.#winner;
  }

  isFor(session: Session): boolean {
    return !this.#isOver && this.#session === session;
  }

  /** The WebSocket that was dialed before will not come: who fails last says so. */
  alone(): void {
    this.#beside = undefined;
  }

  /** Begins with the next; `info` is how the one before it ended. */
  #next(info: CloseInfo): void {
    clearTimeout(this.#timer);
    // The WebSocket came, or nothing is wanted any more.
    if (!this.#session.isConnecting) return this.#end(undefined);
    const run = this.#left.shift();
    if (!run) {
      if (this.#runners.size === 0) this.#fail(info);
      return;
    }
    let runner: Transport;
    try {
      runner = run.start();
    } catch (error) {
      // What the platform, or the page's own policy, does not allow.
      return this.#next({ code: 1006, reason: String(error) });
    }
    this.#runners.add(runner);
    runner.onopen = () => this.#open(run.carrier, runner);
    runner.onclose = (info) => {
      this.#runners.delete(runner);
      if (!this.#isOver) this.#next(info);
    };
    if (this.#left.length > 0) this.#timer = setTimeout(() => this.#next(info), STEP_MS);
  }

  #open(carrier: Carrier, runner: Transport): void {
    const isFirst = !this.#isOver && this.#session.isConnecting;
    this.#end(isFirst ? runner : undefined);
    if (!isFirst) return;
    this.#winner = carrier;
    this.#session.dial(runner);
    runner.onopen();
  }

  #fail(info: CloseInfo): void {
    const { isConnecting } = this.#session;
    const isLast = this.#beside === undefined;
    this.#isOver = true;
    if (isLast && isConnecting) this.#session.gone(info);
  }

  /** All go, but for one. */
  #end(but: Transport | undefined): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#runners.delete(but as Transport);
    // A WebSocket that is open is the session's, and stays.
    const others = but && this.#beside ? [...this.#runners, this.#beside] : this.#runners;
    for (const other of others) {
      other.onopen = other.onclose = () => {};
      other.close(1000, "");
    }
  }
}
