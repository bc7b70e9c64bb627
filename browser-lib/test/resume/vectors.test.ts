import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Decoder } from "../../src/resume/decoder.ts";
import { prove } from "../../src/resume/proof.ts";
import {
  ACK,
  DATA,
  DONE,
  type Fact,
  FIN,
  GONE,
  integers,
  JOIN,
  PING,
  PONG,
  PROOF,
  PROVE,
  RESET,
  reset,
} from "../../src/resume/record.ts";
import { fromHex, toHex } from "../vectors.ts";
import { read } from "./end.ts";

const TEXT = readFileSync(new URL("../../../proxy/RESUME.md", import.meta.url), "utf8");
const SECTION = TEXT.split("## 8. Vectors")[1]?.split("## 9.")[0] ?? "";
const ROWS = new Map(
  Array.from(SECTION.matchAll(/^\| (.+) \| `([0-9a-f]+)` \|$/gm), ([, name = "", hex = ""]) => [name, hex]),
);

const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i);
const SECRET = range(0, 32);
const ID = range(0x40, 16);
const CLIENT = range(0x60, 16);
const SERVER = range(0x80, 16);
const mac = (name: string, nonce: number) => fromHex(ROWS.get(name)?.slice(2 + 2 * nonce) ?? "");

const FACTS: Record<string, Fact[]> = {
  "DATA offset 0, `hello`": [{ type: DATA, offset: 0, length: 5 }],
  "DATA offset 300, one byte ff": [{ type: DATA, offset: 300, length: 1 }],
  "header of DATA offset 2^32, 65,536 bytes": [{ type: DATA, offset: 2 ** 32, length: 65_536 }],
  "FIN total 5": [{ type: FIN, total: 5 }],
  "ACK 6 (5 bytes and FIN), room 0": [{ type: ACK, received: 6, room: 0 }],
  "ACK 65,536, room 262,144": [{ type: ACK, received: 65_536, room: 262_144 }],
  "ACK 2^53 - 1, room 0": [{ type: ACK, received: 2 ** 53 - 1, room: 0 }],
  "RESET `busy`, `try later`": [{ type: RESET, reason: { code: "busy", message: "try later" } }],
  "DONE, GONE, PING 7, PONG 7": [{ type: DONE }, { type: GONE }, { type: PING, token: 7 }, { type: PONG, token: 7 }],
  JOIN: [{ type: JOIN, stream: ID, nonce: CLIENT }],
  PROVE: [{ type: PROVE, nonce: SERVER, mac: mac("PROVE", 16) }],
  PROOF: [{ type: PROOF, mac: mac("PROOF", 0) }],
};

/** As an endpoint writes it. */
function written(fact: Fact): number[] {
  const out: number[] = [];
  if (fact.type === RESET) reset(out, fact.reason);
  else {
    const { type, ...fields } = fact;
    const values: (number | Uint8Array)[] = Object.values(fields);
    const bytes = values.filter((value) => typeof value !== "number").flatMap((value) => [...value]);
    integers(out, type, ...values.filter((value) => typeof value === "number"));
    out.push(...bytes);
  }
  return out;
}

describe("RESUME.md, section 8", () => {
  it("has a row for each of these and no other", () => expect([...ROWS.keys()]).toEqual(Object.keys(FACTS)));

  it.each([...ROWS])("%s is read and written", (name, hex) => {
    const facts = FACTS[name] ?? [];
    expect(read(new Decoder(), fromHex(hex)).filter(({ type }) => type !== 0)).toEqual(facts);
    expect(hex.startsWith(toHex(Uint8Array.from(facts.flatMap(written))))).toBe(true);
  });

  it("payload is what stands behind its head", () => {
    const payloads = [...ROWS.values()].slice(0, 2).map((hex) => read(new Decoder(), fromHex(hex))[1]);
    expect(payloads).toEqual([
      { type: 0, offset: 0, bytes: new TextEncoder().encode("hello") },
      { type: 0, offset: 300, bytes: Uint8Array.of(0xff) },
    ]);
  });

  it("threat_33_both_macs_are_the_vectors", async () => {
    const identity = { id: ID, secret: SECRET, name: "NAME" };
    const macs = await prove({ carrier: 1, identity, client: CLIENT, server: SERVER });
    expect(macs).toEqual({ server: mac("PROVE", 16), client: mac("PROOF", 0) });
  });

  it("threat_33_every_part_changes_both_macs", async () => {
    const identity = { id: ID, secret: SECRET, name: "NAME" };
    const request = { carrier: 1, identity, client: CLIENT, server: SERVER };
    const others = [
      { ...request, identity: { ...identity, id: CLIENT } },
      { ...request, identity: { ...identity, secret: range(1, 32) } },
      { ...request, identity: { ...identity, name: "name" } },
      { ...request, client: SERVER },
      { ...request, server: CLIENT },
    ];
    const all = await Promise.all([request, ...others].map(prove));
    expect(new Set(all.flatMap(({ server, client }) => [toHex(server), toHex(client)])).size).toBe(12);
  });

  it.each([
    ["nine bytes of 80 as an integer", `02${"80".repeat(9)}`],
    ["an integer above 2^53 - 1", "02ffffffffffffff10"],
    ["type 00", "00"],
    ["a type above 0b", "0c"],
    ["DATA of length 0", "010000"],
    ["DATA of 65,537 bytes", "0100818004"],
    ["RESET with a code of 65 bytes", "0441"],
    ["RESET with a message of 1,025 bytes", "04008108"],
  ])("threat_13_%s is refused", (_, hex) => {
    expect(() => read(new Decoder(), fromHex(hex))).toThrow();
    const decoder = new Decoder();
    expect(() => hex.match(/../g)?.flatMap((byte) => read(decoder, fromHex(byte)))).toThrow();
  });
});
