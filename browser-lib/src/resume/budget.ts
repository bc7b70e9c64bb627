// What all streams of a page may hold together beyond their first windows.

/** Bytes that the windows and replay buffers of a page's streams may grow by together. */
export class Budget {
  left: number;

  constructor(bytes: number = 64 * 1024 * 1024) {
    this.left = bytes;
  }
}

/** What one stream holds of the budget in one direction. */
export class Share {
  readonly #budget: Budget;
  #taken = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Whether that many are left. */
  has(bytes: number): boolean {
    return bytes <= this.#budget.left;
  }

  /** Takes all of `bytes` or nothing. */
  take(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#budget.left -= bytes;
    this.#taken += bytes;
    return true;
  }

  giveBack(): void {
    this.#budget.left += this.#taken;
    this.#taken = 0;
  }
}
