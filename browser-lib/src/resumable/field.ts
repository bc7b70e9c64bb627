// The `resume` field of opens and replies (RESUME.md, section 2).

import { StreamError } from "../error.ts";
import { fromHex, toHex } from "../hex.ts";
import type { Identity } from "../resume/proof.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The version that we speak; an open of another is a plain stream to us. */
export const VERSION = 1;
const U32_MAX = 0xffff_ffff;

/** A new stream: what its open says of it. */
export interface Birth {
  readonly id: Bytes;
  readonly secret: Bytes;
  /** Raw bytes behind the open. */
  readonly early: number;
  /** For how long the client will try to come back, in milliseconds. */
  readonly grace: number;
  /** The client can do with a direct connection. */
  readonly direct: boolean;
}

/** What a reply says that takes a birth up: the server's grace in milliseconds, and whether it can do with a direct connection. */
export interface Taken {
  readonly grace: number;
  readonly direct: boolean;
}

/** Of the open of each later carrier. */
export const JOIN = { v: VERSION, join: true };

/** Of the open that begins a stream. */
export function birth({ id, secret }: Identity, early: number, grace: number, direct: boolean): object {
  return {
    v: VERSION,
    id: toHex(id),
    // A sealed stream's comes of its handshake.
    secret: toHex(secret) || undefined,
    early,
    grace: seconds(grace),
    direct: direct || undefined,
  };
}

/** Of the reply to a birth, or without a grace to a join. */
export function taken(grace?: number, direct?: boolean): object {
  return { v: VERSION, grace: grace === undefined ? undefined : seconds(grace), direct: direct || undefined };
}

/** The new stream that an open asks for, or nothing that we know. Throws `bad_request` for what is not as it should be. */
export function read(resume: unknown): Birth | undefined {
  if (resume === undefined || resume === null) return undefined;
  const { v, join = false, ...rest } = resume as Record<string, unknown>;
  if (isWhole(v) && v !== VERSION) return undefined;
  const [id, secret] = [fromHex(rest.id, 16), fromHex(rest.secret, 32)];
  const { early, grace } = rest;
  const isRight = v === VERSION && join === false && isWhole(early) && early <= U32_MAX && isWhole(grace);
  if (!isRight || !id || !secret) throw new StreamError("bad_request", "resume is not what it should be");
  return { id, secret, early, grace: grace * 1000, direct: rest.direct === true };
}

/** What the server's reply says, if it takes up what we asked for. */
export function readTaken(resume: unknown): Taken | undefined {
  const { v, grace, direct } = (resume ?? {}) as Record<string, unknown>;
  return v === VERSION && isWhole(grace) ? { grace: grace * 1000, direct: direct === true } : undefined;
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
