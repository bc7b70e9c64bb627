// Sealed streams over direct connections, with the primitives of a page that has no WebCrypto: what the two ends agree on is sealed, too.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { MuxDemux, Stream } from "../src/index.ts";
// Here when they are wanted: no test waits for a file.
import "../src/seal/index.ts";
import "../src/seal/noble.ts";
import { elapse, holdClock } from "./elapse.ts";
import { collect, pattern, pour } from "./joined.ts";
import { Rtc } from "./rtc.ts";
import { sealed } from "./sealed-serving.ts";
import { type Leg, passes } from "./splice.ts";

let rtc: Rtc;
const pages: MuxDemux[] = [];

beforeEach(() => {
  holdClock();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  rtc = new Rtc().install();
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
});

afterEach(async () => {
  for (const page of pages.splice(0)) page.close();
  await elapse(500);
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const isOn = (kind: string, stream: Stream) => () => stream.carrier === kind;
const isSignal = ({ first, twin }: Leg) => [first, twin?.first].some((open) => "signal" in Object(open?.resume));

it("moves to a direct connection and back, whole, and the proxy reads no address", async () => {
  const joined = await sealed({}, { direct: true });
  pages.push(joined.page, joined.tab);
  let seen = "";
  joined.proxy.passes = (bytes, leg) => {
    if (isSignal(leg)) seen += Buffer.from(bytes).toString("latin1");
    return bytes;
  };
  const { stream, far } = await joined.connect();
  const told = collect(far);
  await passes("the move", isOn("direct", stream));
  expect(seen).toContain('"note":"proof"');
  expect(seen).not.toMatch(/candidate|sdp/);
  const bytes = pattern(900 * 1024);
  void pour(stream, bytes);
  await passes("some", () => told.length > 200 * 1024);
  rtc.silence();
  await passes("all of it", () => told.end);
  expect([told.end, told.bytes().equals(bytes)]).toEqual(["ok", true]);
});

it("threat_31_stays_on_the_proxy_where_that_alters_what_is_said_of_addresses", async () => {
  const joined = await sealed({}, { direct: true });
  pages.push(joined.page, joined.tab);
  let altered = 0;
  joined.proxy.passes = (bytes, leg) => {
    // Behind the proof.
    const at = Buffer.from(bytes).includes("proof") ? (bytes[1] as number) + 8 : 8;
    if (isSignal(leg) && bytes.length > at + 8) {
      bytes[at] = (bytes[at] as number) ^ 1;
      altered++;
    }
    return bytes;
  };
  const { stream, far } = await joined.connect();
  await passes("two attempts", () => altered > 2);
  await elapse(2000);
  expect(stream.carrier).toBe("proxy");
  const told = collect(far);
  void pour(stream, pattern(1000));
  await passes("all of it", () => told.end);
  expect(told.end).toBe("ok");
});
