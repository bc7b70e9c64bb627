// The stream over the proxy on which two ends agree on a direct connection: who opens it names a stream that it has there, and both prove that they know its secret.

import { frame, readNotes } from "../framing.ts";
import { fromHex, randomBytes, toHex } from "../hex.ts";
import type { JsonObject } from "../json.ts";
import type { Opening } from "../opening.ts";
import type { Kit } from "../resumable/direct.ts";
import type { Identity } from "../resume/proof.ts";
import type { Session } from "../session.ts";
import type { Stream } from "../stream.ts";
import { overSealed } from "./sealed-signals.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Proofs of signals prove nothing for carriers, and the other way round. */
const LABEL = "bss-direct-1";
export const VERSION = 1;

/** What the other side says, as it comes; resolves when it has ended, rejects when it was reset or lost. */
export type Hear = (listen: (note: string, value: unknown) => void) => Promise<void>;

/** An exchange whose ends have proven themselves. */
export interface Signals {
  say(note: string, value: unknown): void;
  hear: Hear;
  /** Says no more: addresses that are found later are left out. */
  end(): void;
  abort(): void;
}

/** Client: opens one to the server of a stream. Rejects where that is not there, does not want to, or is another. */
export async function ask(session: Session, kit: Kit, path: string, identity: Identity): Promise<Signals> {
  const client = randomBytes(16);
  let reply: JsonObject = {};
  const stream = session.open({
    path,
    fields: { resume: { v: VERSION, signal: toHex(identity.id), nonce: toHex(client) } },
    replied: (said) => {
      reply = said;
    },
  });
  await stream.opened;
  const { v, nonce, mac } = (reply.resume ?? {}) as { v?: unknown; nonce?: unknown; mac?: unknown };
  const server = v === VERSION ? fromHex(nonce, 16) : undefined;
  const macs = server && (await kit.prove({ carrier: 0, identity, client, server, label: LABEL }));
  if (!macs || mac !== toHex(macs.server)) {
    stream.reset();
    throw new TypeError("the server is another");
  }
  const said = toHex(macs.client);
  const notes = await sealed(identity, client, server, "client");
  if (notes) return overSealed(stream, notes, { said });
  const signals = over(stream);
  signals.say("proof", said);
  return signals;
}

/** Server: answers a client of a stream. What it says before it has proven itself goes nowhere. */
export async function answer(kit: Kit, opening: Opening, identity: Identity, client: Bytes): Promise<Signals> {
  const server = randomBytes(16);
  const macs = await kit.prove({ carrier: 0, identity, client, server, label: LABEL });
  const proof = toHex(macs.client);
  const reply = { resume: { v: VERSION, nonce: toHex(server), mac: toHex(macs.server) } };
  const notes = await sealed(identity, client, server, "server");
  const stream = opening.accept({}, reply);
  if (notes) return overSealed(stream, notes, { heard: proof });
  const signals = over(stream);
  let isProven = false;
  return {
    ...signals,
    hear: (listen) =>
      signals.hear((note, value) => {
        if (isProven) listen(note, value);
        else if (note === "proof" && value === proof) isProven = true;
        else signals.abort();
      }),
  };
}

/** What seals the signals of a sealed stream. */
async function sealed({ seal, secret }: Identity, client: Bytes, server: Bytes, role: "client" | "server") {
  return seal?.signals(secret, Uint8Array.of(...client, ...server), role);
}

function over(stream: Stream): Signals {
  const writer = stream.writable.getWriter();
  let isOver = false;
  // Whether anybody hears it shows in whether there is a connection.
  const ignore = () => {};
  return {
    say(note, value) {
      if (!isOver) writer.write(frame({ note, value })).catch(ignore);
    },
    hear: (listen) => readNotes(stream.readable, listen),
    end() {
      if (!isOver) writer.close().catch(ignore);
      isOver = true;
    },
    abort: () => stream.reset(),
  };
}
