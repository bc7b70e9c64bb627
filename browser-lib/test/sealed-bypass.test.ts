// What an open may say of resumption, to get past the seal of a server: nobody gets a plain stream there, whatever it says.

import { describe, expect, it, vi } from "vitest";
import { FrameReader } from "../src/framing.ts";
import { StreamServer } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { holdClock } from "./clock.ts";
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
