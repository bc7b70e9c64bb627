// Sealed streams between two pages over a proxy in memory, which sees nothing but ciphertext.

import { describe, expect, it, vi } from "vitest";
import { type Stream, StreamServer } from "../src/index.ts";
import { SealKeys } from "../src/seal/index.ts";
import { remember } from "../src/seal/pins.ts";
import { holdClock } from "./clock.ts";
import { collect, pattern, pour, settled } from "./joined.ts";
import { outcome } from "./peer.ts";
import { sealed } from "./sealed-serving.ts";
import { passes } from "./splice.ts";

holdClock();

const PIN = "ws://proxy.test/mux /browser-server/connect/NAME";
const KIB = 1024;

describe.each([
  ["resumable", {}],
  ["lost with its connection", { resume: false }],
])("a sealed stream that is %s", (_, how) => {
  it("brings both directions, whole", async () => {
    const { connect, address } = await sealed(how);
    const { stream, far } = await connect(how);
    const [there, back] = [pattern(700 * KIB + 5), pattern(300 * KIB + 1, 9)];
    const [atServer, atClient] = [collect(far), collect(stream)];
    void pour(stream, there);
    void pour(far, back, 1000);
    await passes("both ends", () => atServer.end && atClient.end);
    expect([atServer.end, atClient.end]).toEqual(["ok", "ok"]);
    expect(atServer.bytes().equals(there) && atClient.bytes().equals(back)).toBe(true);
    expect(await Promise.all([outcome(stream.closed), outcome(far.closed)])).toEqual(["ok", "ok"]);
    expect(stream.sealed?.key).toBe(address.split("#")[1]);
    expect(stream.resumption === undefined).toBe("resume" in how);
  });

  it("takes what was written before there was an answer, and its finish", async () => {
    const { client, served, address } = await sealed(how);
    const stream = client.connect(address, how);
    stream.write("hello");
    stream.end(" world");
    await passes("a client", () => served.length > 0);
    expect(await new Response((served[0] as Stream).readable).text()).toBe("hello world");
    expect(stream.id).toBe("unique");
  });

  it("tells the server alone what is sealed, and who connects", async () => {
    const keys = await SealKeys.generate();
    const asked: unknown[] = [];
    const accept = ({ sealed }: { sealed: unknown }) => asked.push(sealed) > 0;
    const { connect, proxy } = await sealed({ ...how, accept });
    const { far } = await connect({ ...how, meta: "clear", sealed: { meta: { secret: "日本" }, keys } });
    const peer = { meta: { secret: "日本" }, key: keys.publicKey };
    expect([far.sealed, asked, far.meta]).toEqual([peer, [peer], "clear"]);
    expect(JSON.stringify(proxy.opens)).not.toContain("secret");
  });

  it("is refused with the server's code, and reset with the program's", async () => {
    const { client, address, connect } = await sealed({
      ...how,
      accept: ({ meta }) => (meta === "no" ? "busy" : true),
    });
    const refused = client.connect(address, { ...how, meta: "no" });
    expect(await outcome(refused.opened)).toBe("busy");
    const { stream, far } = await connect(how);
    far.error("nobody may read this", 4001);
    const error = await stream.closed.catch((error) => error);
    expect([error.code, error.detail]).toEqual(["4001", ""]);
  });

  it("is reset behind what was written, where nobody reads any more", async () => {
    const { connect } = await sealed(how);
    const { stream, far } = await connect(how);
    const told = collect(stream);
    await far.readable.cancel();
    void pour(far, pattern(100 * KIB));
    const writing = settled(pour(stream, pattern(2000 * KIB)));
    await passes("all of it", () => told.length === 100 * KIB);
    await passes("the reset", () => writing.how);
    expect(writing.how).toBe("cancelled");
  });
});

describe("a sealed stream", () => {
  it("survives cuts, and repeats the same open and answer", async () => {
    const { proxy, connect, client, served, address } = await sealed();
    const { stream, far } = await connect();
    const bytes = pattern(3000 * KIB);
    const told = collect(far);
    const pouring = pour(stream, bytes);
    for (let cut = 1; cut < 6; cut++) {
      const owner = cut % 2 ? "page" : "tab";
      await passes("a connection", () => [...proxy.lines].some((line) => line.owner === owner));
      const line = proxy.line(owner);
      line.cutIn[cut % 2 ? "up" : "down"] = 400 * KIB;
      await passes("a cut", () => line.isCut);
    }
    await passes("all of it", () => told.end);
    await pouring;
    expect([told.end, told.bytes().equals(bytes)]).toEqual(["ok", true]);
    expect(stream.resumption?.moves).toBeGreaterThan(2);

    // The open arrives, and its answer is lost.
    const again = client.connect(address);
    await passes("the open", () => served.length === 2);
    proxy.line("page").cut();
    await again.opened;
    again.end("still here");
    expect(await new Response((served[1] as Stream).readable).text()).toBe("still here");
    const [first, second] = proxy.opens.filter(({ seal }) => seal).slice(-2);
    expect([second?.seal, served.length]).toEqual([first?.seal, 2]);
    expect(second?.resume).not.toHaveProperty("secret");
  });

  it("lets its writer wait for its reader", async () => {
    const { connect } = await sealed();
    const { stream, far } = await connect();
    let written = 0;
    const writer = stream.writable.getWriter();
    const write = async () => {
      while (written < 4000 * KIB) {
        await writer.write(pattern(100 * KIB));
        written += 100 * KIB;
      }
      await writer.close();
    };
    void write();
    await passes("a pause", () => written >= 300 * KIB);
    const before = written;
    for (let turn = 0; turn < 100; turn++) await vi.advanceTimersByTimeAsync(1);
    expect(written - before).toBeLessThan(800 * KIB);
    const told = collect(far);
    await passes("all of it", () => told.end);
    expect(told.length).toBe(4000 * KIB);
  });

  it("does not look at a chunk any more when its write is done", async () => {
    const { connect } = await sealed();
    const { stream, far } = await connect();
    const told = collect(far);
    const writer = stream.writable.getWriter();
    const expected: Uint8Array[] = [];
    for (let seed = 0; seed < 40; seed++) {
      const chunk = pattern(33_000 + seed, seed);
      expected.push(chunk.slice());
      await writer.write(chunk);
      chunk.fill(0);
    }
    void writer.close();
    await passes("all of it", () => told.end);
    expect(told.bytes().equals(Buffer.concat(expected))).toBe(true);
  });

  it("is open to nobody who connects in the clear", async () => {
    const { client } = await sealed();
    expect(await outcome(client.connect("NAME").opened)).toBe("forbidden");
  });

  it.each([
    ["cut by one", (address: string) => address.slice(0, -1)],
    ["with another last character", (address: string) => `${address.slice(0, -1)}B`],
    ["with a blank behind it", (address: string) => `${address} `],
    ["with the end of a sentence behind it", (address: string) => `${address}.`],
    ["with padding", (address: string) => `${address}=`],
    ["with a word behind it", (address: string) => `${address} thanks`],
    ["with a number sign in its name", (address: string) => `a#${address}`],
    ["of which little is left", (address: string) => address.slice(0, 12)],
    ["without its key", (address: string) => address.slice(0, 5)],
  ])("is connected to by no address %s, not even in the clear", async (_, alter) => {
    const { client, proxy, address } = await sealed();
    const stream = client.connect(alter(address));
    stream.write("a secret");
    const error = await stream.opened.catch((error) => error);
    expect([error.code, error.detail]).toEqual(["bad_request", expect.stringContaining("not a whole key")]);
    expect(proxy.opens).toEqual([]);
  });

  it("listens to no address, and watches the name in one", async () => {
    const { proxy, page, tab, client, address } = await sealed();
    for (const wrong of [address, address.slice(0, -1), `${address}.`, "NAME#"]) {
      expect(() => StreamServer(tab, { sealed: true }).listen(wrong)).toThrow("listen to NAME");
      expect(() => StreamServer(page).listen(wrong)).toThrow("listen to NAME");
    }
    client.watch(address).on("error", () => {});
    await passes("a watch", () => proxy.opens.length > 0);
    expect(proxy.opens.map(({ path }) => path)).toEqual(["/browser-server/watch/NAME"]);
  });

  it("is asked for by no key of small order", async () => {
    const { client, proxy } = await sealed();
    expect(await outcome(client.connect(`NAME#${"A".repeat(43)}`).opened)).toBe("bad_request");
    expect(proxy.opens).toEqual([]);
  });
});

describe("a key that is remembered", () => {
  it("is the first that the server tells, and no other is taken for it", async () => {
    const known = new Map<string, string>();
    const pins = {
      get: (server: string) => known.get(server),
      set: (server: string, key: string) => known.set(server, key),
    };
    const { connect, client, proxy, tab, server, address, served } = await sealed();
    const { stream } = await connect({ sealed: { pins } }, "NAME");
    expect([...known]).toEqual([[PIN, address.split("#")[1]]]);
    expect(stream.sealed?.key).toBe(address.split("#")[1]);
    const opens = proxy.opens.length;
    await connect({ sealed: { pins } }, "NAME");
    expect(proxy.opens.length).toBe(opens + 1);
    await server.end();
    const other = StreamServer(tab, { sealed: true }, (stream) => served.push(stream)).listen("NAME");
    await other.listening;
    const changed = client.connect("NAME", { sealed: { pins } });
    changed.write("a secret");
    expect(await outcome(changed.opened)).toBe("key_changed");
    expect([...known.values()]).toEqual([address.split("#")[1]]);
  });

  it("is remembered before anything is said, and the stream fails where it cannot be", async () => {
    const { connect, client, proxy, served, address } = await sealed();
    let done = (): void => {};
    const set = vi.fn(() => new Promise<void>((resolve) => (done = resolve)));
    const opened = settled(connect({ sealed: { pins: { get: () => undefined, set } } }, "NAME"));
    await passes("a pin", () => set.mock.calls.length > 0);
    for (let turn = 0; turn < 20; turn++) await vi.advanceTimersByTimeAsync(1);
    expect([opened.how, set.mock.calls]).toEqual(["", [[PIN, address.split("#")[1]]]]);
    done();
    await passes("the stream", () => opened.how);
    expect(opened.how).toBe("ok");

    for (const set of [() => Promise.reject(new Error("no room")), () => nowhere()]) {
      const before = served.length;
      let said = 0;
      proxy.passes = (bytes, { first }) => {
        if (String(first?.path).includes("/connect/")) said += bytes.length;
        return bytes;
      };
      for (const how of [{}, { resume: false }]) {
        const stream = client.connect("NAME", { ...how, sealed: { pins: { get: () => undefined, set } } });
        stream.write("a secret");
        const error = await stream.opened.catch((error) => error);
        expect([error.code, error.detail]).toEqual(["internal", expect.stringMatching(/remember.*no room/)]);
      }
      await passes("both", () => served.length === before + 2);
      for (const far of served.slice(before)) expect(await outcome(far.closed)).toBe("cancelled");
      // A sealed record has 18 bytes: there is none, only the reset of the stream that resumes.
      expect(said).toBeLessThan(18);
    }
  });

  it.each([{}, { resume: false }])("is not replaced by one that is told at the same time, with %j", async (how) => {
    const { client, served } = await sealed();
    const other = (await SealKeys.generate()).publicKey;
    const gets = [undefined, other];
    const set = vi.fn();
    const stream = client.connect("NAME", { ...how, sealed: { pins: { get: () => gets.shift(), set } } });
    stream.write("a secret");
    const error = await stream.opened.catch((error) => error);
    expect([error.code, error.detail]).toEqual(["key_changed", expect.stringContaining(other)]);
    await passes("a client", () => served.length > 0);
    expect(await outcome((served[0] as Stream).closed)).toBe("cancelled");
    expect(set).not.toHaveBeenCalled();
  });

  it("is the first of two, wherever they are kept", async () => {
    const known = new Map<string, string>();
    const turns = async () => {
      for (let turn = 0; turn < 5; turn++) await null;
    };
    const pins = {
      get: async (server: string) => {
        await turns();
        return known.get(server);
      },
      set: async (server: string, key: string) => {
        await turns();
        known.set(server, key);
      },
    };
    const [a, b] = ["A", "B"].map((key) => remember(pins, "NAME", key)) as [Promise<void>, Promise<void>];
    expect(await Promise.all([outcome(a), outcome(b), outcome(remember(pins, "NAME", "A"))])).toEqual([
      "ok",
      "key_changed",
      "ok",
    ]);
    expect([...known]).toEqual([["NAME", "A"]]);
  });

  it("is damaged: nobody is connected to until it is forgotten", async () => {
    const { client, proxy } = await sealed();
    for (const damaged of ["", "A", `${"A".repeat(42)}B`]) {
      const stream = client.connect("NAME", { sealed: { pins: { get: () => damaged, set: () => {} } } });
      const error = await stream.opened.catch((error) => error);
      expect([error.code, error.detail]).toEqual(["bad_request", expect.stringContaining("remembered")]);
    }
    expect(proxy.opens).toEqual([]);
  });
});

function nowhere(): never {
  throw new Error("no room");
}
