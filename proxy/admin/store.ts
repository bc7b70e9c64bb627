// What the page knows: who we are, how the connection is, and all that the proxy told.

import { ask, Refusal } from "./ask.ts";
import { type Connection, Live } from "./live.ts";
import { forget, reduce, START, type State } from "./state.ts";
import { keepToken, token } from "./token.ts";
import { type Me, readMe, type TableName } from "./wire.ts";

/** Whether we may look: asked yet, not without another token and why, or no answer. */
export type Door =
  | { readonly kind: "asking" | "open" }
  | { readonly kind: "token" | "away"; readonly problem: string | undefined };

/** How long until a proxy that does not answer is asked again. */
const AGAIN_MS = 2000;

export class Store {
  state: State = START;
  connection: Connection = { state: "connecting" };
  door: Door = { kind: "asking" };
  me: Me | undefined;
  #live: Live | undefined;
  #watched: readonly TableName[] = [];
  readonly #changed: () => void;

  /** `changed` is called when something here is another. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Asks whether we may look, and looks. */
  async enter(): Promise<void> {
    try {
      this.me = readMe(await ask({ method: "GET", path: "me" }));
      this.door = { kind: "open" };
      this.#live ??= this.#look();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refused(error);
    }
    this.#changed();
  }

  show(shown: string): Promise<void> {
    keepToken(shown);
    this.#leave();
    this.door = { kind: "asking" };
    this.#changed();
    return this.enter();
  }

  /** Has these tables told. What was told of others stays, as it was then, until they are told again. */
  watch(tables: readonly TableName[]): void {
    this.#watched = tables;
    this.#live?.watch(tables);
  }

  hurry(): void {
    this.#live?.hurry();
  }

  #look(): Live {
    return new Live(this.#watched, {
      lines: (lines) => {
        this.state = reduce(this.state, lines);
        this.#changed();
      },
      begin: () => {
        this.state = forget(this.state);
        // Another proxy may have taken the place of the one before.
        void this.enter();
      },
      connection: (connection) => {
        this.connection = connection;
        this.#changed();
      },
      refused: (message) => {
        this.#leave();
        this.door = { kind: "token", problem: message };
        this.#changed();
      },
    });
  }

  #leave(): void {
    this.#live?.close();
    this.#live = undefined;
  }

  #refused({ status, message }: Refusal): void {
    if (status === 401 || status === 403) {
      this.#leave();
      this.door = { kind: "token", problem: status === 403 || token() ? message : undefined };
    } else if (this.door.kind !== "open") {
      this.door = { kind: "away", problem: message };
      setTimeout(() => void this.enter(), AGAIN_MS);
    }
  }
}
