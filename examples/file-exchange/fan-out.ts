// One upload for several receivers: the pieces of a file over a channel, at the speed of those who keep up.

import type { MuxDemux } from "browser-stream-server";
import { Channel, type Publication } from "browser-stream-server/channel";
import { sealedRecords } from "browser-stream-server/seal";
import { type Bytes, hex, Total } from "./digest.ts";
import { fromU64 } from "./exactly.ts";
import { pieces, Unreadable } from "./pieces.ts";
import { type Shared, type Transfer, Unshared } from "./transfer.ts";
import { PIECE } from "./wire.ts";

/** How far the sending is ahead of what receivers hold. The proxy lets a reader go that is more than 1 MiB behind. */
const AHEAD = 3 * PIECE;
/** How long the first receivers wait for the last to subscribe. */
const JOIN_MS = 3_000;
/** How long those who keep up wait for those who do not, in all: so long, and this part of the time that it takes. */
const PATIENCE_MS = 2_000;
const PATIENCE_PART = 1 / 4;

/** Opens a channel for a file that all of these wait for; nothing where the proxy has none. `shared` is for the transfers, and `run` sends. */
export async function fanOut(mdm: MuxDemux, name: string, members: Transfer[]): Promise<FanOut | undefined> {
  const publication = Channel(mdm).publish(name, { policy: "disconnect" });
  publication.closed.catch(() => {}); // Sending fails with the same.
  try {
    await publication.opened;
    return new FanOut(publication, name, members);
  } catch {
    return undefined;
  }
}

export class FanOut {
  readonly shared: Shared;
  /** What the pieces are sealed under: the streams, which are sealed, tell it. */
  readonly #key = crypto.getRandomValues(new Uint8Array(32));
  readonly #publication: Publication;
  readonly #members: Transfer[];
  readonly #total = new Total();
  readonly #begun = performance.now();
  #waited = 0;
  #ended = (_total: Bytes): void => {};
  #broke = (_error: unknown): void => {};

  constructor(publication: Publication, channel: string, members: Transfer[]) {
    this.#publication = publication;
    this.#members = members;
    const ended = new Promise<Bytes>((resolve, reject) => {
      this.#ended = resolve;
      this.#broke = reject;
    });
    ended.catch(() => {}); // Each transfer looks.
    this.shared = { channel, key: hex(this.#key), ended };
  }

  /** Sends the file. Resolves when all has left, or nobody is there any more. */
  async run(): Promise<void> {
    const [first] = this.#members;
    try {
      await this.#joined();
      const sealed = await sealedRecords(this.#key);
      let at = 0;
      for await (const { bytes, digest } of first ? pieces(first.offered, 0) : []) {
        await this.#keepPace(at);
        this.#total.add(digest);
        const message = new Uint8Array(await new Blob([fromU64(at), digest, bytes]).arrayBuffer());
        await this.#publication.send(await sealed.seal(message));
        at += bytes.length;
      }
      this.#ended(await this.#total.digest());
      await this.#publication.end();
    } catch (error) {
      this.#publication.reset();
      this.#broke(error instanceof Unreadable ? error : new Unshared());
    }
  }

  /** Resolves when all have subscribed, or have had the time to. */
  async #joined(): Promise<void> {
    const publication = this.#publication;
    const isThere = () => publication.readers >= this.#live().length;
    await new Promise<void>((resolve) => {
      const look = () => isThere() && resolve();
      publication.on("readers", look);
      setTimeout(resolve, JOIN_MS);
      look();
    });
  }

  /** Resolves when the piece from there on may go. */
  async #keepPace(at: number): Promise<void> {
    for (;;) {
      const live = this.#live();
      if (live.length === 0) throw new Unshared();
      const ready = live.filter(({ arrived }) => at - arrived < AHEAD);
      if (ready.length === live.length) return;
      // Where most are slow it is the file's speed, and nobody is let go.
      const isOwn = ready.length * 2 < live.length;
      const now = performance.now();
      const left = PATIENCE_MS + (now - this.#begun) * PATIENCE_PART - this.#waited;
      if (!isOwn && left <= 0) return;
      await Promise.race([...live.map((one) => one.moved()), ...(isOwn ? [] : [after(left)])]);
      if (!isOwn) this.#waited += performance.now() - now;
    }
  }

  #live(): Transfer[] {
    return this.#members.filter(({ isOver }) => !isOver);
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
