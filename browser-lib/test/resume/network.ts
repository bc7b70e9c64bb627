// Carriers that move bytes in both directions by themselves, and lose any suffix of them.

import type { Kind } from "../../src/resume/carrier.ts";
import { Decoder, type Payload } from "../../src/resume/decoder.ts";
import type { Newcomer, Pass } from "../../src/resume/newcomer.ts";
import type { Fact, Reason } from "../../src/resume/record.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export type Side = 0 | 1;
export const CLIENT = 0;
export const SERVER = 1;
export const SIDES = [CLIENT, SERVER] as const;

/** One for each side. */
export type Both<T> = [T, T];

export function across(side: Side): Side {
  return side === CLIENT ? SERVER : CLIENT;
}

/** What moves over a carrier. */
export type Item =
  /** The client's open: of a birth with so many early bytes, or of a join. */
  | { readonly type: "open"; readonly birth: number | undefined }
  /** The server's reply to a birth open. */
  | { readonly type: "reply" }
  | { readonly type: "refused"; readonly reason: Reason }
  | { readonly type: "bytes"; readonly bytes: Bytes }
  /** It was finished, reset, or is known to be dead. */
  | { readonly type: "end" };

export interface Link {
  readonly id: number;
  readonly kind: Kind;
  readonly isBirth: boolean;
  /** On its way from this side to the other. */
  readonly pipes: Both<Item[]>;
  /** Nothing from this side gets through any more. */
  readonly isCut: Both<boolean>;
  /** This side holds its end of it. */
  readonly isOpen: Both<boolean>;
  /** At the server, until it says JOIN. */
  newcomer: { readonly core: Newcomer; readonly pass: Pass } | undefined;
  /** The types of the records that each side said on it, in order. */
  readonly said: Both<number[]>;
  /** Reads along what each side sends. */
  readonly taps: Both<Decoder>;
}

/** All carriers; `witness` is told of everything that a side puts out. */
export class Network {
  readonly links = new Map<number, Link>();
  readonly #witness: (side: Side, link: Link, said: Fact | Payload) => void;

  constructor(witness: (side: Side, link: Link, said: Fact | Payload) => void) {
    this.#witness = witness;
  }

  /** The id that the next carrier gets. */
  get upcoming(): number {
    return this.links.size + 1;
  }

  /** The carriers that a side holds on to. */
  get held(): Link[] {
    return [...this.links.values()].filter(({ isOpen }) => isOpen.includes(true));
  }

  open(kind: Kind, birth: number | undefined): number {
    const id = this.upcoming;
    this.links.set(id, {
      id,
      kind,
      isBirth: birth !== undefined,
      pipes: [[{ type: "open", birth }], []],
      isCut: [false, false],
      isOpen: [true, false],
      newcomer: undefined,
      said: [[], []],
      taps: [new Decoder(birth), new Decoder()],
    });
    return id;
  }

  send(id: number, side: Side, item: Item): void {
    const link = this.links.get(id);
    if (!link) return;
    if (item.type === "bytes") {
      const tap = link.taps[side];
      tap.rest = item.bytes;
      for (let said = tap.next(); said; said = tap.next()) {
        this.#witness(side, link, said);
        link.said[side].push(said.type);
      }
    }
    if (!link.isCut[side]) link.pipes[side].push(item);
  }

  /** Bytes that wait on a carrier from this side. */
  queued(id: number, side: Side): number {
    const items = this.links.get(id)?.pipes[side] ?? [];
    return items.reduce((sum, item) => sum + (item.type === "bytes" ? item.bytes.length : 0), 0);
  }

  /** The next item that this side receives, of bytes at most `most`; nothing if it let go of the carrier. */
  receive(id: number, side: Side, most: number): Item | undefined {
    const link = this.links.get(id);
    const pipe = link?.pipes[across(side)];
    let item = pipe?.shift();
    if (!link || !pipe || !item) return undefined;
    if (item.type === "bytes" && item.bytes.length > most) {
      pipe.unshift({ type: "bytes", bytes: item.bytes.subarray(most) });
      item = { type: "bytes", bytes: item.bytes.subarray(0, most) };
    }
    if (side === SERVER && item.type === "open") link.isOpen[SERVER] = true;
    // A mux stream that one side closed is closed for the other: what it still sends goes nowhere.
    if (item.type === "end" && link.isOpen[side]) link.isCut[side] = true;
    return link.isOpen[side] ? item : undefined;
  }

  /** This side lets go of its end. */
  close(id: number, side: Side): void {
    this.send(id, side, { type: "end" });
    const link = this.links.get(id);
    if (!link) return;
    link.isOpen[side] = false;
    link.isCut[side] = true;
    if (side === CLIENT) return;
    link.newcomer?.pass.free();
    link.newcomer = undefined;
  }

  /** Keeps so many of the items and bytes that each side has on their way, loses the rest and all that follows. Who is `told` learns of it behind them. */
  cut(id: number, keep: Readonly<Both<number>>, isTold: boolean): void {
    const link = this.links.get(id);
    if (!link) return;
    for (const side of SIDES) {
      const kept: Item[] = [];
      let left = keep[side];
      for (const item of link.pipes[side]) {
        if (left === 0) break;
        if (item.type === "bytes") {
          const bytes = item.bytes.subarray(0, left);
          kept.push({ type: "bytes", bytes });
          left -= bytes.length;
        } else {
          kept.push(item);
          left--;
        }
      }
      if (isTold) kept.push({ type: "end" });
      link.pipes[side] = kept;
      link.isCut[side] = true;
    }
  }

  cutAll(isTold: boolean): void {
    for (const id of this.links.keys()) this.cut(id, [0, 0], isTold);
  }

  /** Whoever holds on to a carrier that is cut learns of it, as when its session is found dead. */
  tellCuts(): void {
    for (const { pipes, isCut, isOpen } of this.links.values()) {
      for (const side of SIDES) {
        if (isCut[across(side)] && isOpen[side]) pipes[across(side)].push({ type: "end" });
      }
    }
  }
}
