// Where the pieces of a content came from.

/** Where a piece came from: a peer, directly or through the proxy; the origin; or it was there before. */
export type From = "direct" | "proxy" | "origin" | "kept";

/** Where the bytes of a fetch came from. */
export interface Sources {
  /** Bytes from peers: `direct` and `proxy` together. */
  readonly peers: number;
  readonly direct: number;
  readonly proxy: number;
  readonly origin: number;
  /** Bytes that were there before. */
  readonly kept: number;
  /** Bytes that came twice, or were not the content's. */
  readonly wasted: number;
  /** By piece of the content; `undefined` where it has not come, or is not wanted. */
  readonly pieces: (From | undefined)[];
  /** Bytes by the name of the peer. */
  readonly perPeer: Readonly<Record<string, number>>;
}

export class Ledger {
  readonly #from: (From | undefined)[] = [];
  readonly #peers: (string | undefined)[] = [];
  wasted = 0;

  enter(piece: number, from: From, peer?: string): void {
    this.#from[piece] = from;
    this.#peers[piece] = peer;
  }

  from(piece: number): From | undefined {
    return this.#from[piece];
  }

  /** Of these pieces, both included. */
  sources(first: number, last: number, lengthOf: (piece: number) => number): Sources {
    const sums = { direct: 0, proxy: 0, origin: 0, kept: 0 };
    const pieces: (From | undefined)[] = [];
    const perPeer: Record<string, number> = Object.create(null);
    for (let piece = 0; piece <= last; piece++) {
      const from = piece < first ? undefined : this.#from[piece];
      pieces.push(from);
      if (!from) continue;
      sums[from] += lengthOf(piece);
      const peer = this.#peers[piece];
      if (peer !== undefined) perPeer[peer] = (perPeer[peer] ?? 0) + lengthOf(piece);
    }
    return { ...sums, peers: sums.direct + sums.proxy, wasted: this.wasted, pieces, perPeer };
  }
}
