// A proxy that reads, alters, drops, replays, re-routes and cuts what it carries, and answers in others' place: it gets nothing, and is found out.

import { describe, expect, it } from "vitest";
import { FrameReader } from "../src/framing.ts";
import { type Stream, StreamServer } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { fromBase64, toBase64 } from "../src/seal/base64.ts";
import { SealKeys } from "../src/seal/index.ts";
import { Handshake } from "../src/seal/noise.ts";
import { framed } from "../src/seal/records.ts";
import { web } from "../src/seal/web.ts";
import { holdClock } from "./clock.ts";
import { collect, pattern, pour, settled } from "./joined.ts";
import { outcome } from "./peer.ts";
import { sealed } from "./sealed-serving.ts";
import { type Leg, passes, type Switch } from "./splice.ts";
import { type Bytes, type Records, Tamper } from "./tamper.ts";

holdClock();

/** Keys that an answer may say. */
interface Told {
  readonly key: string;
  readonly other: string;
}

const PLAIN = { resume: false };

const isClients = ({ first }: Leg) => String(first?.path).includes("/connect/");
const isServers = ({ twin }: Leg) => twin !== undefined && isClients(twin);
const flip = (bytes: Bytes, at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

/** Has it make something else of what an open to a server, or a reply to that, says. */
function onSaid(proxy: Switch, of: "open" | "reply", what: (said: JsonObject, leg: Leg) => JsonObject): void {
  proxy.says = (said, leg) => {
    const isOpen = String(said.path).includes("/connect/");
    const isReply = said.path === undefined && isServers(leg);
    return (of === "open" ? isOpen : isReply) ? what(said, leg) : said;
  };
}

const CHUNK = 32 * 1024;

describe("a proxy that", () => {
  it.each([PLAIN, {}])("reads finds nothing of what is said, in streams with %j", async (how) => {
    const { proxy, connect } = await sealed(how);
    const seen: Buffer[] = [];
    proxy.passes = (bytes) => {
      seen.push(Buffer.from(bytes));
      return bytes;
    };
    const { stream, far } = await connect({ ...how, sealed: { meta: "the secret meta" } });
    const told = collect(far);
    stream.end("the secret text");
    await passes("all of it", () => told.end);
    expect([told.bytes().toString(), far.sealed?.meta]).toEqual(["the secret text", "the secret meta"]);
    expect(Buffer.concat(seen).toString("latin1") + JSON.stringify(proxy.opens)).not.toMatch(/secret (meta|text)/);
  });

  it("alters what a resumable stream carries is found out, whatever it resends", async () => {
    const { proxy, connect } = await sealed();
    const { stream, far } = await connect();
    const told = collect(far);
    let passed = 0;
    proxy.passes = (bytes, leg) => {
      if (!isClients(leg)) return bytes;
      passed += bytes.length;
      return passed > 300_000 ? flip(bytes as Bytes, bytes.length - 1) : bytes;
    };
    const sender = settled(stream.closed);
    void pour(stream, pattern(1000 * 1024)).catch(() => {});
    await passes("its end", () => told.end && sender.how);
    expect([told.end, sender.how]).toEqual(["tampered", "bad_request"]);
    expect(told.bytes().equals(pattern(1000 * 1024).subarray(0, told.length))).toBe(true);
  });
});

const ENDS = [
  { of: "a client", is: isClients },
  { of: "a server", is: isServers },
];

describe.each(ENDS.flatMap((end) => [PLAIN, {}].map((how) => ({ ...end, how }))))(
  "a proxy that does something with the records of $of, in streams with $how, and",
  ({ is, how }) => {
    const resumes = how !== PLAIN;
    /** Who says something, and who hears what becomes of it. */
    const sides = ({ stream, far }: { stream: Stream; far: Stream }) =>
      (is === isClients ? [stream, far] : [far, stream]) as [Stream, Stream];

    /** What one end says comes to the other over a proxy that does this with the records. */
    async function over(what: Records) {
      const joined = await sealed(how);
      const tamper = new Tamper(joined.proxy, resumes, is, what);
      const [from, to] = sides(await joined.connect(how));
      return { ...joined, tamper, from, to, told: collect(to), sender: settled(from.closed) };
    }

    it("leaves them as they are is no matter", async () => {
      const { from, told } = await over((record) => [record]);
      void pour(from, pattern(6 * CHUNK), CHUNK);
      await passes("its end", () => told.end);
      expect([told.end, told.bytes().equals(pattern(6 * CHUNK))]).toEqual(["ok", true]);
    });

    const attacks: [string, Records, number?][] = [
      ["alters the bytes of one", (record, number) => [number === 2 ? flip(record, 100) : record]],
      ["alters the tag of one", (record, number) => [number === 2 ? flip(record, record.length - 1) : record]],
      ["alters the length of one", (record, number) => [number === 2 ? flip(record, 1) : record]],
      ["drops one", (record, number) => (number === 2 ? [] : [record])],
      ["replays one", (record, number) => (number === 2 ? [record, record] : [record]), 3],
      ["adds one", (record, number) => (number === 2 ? [framed(new Uint8Array(16)), record] : [record])],
    ];
    it.each(attacks)("%s is found out, and what came before it stands", async (_, what, left = 2) => {
      const { from, told, sender } = await over(what);
      void pour(from, pattern(6 * CHUNK), CHUNK).catch(() => {});
      await passes("its end", () => told.end && sender.how);
      expect([told.end, sender.how]).toEqual(["tampered", "bad_request"]);
      expect(told.bytes().equals(pattern(6 * CHUNK).subarray(0, left * CHUNK))).toBe(true);
    });

    it("exchanges two is found out", async () => {
      let held: Bytes | undefined;
      const { from, told } = await over((record, number) => {
        if (number === 1) held = record;
        return number === 1 ? [] : number === 2 ? [record, held as Bytes] : [record];
      });
      void pour(from, pattern(6 * CHUNK), CHUNK).catch(() => {});
      await passes("its end", () => told.end);
      expect([told.end, told.length]).toEqual(["tampered", CHUNK]);
    });

    it("splices one of another stream in is found out", async () => {
      const stolen: { record: Bytes; leg: Leg }[] = [];
      const { from, told, connect } = await over((record, _, leg) => {
        if (stolen.length === 0) stolen.push({ record, leg });
        return stolen[0]?.leg === leg ? [] : [stolen[0]?.record as Bytes];
      });
      const [victim, to] = sides(await connect(how));
      const robbed = collect(to);
      from.write("mine");
      await passes("something to steal", () => stolen.length > 0);
      victim.write("mine");
      await passes("the other's end", () => robbed.end);
      expect([robbed.end, robbed.length, told.length]).toEqual(["tampered", 0, 0]);
    });

    it("sends one back to who sealed it is found out", async () => {
      const { tamper, from } = await over((record, _, leg) => {
        tamper.inject(leg, record);
        return [];
      });
      const told = collect(from);
      from.write("to the other end");
      await passes("its end", () => told.end);
      expect([told.end, told.length]).toEqual(["tampered", 0]);
    });

    it.each([0, 1, 3])("cuts the stream short behind %i of them is found out: its end is none", async (left) => {
      const { from, told } = await over((record, number) => (number < left ? [record] : []));
      void pour(from, pattern(3 * CHUNK), CHUNK).catch(() => {});
      await passes("its end", () => told.end);
      expect([told.end, told.length]).toEqual(["tampered", left * CHUNK]);
    });

    it("adds something behind the end is found out", async () => {
      const { from, told } = await over((record) =>
        record.length === 18 ? [record, framed(new Uint8Array(20))] : [record],
      );
      from.end("all of it");
      await passes("its end", () => told.end);
      expect(told.end).toBe("tampered");
    });

    if (!resumes) return;

    it("takes a record that it altered along to the next connection is found out there", async () => {
      const { proxy, from, told, sender } = await over((record) => [record]);
      void pour(from, pattern(40 * CHUNK), CHUNK).catch(() => {});
      await passes("some", () => told.length > 4 * CHUNK);
      const whole = told.length;
      proxy.passes = (bytes, leg) => (is(leg) && bytes.length > CHUNK ? flip(bytes as Bytes, CHUNK) : bytes);
      proxy.line("page").cut();
      await passes("its end", () => told.end && sender.how);
      expect([told.end, sender.how]).toEqual(["tampered", "bad_request"]);
      expect(told.length).toBeGreaterThanOrEqual(whole);
      expect(told.bytes().equals(pattern(40 * CHUNK).subarray(0, told.length))).toBe(true);
    });
  },
);

describe.each([PLAIN, {}])("of streams with %j, a proxy that", (how) => {
  it("takes the seal off an open gets a server that refuses it", async () => {
    const { proxy, client, address, served } = await sealed(how);
    onSaid(proxy, "open", ({ seal: _, need: __, ...said }) => ({ ...said, resume: undefined }));
    const stream = client.connect(address, how);
    stream.write("a secret");
    expect(await outcome(stream.opened)).toBe("forbidden");
    expect(served).toEqual([]);
  });

  it("takes the seal off an answer is found out before anything is said", async () => {
    const { proxy, client, address } = await sealed(how);
    const seen = listen(proxy);
    onSaid(proxy, "reply", ({ seal: _, ...said }) => said);
    const stream = client.connect(address, how);
    stream.write("a secret");
    expect(await outcome(stream.opened)).toBe("tampered");
    expect(seen.clients).toBe(0);
  });

  it("answers in the server's place, in the clear, is found out", async () => {
    const { proxy, tab, client, address, server } = await sealed(how);
    const seen = listen(proxy);
    await server.end();
    const heard: Stream[] = [];
    await StreamServer(tab, (stream) => heard.push(stream)).listen("NAME").listening;
    onSaid(proxy, "open", ({ seal: _, need: __, resume: ___, ...said }) => said);
    const stream = client.connect(address, how);
    stream.write("a secret");
    expect(await outcome(stream.opened)).toBe("tampered");
    expect(seen.clients).toBe(0);
  });

  it("says that it has another key is not believed", async () => {
    const { proxy, client, address } = await sealed(how);
    const seen = listen(proxy);
    const { publicKey } = await SealKeys.generate();
    onSaid(proxy, "reply", (said) => ({ ...said, seal: { v: 1, key: publicKey } }));
    const stream = client.connect(address, how);
    stream.write("a secret");
    const error = await stream.opened.catch((error) => error);
    expect([error.code, error.detail]).toEqual(["key_changed", expect.stringContaining(publicKey)]);
    expect(seen.clients).toBe(0);
  });

  it.each([
    ["the server's key", (seal: object, { key }: Told) => ({ ...seal, key })],
    ["another key", (seal: object, { other }: Told) => ({ ...seal, key: other })],
    ["what is no key", (seal: object) => ({ ...seal, key: 7 })],
    ["another version", (seal: object) => ({ ...seal, v: 2 })],
    ["another version, and another key alone", (_: object, { other }: Told) => ({ v: 2, key: other })],
  ])("has the answer say %s is found out", async (_, alter) => {
    const { proxy, client, address } = await sealed(how);
    const seen = listen(proxy);
    const told = { key: address.split("#")[1] as string, other: (await SealKeys.generate()).publicKey };
    onSaid(proxy, "reply", (said) => ({ ...said, seal: alter(said.seal as object, told) }));
    const stream = client.connect(address, how);
    stream.write("a secret");
    expect(await outcome(stream.opened)).toBe("tampered");
    expect(seen.clients).toBe(0);
  });

  it("shakes hands with its own key is found out", async () => {
    const { proxy, client, address } = await sealed(how);
    const seen = listen(proxy);
    const keys = (await SealKeys.generate()).pair;
    const forge = await Handshake.begin(web, {
      pattern: "NK",
      role: "server",
      keys,
      server: keys.public,
      prologue: new Uint8Array(0),
    });
    const open = await Handshake.begin(web, {
      pattern: "NK",
      role: "client",
      server: keys.public,
      prologue: new Uint8Array(0),
    });
    await forge.read(await open.write(new Uint8Array(0)));
    const message = toBase64(await forge.write(new Uint8Array(0)));
    onSaid(proxy, "reply", (said) => ({ ...said, seal: { v: 1, message } }));
    const stream = client.connect(address, how);
    stream.write("a secret");
    expect(await outcome(stream.opened)).toBe("tampered");
    expect(seen.clients).toBe(0);
  });

  it("alters the message of an open is found out, and nobody hears of the client", async () => {
    const { proxy, client, address, served } = await sealed(how);
    onSaid(proxy, "open", (said) => {
      const seal = said.seal as { message: string };
      return { ...said, seal: { ...seal, message: toBase64(flip(fromBase64(seal.message) as Bytes, 40)) } };
    });
    expect(await outcome(client.connect(address, how).opened)).toBe("tampered");
    expect(served).toEqual([]);
  });

  it("gives one stream the answer of another is found out", async () => {
    const { proxy, client, address } = await sealed(how);
    const seals: unknown[] = [];
    onSaid(proxy, "reply", (said) => {
      seals.push(said.seal);
      return { ...said, seal: seals[0] };
    });
    await client.connect(address, how).opened;
    expect(await outcome(client.connect(address, how).opened)).toBe("tampered");
  });

  it("brings a client to another name of the same keys is found out", async () => {
    const keys = await SealKeys.generate();
    const { proxy, tab, client } = await sealed({ ...how, sealed: keys });
    const other: Stream[] = [];
    await StreamServer(tab, { ...how, sealed: keys }, (stream) => other.push(stream)).listen("OTHER").listening;
    onSaid(proxy, "open", (said) => ({ ...said, path: String(said.path).replace("NAME", "OTHER") }));
    expect(await outcome(client.connect(keys.address("NAME"), how).opened)).toBe("tampered");
    expect(other).toEqual([]);
  });

  it("replays an open gets ciphertext, and nothing that it says is taken", async () => {
    const { proxy, connect, served } = await sealed(how);
    await connect(how);
    const [open] = proxy.opens.slice(-1) as [JsonObject];
    // Another stream of the server's, unless that holds the first: an id that is fresh makes the message another stream's.
    const reader = new FrameReader(9 * 1024);
    let answer: JsonObject | undefined;
    const heard: number[] = [];
    const leg = proxy.line("tab").open({ ...open, path: "/browser-server/accept/NAME", id: "replayed", peer: {} });
    leg.take = (bytes) => {
      if (!answer) answer = reader.push(bytes).value;
      else heard.push(bytes.length);
    };
    await passes("an answer", () => answer);
    const isSame = !("resume" in how);
    expect(served.length).toBe(isSame ? 1 : 2);
    const far = served.at(-1) as Stream;
    const told = collect(far);
    far.write("for the client");
    leg.send(isSame ? Uint8Array.of(1, 0, 18, ...framed(new Uint8Array(16))) : framed(new Uint8Array(16)));
    await passes("its end", () => told.end);
    expect([told.end, told.length]).toEqual(["tampered", 0]);
  });
});

it("a_proxy_that_answers_a_client_without_a_key_is_remembered_by_none_but_its_own", async () => {
  const { proxy, client } = await sealed();
  const evil = await SealKeys.generate();
  onSaid(proxy, "reply", (said) => ({ ...said, seal: { v: 1, key: evil.publicKey } }));
  const known = new Map<string, string>();
  const pins = {
    get: (server: string) => known.get(server),
    set: (server: string, key: string) => known.set(server, key),
  };
  // It cannot show that the server has that key.
  expect(await outcome(client.connect("NAME", { sealed: { pins } }).opened)).toBe("tampered");
  expect([...known]).toEqual([]);
});

/** How much a proxy hears of what clients say behind their opens. */
function listen(proxy: Switch) {
  const heard = { clients: 0 };
  proxy.passes = (bytes, leg) => {
    if (isClients(leg)) heard.clients += bytes.length;
    return bytes;
  };
  return heard;
}
