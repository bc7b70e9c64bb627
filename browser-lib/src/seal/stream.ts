// What both ends of a sealed stream make of its handshake.

import type { Seal } from "../resume/proof.ts";
import { type Agreed, derive } from "./noise.ts";
import { type Bytes, concat, type Primitives } from "./primitives.ts";
import { Cutter, framed, Numbered } from "./records.ts";
import type { Directions } from "./sealing.ts";

export const VERSION = 1;

/** What a handshake is bound to: this protocol, the stream and the name. */
export function prologue(stream: Bytes, name: string): Bytes {
  const utf8 = new TextEncoder();
  return concat(utf8.encode("bss-seal-1\0"), stream, utf8.encode(name));
}

export async function directions(
  primitives: Primitives,
  { client, server }: Agreed,
  role: "client" | "server",
): Promise<Directions> {
  const [ofClient, ofServer] = await Promise.all([
    Numbered.under(primitives, client),
    Numbered.under(primitives, server),
  ]);
  return role === "client" ? { out: ofClient, in: ofServer } : { out: ofServer, in: ofClient };
}

/** What later carriers prove, and signals are sealed with. */
export function secretOf(primitives: Primitives, { client, server, hash }: Agreed): Promise<Bytes> {
  return derive(primitives, concat(client, server), hash, "bss-seal-1 resume");
}

/** Seals what is said of direct connections. */
export function signals(primitives: Primitives): Seal["signals"] {
  return async (secret, nonces, role) => {
    const under = async (side: string) =>
      Numbered.under(primitives, await derive(primitives, secret, nonces, `bss-seal-1 signals ${side}`));
    const [ofClient, ofServer] = await Promise.all([under("client"), under("server")]);
    const [out, into] = role === "client" ? [ofClient, ofServer] : [ofServer, ofClient];
    const cutter = new Cutter();
    return {
      seal: async (note) => framed(await out.seal(note)),
      open: async (bytes) => {
        const notes: Promise<Bytes>[] = [];
        for (let rest = bytes; rest.length > 0; ) {
          const { used, record } = cutter.push(rest);
          rest = rest.subarray(used);
          if (record) notes.push(into.open(record));
        }
        return Promise.all(notes);
      },
    };
  };
}
