// The handshake and the records, with the platform's primitives and with the libraries'.

import { describe, expect, it } from "vitest";
import { fromBase64, toBase64 } from "../src/seal/base64.ts";
import { SealKeys } from "../src/seal/keys.ts";
import { noble } from "../src/seal/noble.ts";
import { derive, Handshake, type PatternName } from "../src/seal/noise.ts";
import { type Bytes, concat, type KeyPair, type Primitives } from "../src/seal/primitives.ts";
import { Cutter, framed, Numbered } from "../src/seal/records.ts";
import { signals } from "../src/seal/stream.ts";
import { web, webCipher } from "../src/seal/web.ts";
import { parse } from "../src/sealed.ts";
import { fromHex, toHex, vectors } from "./vectors.ts";

interface Pair {
  public: string;
  secret: string;
}

interface Vector {
  name: string;
  meta: string;
  prologue: string;
  server: Pair;
  client?: Pair;
  client_ephemeral: string;
  server_ephemeral: string;
  message_1: string;
  message_2: string;
  hash: string;
  client_key: string;
  server_key: string;
  resume_secret: string;
  open: { message: string; pattern: PatternName };
  reply: { message: string };
}

/** What one side says of direct connections. */
interface Said {
  key: string;
  notes: { note: string; framed: string }[];
}

interface Vectors {
  signals: { secret: string; client_nonce: string; server_nonce: string; client: Said; server: Said };
  addresses: { address: string; name: string | null; key: string | null }[];
  keys: { key: string; public: string; secret: string; text: string }[];
  handshakes: Vector[];
  directions: {
    name: string;
    key: string;
    records_per_key: number;
    records: { plain?: string; zeros?: number; record?: string; length?: number; sha256?: string }[];
  }[];
  refused_directions: { key: string; directions: { name: string; bytes: string }[] };
  refused_messages: Vector & {
    first: { name: string; message_1: string }[];
    second: { name: string; message_2: string }[];
  };
}

const {
  addresses,
  signals: said,
  keys,
  handshakes,
  directions,
  refused_directions,
  refused_messages,
} = vectors<Vectors>("seal");
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Both ends of a handshake. */
async function ends(primitives: Primitives, vector: Vector, pattern: PatternName) {
  const pair = (hex: string) => primitives.pair(fromHex(hex));
  const server = await pair(vector.server.secret);
  const common = { pattern, prologue: fromHex(vector.prologue), server: server.public };
  const own = vector.client && (await pair(vector.client.secret));
  const [a, b] = [
    await pair(vector.client_ephemeral),
    vector.server_ephemeral && (await pair(vector.server_ephemeral)),
  ];
  const client = await Handshake.begin(primitives, { ...common, role: "client", keys: own, fresh: a });
  const fresh: KeyPair | undefined = b || undefined;
  const taken = () => Handshake.begin(primitives, { ...common, role: "server", keys: server, fresh });
  return { client, taken };
}

/** Reads a whole direction; throws where it is not what was sealed, or was cut short. */
async function read(primitives: Primitives, key: string, bytes: Bytes): Promise<Bytes[]> {
  const [cutter, numbered] = [new Cutter(), await Numbered.under(primitives, fromHex(key))];
  const all: Bytes[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { used, record } = cutter.push(bytes.subarray(at));
    at += used;
    if (record && all.at(-1)?.length === 0) throw new RangeError("something stands behind the end");
    if (record) all.push(await numbered.open(record));
    else if (at === bytes.length) throw new RangeError("cut short");
  }
  if (all.at(-1)?.length !== 0) throw new RangeError("no end");
  return all;
}

/** WebCrypto alone, as in a page. */
const page: Primitives = { ...web, cipher: webCipher };

describe.each([
  ["a page's", page],
  ["Node's", web],
  ["the libraries'", noble],
])("with %s primitives", (_, primitives) => {
  it.each(keys)("the public key of $text is $key", async ({ key, public: bytes, secret, text }) => {
    const pair = await primitives.pair(fromHex(secret));
    expect([toHex(pair.public), toBase64(pair.public)]).toEqual([bytes, key]);
    expect(toHex(await pair.secret())).toBe(secret);
    expect(await (await SealKeys.import(` ${text}\n`)).export()).toBe(text);
  });

  it.each(handshakes)("a handshake of $name says these bytes and ends in these keys", async (vector) => {
    const { client, taken } = await ends(primitives, vector, vector.open.pattern);
    const server = await taken();
    const first = await client.write(utf8(vector.meta));
    expect([toHex(first), toBase64(first)]).toEqual([vector.message_1, vector.open.message]);
    expect(new TextDecoder().decode(await server.read(first))).toBe(vector.meta);
    expect(server.client && toHex(server.client)).toBe(vector.client?.public);
    const second = await server.write(new Uint8Array(0));
    expect([toHex(second), toBase64(second)]).toEqual([vector.message_2, vector.reply.message]);
    expect((await client.fork().read(second)).length).toBe(0);
    expect((await client.read(second)).length).toBe(0);
    for (const end of [client, server]) {
      const { client, server, hash } = await end.split();
      expect([client, server, hash].map(toHex)).toEqual([vector.client_key, vector.server_key, vector.hash]);
      const secret = await derive(primitives, concat(client, server), hash, "bss-seal-1 resume");
      expect(toHex(secret)).toBe(vector.resume_secret);
    }
  });

  it.each(refused_messages.first)("a first message $name is refused", async ({ message_1 }) => {
    const { taken } = await ends(primitives, refused_messages, "NK");
    await expect((await taken()).read(fromHex(message_1))).rejects.toThrow();
  });

  it.each(refused_messages.second)("a second message $name is refused", async ({ message_2 }) => {
    const { client } = await ends(primitives, refused_messages, "NK");
    expect(toHex(await client.write(utf8(refused_messages.meta)))).toBe(refused_messages.message_1);
    await expect(client.read(fromHex(message_2))).rejects.toThrow();
  });

  it.each(directions)("records of $name are these, and are read, all at once", async (direction) => {
    const under = () => Numbered.under(primitives, fromHex(direction.key), direction.records_per_key);
    const [sealing, opening] = [await under(), await under()];
    const plains = direction.records.map(({ plain, zeros = 0 }) => (plain ? fromHex(plain) : new Uint8Array(zeros)));
    const sealed = await Promise.all(
      plains.map((plain) => {
        const bytes = plain.slice();
        const record = sealing.seal(bytes);
        bytes.fill(0xee);
        return record;
      }),
    );
    for (const [at, { record, length, sha256 }] of direction.records.entries()) {
      const bytes = framed(sealed[at] as Bytes);
      if (record !== undefined) expect(toHex(bytes)).toBe(record);
      else expect([bytes.length, toHex(await primitives.sha256(bytes))]).toEqual([length, sha256]);
    }
    const opened = await Promise.all(
      sealed.map((record) => {
        const bytes = record.slice();
        const plain = opening.open(bytes);
        bytes.fill(0xee);
        return plain;
      }),
    );
    expect(opened.map(toHex)).toEqual(plains.map(toHex));
  });

  it.each(refused_directions.directions)("a direction that is $name is refused", async ({ bytes }) => {
    await expect(read(primitives, refused_directions.key, fromHex(bytes))).rejects.toThrow();
  });
});

it("the private half of a handshake's own keys stays with the platform, and that of kept keys is exported", async () => {
  await expect((await web.generate()).secret()).rejects.toThrow();
  const kept = await web.generate(true);
  expect(toHex((await web.pair(await kept.secret())).public)).toBe(toHex(kept.public));
  const keys = await SealKeys.generate();
  expect((await SealKeys.import(await keys.export())).publicKey).toBe(keys.publicKey);
});

it("a direction is the same records, wherever it is cut", () => {
  const records = directions[0]?.records.map(({ record = "" }) => fromHex(record)) ?? [];
  const wire = concat(...records);
  for (let cut = 0; cut <= wire.length; cut++) {
    const [cutter, found] = [new Cutter(), [] as string[]];
    for (const part of [wire.subarray(0, cut), wire.subarray(cut)]) {
      for (let rest = part; rest.length > 0; ) {
        const { used, record } = cutter.push(rest);
        rest = rest.subarray(used);
        if (record) found.push(toHex(framed(record.slice())));
      }
    }
    expect(found, `cut at ${cut}`).toEqual(records.map(toHex));
  }
});

it.each([
  ["client", "server"],
  ["server", "client"],
] as const)("what a %s says of direct connections is these bytes, and only the %s reads it", async (mine, other) => {
  const under = (role: "client" | "server") =>
    signals(web)(fromHex(said.secret), concat(fromHex(said.client_nonce), fromHex(said.server_nonce)), role);
  const [from, to] = [await under(mine), await under(other)];
  const wire: Bytes[] = [];
  for (const { note, framed } of said[mine].notes) {
    const bytes = await from.seal(utf8(note));
    expect(toHex(bytes)).toBe(framed);
    wire.push(bytes);
  }
  const heard = await to.open(concat(...wire));
  expect(heard.map((note) => new TextDecoder().decode(note))).toEqual(said[mine].notes.map(({ note }) => note));
  await expect((await under(mine)).open(concat(...wire))).rejects.toThrow();
});

it.each(addresses)("$address has the name $name and the key $key", ({ address, name, key }) => {
  const [named, said] = parse(address);
  // What is no key is refused by whoever connects, listens or asks.
  const isRefused = said !== undefined && fromBase64(said, 32) === undefined;
  expect(isRefused ? [null, null] : [named, said ?? null]).toEqual([name, key]);
});

describe("text of bytes", () => {
  it.each(["A", "AB", "AAA=", "AA==", "A A", "é", "AAAA\n"])("%j is none", (text) => {
    expect(fromBase64(text)).toBeUndefined();
  });

  it("has one form, and a length where one is asked for", () => {
    expect(fromBase64("AA")).toEqual(Uint8Array.of(0));
    expect(fromBase64("AA", 2)).toBeUndefined();
    expect(fromBase64(toBase64(Uint8Array.of(251, 255, 191)))).toEqual(Uint8Array.of(251, 255, 191));
  });

  it.each(["", "bss-seal-secret-", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"])(
    "%j is no exported key",
    async (text) => {
      await expect(SealKeys.import(text)).rejects.toThrow(TypeError);
    },
  );
});
