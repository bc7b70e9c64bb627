// How much may be handed to the transport ahead of the peer's pongs: it must neither run dry nor pile up where it is out of our hands.

/**
 * So many pings cover the allowance: with one, everything would stand until it is answered. Each costs a page a message that comes in, so they are no
 * more; on a long way they are, since what left behind the last one is told of late.
 */
const PINGS = 4;
const PINGS_FAR = 16;
const PING_EVERY_MIN = 64 * 1024;
const ALLOWANCE_MIN = 256 * 1024;
const ALLOWANCE_MAX = 4 * 1024 * 1024;

/**
 * A ping that took no longer than this waited behind nothing that anybody would notice, however short the others were: at the speed of a page
 * (120 MiB/s) twice the minimum is reached with less under way than keeps the line busy until the next pong, and a page that is busy (it hashes what
 * it sends, say) answers to its pongs later than an idle one did.
 */
const UNNOTICED_MS = 50;

interface Mark {
  readonly token: number;
  readonly sent: number;
  readonly at: number;
}

/** Counts what was sent and what a pong said has arrived (PROTOCOL.md, section 6). No timer: a page in the background has none. */
export class Drain {
  #sent = 0;
  #arrived = 0;
  #marked = 0;
  #allowance = ALLOWANCE_MIN;
  /** The least that a ping took. */
  #least = Number.POSITIVE_INFINITY;
  /** What was sent when the allowance changed last: earlier pings know nothing of that. */
  #changed = 0;
  #marks: Mark[] = [];

  get sent(): number {
    return this.#sent;
  }

  get allowance(): number {
    return this.#allowance;
  }

  /** Whether more data may be sent now. */
  get isOpen(): boolean {
    return this.#sent - this.#arrived < this.#allowance;
  }

  /** Whether pongs may be sent now: they wait for no allowance, and a peer may ask for any number and acknowledge nothing. */
  get takesPongs(): boolean {
    return this.#sent - this.#arrived < 2 * ALLOWANCE_MAX;
  }

  /** Whether a ping is due behind what was sent: look after every pong, too, which may have made the allowance less. */
  get isPingDue(): boolean {
    const pings = this.#least < UNNOTICED_MS ? PINGS : PINGS_FAR;
    return this.#sent - this.#marked >= Math.max(PING_EVERY_MIN, this.#allowance / pings);
  }

  /** Bytes were sent; whether a ping is due behind them. */
  add(bytes: number): boolean {
    this.#sent += bytes;
    return this.isPingDue;
  }

  /** A ping was queued behind what was sent. */
  mark(token: number, now: number): void {
    this.#marked = this.#sent;
    this.#marks.push({ token, sent: this.#sent, at: now });
  }

  /** A pong came. While pings come back about as fast as ever, nothing piles up and more may be under way. */
  pong(token: number, now: number): void {
    const mark = this.#marks[0];
    if (mark?.token !== token) return;
    this.#marks.shift();
    this.#arrived = mark.sent;
    // Clocks in pages may be as coarse as a millisecond.
    const time = Math.max(1, now - mark.at);
    this.#least = Math.min(this.#least, time);
    if (mark.sent < this.#changed) return;
    const before = this.#allowance;
    this.#allowance =
      time < Math.max(UNNOTICED_MS, 2 * this.#least)
        ? Math.min(ALLOWANCE_MAX, before * 2)
        : Math.max(ALLOWANCE_MIN, before / 2);
    // What it costs is told by a ping behind so much that it was used up.
    if (this.#allowance !== before) this.#changed = Math.max(this.#sent, this.#arrived + this.#allowance);
  }
}
