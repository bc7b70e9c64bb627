// What names a resumable stream, what only its two ends know, and how they prove it to each other (RESUME.md, sections 1 and 6).

import type { Cell } from "../cell.ts";
import type { StreamError } from "../error.ts";
import type { JsonObject } from "../json.ts";
import { hmac } from "./sha256.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** All that a proof is made of except nonces. */
export interface Identity {
  /** 16 random bytes, fresh per stream. */
  readonly id: Bytes;
  /** 32 bytes that only the two ends know: random, or of a sealed stream's handshake, when its client has the answer. */
  secret: Bytes;
  /** The server's name: the client's, the one it connected to; the server's, the one under which the stream was opened. */
  readonly name: string;
  /** Of a sealed stream. */
  seal?: Seal | undefined;
}

/** What a sealed stream has besides. */
export interface Seal {
  /** Seals what the two ends say of direct connections, under the secret and both nonces. */
  readonly signals: (secret: Bytes, nonces: Bytes, role: "client" | "server") => Promise<Notes>;
  /** Server: the answer to the open, however often that comes, and the hash of the message in it. */
  readonly reply?: object;
  readonly digest?: Bytes;
  /** Client: the beginning. */
  readonly client?: SealedBirth;
}

/** Seals and opens notes, each in its order. */
export interface Notes {
  seal(note: Bytes): Promise<Bytes>;
  /** Those that are whole with these bytes; rejects where one is not the other end's. */
  open(bytes: Bytes): Promise<Bytes[]>;
}

/** How a client begins a sealed stream. */
export interface SealedBirth {
  /** Of its open. */
  readonly fields: object;
  /** Why a reply can be none to that. */
  refusal(reply: JsonObject): StreamError | undefined;
  /** Calls `accept`, later, if the reply is the server's; whether that took it. What comes on the carrier meanwhile waits. */
  answered(carrier: Cell, reply: JsonObject, accept: () => boolean): void;
}

/** A question of an endpoint to its shell: both macs of one carrier's handshake. */
export interface MacRequest {
  readonly carrier: number;
  readonly identity: Identity;
  /** The nonces of JOIN and PROVE. */
  readonly client: Bytes;
  readonly server: Bytes;
  /** What is proven, if it is not for a carrier. */
  readonly label?: string;
}

/** Both proofs of one carrier: PROVE's and PROOF's. */
export interface Macs {
  readonly server: Bytes;
  readonly client: Bytes;
}

/** Computes both. */
export async function prove({ identity, client, server, label = "bss-resume-1" }: MacRequest): Promise<Macs> {
  const mac = (side: string) => {
    const first = new TextEncoder().encode(`${label} ${side}`);
    const message = [first, identity.id, client, server, new TextEncoder().encode(identity.name)];
    return hmac(identity.secret, Uint8Array.from(message.flatMap((part) => [...part])));
  };
  const [ofServer, ofClient] = await Promise.all([mac("server"), mac("client")]);
  return { server: ofServer, client: ofClient };
}

/** Compares in a time that tells nothing of where they differ. */
export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (const [at, byte] of one.entries()) difference |= byte ^ (other[at] ?? 0);
  return difference === 0;
}
