// One at a time, in all pages of an origin.

export class Lock {
  readonly #name: string;
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.#name = name;
  }

  /** Acts when nobody else does; where the platform has no Web Locks, nobody else in this page. */
  hold<T>(act: () => Promise<T>): Promise<T> {
    const locks = globalThis.navigator?.locks;
    if (locks) return locks.request(this.#name, act) as Promise<T>;
    const acted = this.#last.then(act, act);
    this.#last = acted.catch(() => {});
    return acted;
  }
}
