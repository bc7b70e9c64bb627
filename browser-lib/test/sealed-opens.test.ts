// What an open may say to a sealed server: nobody gets a plain stream there, whatever it says of resumption or of its seal.

import { describe, expect, it, vi } from "vitest";
import { FrameReader } from "../src/framing.ts";
import { StreamServer } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { toBase64 } from "../src/seal/base64.ts";
import { publicKey } from "../src/seal/keys.ts";
import { Handshake } from "../src/seal/noise.ts";
import { prologue } from "../src/seal/stream.ts";
import { web } from "../src/seal/web.ts";
import { holdClock } from "./clock.ts";
import { Rtc } from "./rtc.ts";
import { sealed } from "./sealed-serving.ts";
import { passes, type Switch } from "./splice.ts";

holdClock();

const hex = (bytes: number) => "ab".repeat(bytes);
const BIRTH = { id: hex(16), secret: hex(32), early: 0, grace: 10 };

/** What stands in `resume`; one more carrier (v 1) hears nothing of a stream, and anything else is refused. */
const ODD: [resume: unknown, says: string][] = [
  [undefined, "forbidden"],
  [null, "forbidden"],
  [7, "forbidden"],
  [true, "forbidden"],
  ["join", "forbidden"],
  [[], "forbidden"],
  [{}, "forbidden"],
  ...[0, 2, "1", null].flatMap((v): [unknown, string][] => [
    [{ v, join: true }, "forbidden"],
    [{ v, signal: 1 }, "forbidden"],
    [{ v, signal: hex(16), nonce: hex(16) }, "forbidden"],
    [{ v, join: true, signal: 1 }, "forbidden"],
    [{ v, ...BIRTH }, "forbidden"],
    [{ v, join: true, signal: 1, ...BIRTH }, "forbidden"],
  ]),
  [{ v: 1 }, "forbidden"],
  [{ v: 1, ...BIRTH }, "forbidden"],
  [{ v: 1, signal: 1 }, "forbidden"],
  [{ v: 1, signal: hex(16), nonce: hex(16) }, "forbidden"],
  [{ v: 1, signal: null, ...BIRTH }, "forbidden"],
  [{ v: 1, signal: 1, ...BIRTH }, "forbidden"],
  [{ v: 1, join: 1, ...BIRTH }, "forbidden"],
  [{ v: 1, join: true }, "carrier"],
  [{ v: 1, join: true, ...BIRTH }, "carrier"],
  [{ v: 1, join: true, signal: 1 }, "carrier"],
];

/** The answer to an open that the proxy makes up, to the server's page. */
async function answer(proxy: Switch, open: object): Promise<JsonObject> {
  const reader = new FrameReader(9 * 1024);
  let said: JsonObject | undefined;
  const leg = proxy.line("tab").open({ path: "/browser-server/accept/NAME", id: "odd", peer: {}, ...open });
  leg.take = (bytes) => {
    said ??= reader.push(bytes).value;
  };
  await passes("an answer", () => said);
  return said as JsonObject;
}

/** A first message to the server of this address, as an open says it. */
async function hello(address: string, meta: string | Uint8Array<ArrayBuffer>, id = new Uint8Array(16)) {
  const handshake = await Handshake.begin(web, {
    pattern: "NK",
    role: "client",
    server: publicKey(address.split("#")[1] as string),
    prologue: prologue(id, "NAME"),
  });
  const payload = typeof meta === "string" ? new TextEncoder().encode(meta) : meta;
  return { v: 1, pattern: "NK", message: toBase64(await handshake.write(payload)) };
}

const codeOf = ({ error, resume }: JsonObject) =>
  (error as { code: string } | undefined)?.code ??
  (resume && Object.keys(resume).join() === "v" ? "carrier" : "a stream");

describe.each([{}, { resume: false }])("a sealed server with %j", (how) => {
  it.each(ODD)("gives nothing to an open with resume %j: %s", async (resume, says) => {
    const { proxy, served, server } = await sealed(how);
    expect(codeOf(await answer(proxy, { resume }))).toBe(says);
    expect([served.length, server.clients]).toEqual([0, 0]);
  });
});

describe("a sealed server whose streams may go on over a direct connection", () => {
  it.each(ODD)(
    "gives nothing to an open with resume %j, and hears no signals but of a stream that is there",
    async (resume, says) => {
      new Rtc().install();
      const { proxy, page, tab, served, server } = await sealed({}, { direct: true });
      const { signal, nonce, v } = Object(resume);
      const heard = v === 1 && nonce ? "gone" : "bad_request";
      const isHeard = signal !== undefined && says !== "carrier";
      expect(codeOf(await answer(proxy, { resume }))).toBe(isHeard ? heard : says);
      expect([served.length, server.clients]).toEqual([0, 0]);
      for (const mdm of [page, tab]) mdm.close();
    },
  );
});

it.each([
  ["of another version", (resume: object) => ({ ...resume, v: 2 }), "forbidden"],
  ["of none", (resume: object) => ({ ...resume, v: undefined }), "bad_request"],
  ["of our own", (resume: object) => resume, "a stream"],
])("the open of a stream that lives, said again as one %s, is no other client", async (_, alter, says) => {
  const { proxy, connect, served, server } = await sealed();
  await connect();
  const [open] = proxy.opens.slice(-1) as [JsonObject];
  const said = await answer(proxy, {
    ...open,
    resume: alter(open.resume as object),
    path: "/browser-server/accept/NAME",
  });
  expect(codeOf(said)).toBe(says);
  expect([served.length, server.clients]).toEqual([1, 1]);
});

it("the open of a stream that lives is no client of a later server of the name, which resumes none", async () => {
  const { proxy, tab, connect, server } = await sealed();
  await connect();
  const [open] = proxy.opens.slice(-1) as [JsonObject];
  await server.end();
  const took = vi.fn();
  await StreamServer(tab, { sealed: true, resume: false }, took).listen("NAME").listening;
  expect(codeOf(await answer(proxy, { ...open, path: "/browser-server/accept/NAME" }))).toBe("forbidden");
  expect(took).not.toHaveBeenCalled();
});

describe("an open whose seal", () => {
  const good = (message: object) => message;
  const odd: [string, (good: { message: string }) => unknown, string][] = [
    ["is a number", () => 7, "bad_request"],
    ["is text", () => "seal", "bad_request"],
    ["is a list", () => [], "bad_request"],
    ["has no version", ({ message }) => ({ pattern: "NK", message }), "bad_request"],
    ["has a version that is text", (good) => ({ ...good, v: "1" }), "bad_request"],
    ["only asks", () => ({ v: 1 }), "the key"],
    ["is of another version", (good) => ({ ...good, v: 2 }), "the key"],
    ["has no pattern", (good) => ({ ...good, pattern: undefined }), "the key"],
    ["has a pattern that is not known", (good) => ({ ...good, pattern: "NKhfs" }), "the key"],
    ["has the other pattern", (good) => ({ ...good, pattern: "IK" }), "the key"],
    ["has a message that is no text", (good) => ({ ...good, message: 7 }), "the key"],
    ["has a message with padding", (good) => ({ ...good, message: `${good.message}=` }), "the key"],
    ["has an empty message", (good) => ({ ...good, message: "" }), "the key"],
    ["has more than it should", (good) => ({ ...good, more: 7 }), "a stream"],
    ["is as it should be", good, "a stream"],
  ];

  it.each(odd)("%s", async (_, alter, says) => {
    const { proxy, address, served } = await sealed();
    const said = await answer(proxy, { seal: alter(await hello(address, "7")) });
    const { key } = Object(said.seal);
    expect(key === undefined ? codeOf(said) : "the key").toBe(says);
    if (key) expect([`NAME#${key}`, said.resume, Object(said.seal).message]).toEqual([address, undefined, undefined]);
    expect(served.map(({ sealed }) => sealed?.meta)).toEqual(says === "a stream" ? [7] : []);
  });

  it.each([
    ["{", "bad_request"],
    ["7 8", "bad_request"],
    [" ", "bad_request"],
    [Uint8Array.of(0xff), "bad_request"],
    [Uint8Array.of(0x22, 0xc3, 0x22), "bad_request"],
    ["\ufeff7", "bad_request"],
    ["", "a stream"],
    ["null", "a stream"],
    [' {"a": [1]} ', "a stream"],
  ])("holds the meta %j gets this: %s", async (meta, says) => {
    const { proxy, address, served } = await sealed();
    expect(codeOf(await answer(proxy, { seal: await hello(address, meta) }))).toBe(says);
    expect(served.length).toBe(says === "a stream" ? 1 : 0);
  });

  it.each([
    ["nothing else", {}, "resumes"],
    ["a secret", { secret: hex(32) }, "bad_request"],
    ["an empty secret", { secret: "" }, "bad_request"],
    ["early bytes", { early: 1 }, "bad_request"],
    ["no number of early bytes", { early: undefined }, "bad_request"],
    ["a short id", { id: hex(15) }, "bad_request"],
    ["no id", { id: undefined }, "bad_request"],
    ["no grace", { grace: undefined }, "bad_request"],
  ])("stands beside a resume with %s", async (_, more, says) => {
    const { proxy, address, served } = await sealed();
    const id = new Uint8Array(16).fill(0xab);
    const resume = { v: 1, id: hex(16), early: 0, grace: 10, ...more };
    const said = await answer(proxy, { seal: await hello(address, "", id), resume });
    expect(said.error ? codeOf(said) : "resumes").toBe(says);
    expect([served.length, served[0]?.resumption !== undefined]).toEqual(says === "resumes" ? [1, true] : [0, false]);
  });

  it("was said under a known id is that stream's, or is refused", async () => {
    const { proxy, address, served } = await sealed();
    const id = new Uint8Array(16).fill(0xab);
    const resume = { v: 1, id: hex(16), early: 0, grace: 10 };
    const seal = await hello(address, "1", id);
    const first = await answer(proxy, { seal, resume });
    expect((await answer(proxy, { seal, resume })).seal).toEqual(first.seal);
    expect(codeOf(await answer(proxy, { seal: await hello(address, "2", id), resume }))).toBe("forbidden");
    expect(served.map(({ sealed }) => sealed?.meta)).toEqual([1]);
  });
});
