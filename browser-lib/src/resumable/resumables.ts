// The resumable streams of one page's handle, over all its sessions.

import { Budget } from "../resume/budget.ts";
import { LIMITS, type Limits } from "../resume/limits.ts";
import { Unproven } from "../resume/newcomer.ts";
import { prove } from "../resume/proof.ts";
import { Registry } from "../resume/registry.ts";
import { Session } from "../session.ts";
import { type Known, welcome } from "./arrivals.ts";
import type { Direct } from "./direct.ts";
import type { Resumable } from "./resumable.ts";

const ASK_MS = 1000;

export class Resumables {
  readonly limits: Limits = LIMITS;
  readonly budget = new Budget();
  /** Those that came in. */
  readonly registry = new Registry<Known>(this.limits);
  /** The URL of the proxy. */
  readonly target: string;
  readonly #session: () => Session;
  readonly #live = new Set<Resumable>();
  readonly #unproven = new WeakMap<object, Unproven>();
  #direct: Promise<Direct> | undefined;
  /** There will be no session any more. */
  #isOver = false;
  /** When the session was last asked. */
  #asked = -Infinity;
  /** What those that ended had. */
  #moves = 0;
  #resent = 0;

  /** `session` gives the one that carriers are opened on now. */
  constructor(session: () => Session, target: string) {
    this.#session = session;
    this.target = target;
  }

  get session(): Session {
    return this.#session();
  }

  /** The carriers of one session that have not proven themselves. */
  unproven(session: object): Unproven {
    const unproven = this.#unproven.get(session) ?? new Unproven();
    this.#unproven.set(session, unproven);
    return unproven;
  }

  add(stream: Resumable): void {
    this.#live.add(stream);
    if (this.#isOver) queueMicrotask(() => stream.giveUp());
  }

  forget(stream: Resumable): void {
    if (!this.#live.delete(stream)) return;
    this.#moves += stream.endpoint.moves;
    this.#resent += stream.endpoint.resent;
  }

  /** Whether somebody has written what is yet to come to us. */
  get isBusy(): boolean {
    return [...this.#live].some(({ cell }) => cell.isBusy);
  }

  /** Asks the session whether it lives: once a second, however many streams wait for it. */
  ask(): void {
    const at = performance.now();
    if (at < this.#asked + ASK_MS) return;
    this.#asked = at;
    this.session.probe();
  }

  /** A session is up. */
  up(session: Session): void {
    for (const stream of this.#live) stream.up(session);
  }

  /** The page or its network is back. */
  wake(): void {
    for (const stream of this.#live) stream.wake();
    this.#direct?.then((direct) => direct.wake(), ignore);
  }

  /** What makes direct connections: loaded when it is first needed, and again where it could not be. */
  direct(): Promise<Direct> {
    this.#direct ??= import("../direct/direct.ts").then(
      ({ create }) => create(this, { Session, welcome, prove }),
      (error) => {
        this.#direct = undefined;
        throw error;
      },
    );
    return this.#direct;
  }

  /** Nothing comes any more: all end, and say so where they can. */
  giveUp(): void {
    this.#isOver = true;
    for (const stream of this.#live) stream.giveUp();
    this.#direct?.then((direct) => direct.leave(), ignore);
  }

  stats(): { moves: number; resent: number } {
    const sum = (of: "moves" | "resent", ended: number) =>
      Array.from(this.#live, ({ endpoint }) => endpoint[of]).reduce((sum, more) => sum + more, ended);
    return { moves: sum("moves", this.#moves), resent: sum("resent", this.#resent) };
  }
}

/** Whoever wanted it was told. */
function ignore(): void {}
