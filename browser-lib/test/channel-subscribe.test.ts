import { describe, expect, it } from "vitest";
import { Channel, type Message, type Subscription } from "../src/channel/index.ts";
import type { StreamError } from "../src/index.ts";
import { ID, says, subscribed } from "./channel-peer.ts";
import { dial, outcome, settle, until } from "./peer.ts";

const KIB = 1024;

/** Reads every message as text; what is cut reads as its code. */
function collect(subscription: Subscription) {
  const got: string[] = [];
  const run = async () => {
    for await (const message of subscription) {
      got.push(await message.text().catch((error: StreamError) => `(${error.code})`));
    }
  };
  const end = run().then(
    () => "ok",
    (error: StreamError) => error.message,
  );
  return { got, end };
}

describe("a subscription", () => {
  it("asks by the name's canonical path, and with `wait`", async () => {
    const { mdm, peer } = dial();
    const subscription = Channel(mdm, { prefix: "/team" }).subscribe("Å/b", { wait: 5 });
    const far = await peer.opened("/team/subscribe/%C3%85%2Fb");
    expect(far.first).toEqual({ path: "/team/subscribe/%C3%85%2Fb", wait: 5 });
    far.frame({ id: ID, channel: {} });
    far.send(says.joined(0, 7, { id: ID, peer: { session: "p" }, meta: { name: "日本" } }));
    await subscription.opened;
    expect(subscription.meta).toEqual({ name: "日本" });
    expect(subscription.publishers).toEqual([{ id: ID, peer: { session: "p" }, meta: { name: "日本" }, number: 0 }]);
  });

  it("refuses what is no name, no wait and no connection before anything is opened", () => {
    const { mdm } = dial();
    expect(() => Channel(mdm).subscribe("..")).toThrow("a name has");
    expect(() => new Channel(mdm).subscribe("x", { wait: -1 })).toThrow("wait is a number");
    expect(() => Channel({} as never)).toThrow("MuxDemux");
  });

  it("gives messages whole, empty ones too, and ends cleanly with the reason", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0, 3));
    for (const text of ["one", "", "three"]) far.send(says.last(0, text));
    far.send(says.part(0, "fo")).send(says.part(0, "u")).send(says.last(0, "r"));
    far
      .send(says.left(0, 0, "bye"))
      .send(says.end(0, "bye"))
      .finish();
    const numbers: number[] = [];
    const got: string[] = [];
    for await (const message of subscription) {
      numbers.push(message.number);
      got.push(await message.text());
    }
    expect(got).toEqual(["one", "", "three", "four"]);
    expect(numbers).toEqual([3, 4, 5, 6]);
    expect(subscription.reason).toBe("bye");
    await subscription.closed;
    await until("our finish", () => far.isFinished);
  });

  it("reads the same from chunks of one byte", async () => {
    const { subscription, far } = await subscribed();
    const said = [says.joined(300, 0), says.part(300, "hel"), says.last(300, "lo"), says.end(0, "é")];
    for (const byte of Buffer.concat(said)) far.send(Uint8Array.of(byte));
    far.finish();
    const { got, end } = collect(subscription);
    expect([await end, got, subscription.reason]).toEqual(["ok", ["hello"], "é"]);
  });

  it("gives a message while it is still coming", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "first "));
    const { value: message } = await subscription[Symbol.asyncIterator]().next();
    const reader = (message as Message).readable.getReader();
    expect(Buffer.from((await reader.read()).value ?? "").toString()).toBe("first ");
    const second = reader.read();
    far.send(says.last(0, "then"));
    expect(Buffer.from((await second).value ?? "").toString()).toBe("then");
    expect((await reader.read()).done).toBe(true);
  });

  it("takes no more than a chunk ahead of who reads", async () => {
    const { subscription, far, peer } = await subscribed();
    far.send(says.joined(0));
    const chunk = new Uint8Array(64 * KIB);
    for (let sent = 0; sent < 64; sent++) far.send(says.last(0, chunk));
    await settle();
    const queued = peer.core.queuedOn(far.id);
    // A window of 256 KiB left, and nothing follows as long as nobody reads.
    expect(queued).toBeGreaterThan(64 * 63 * KIB - 256 * KIB);
    const got = collect(subscription).got;
    await until("all", () => got.length === 64);
  });

  it("passes over a message that nobody began to read, and says so to who comes late", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "un")).send(says.last(0, "read")).send(says.last(0, "next"));
    const messages = subscription[Symbol.asyncIterator]();
    const first = (await messages.next()).value as Message;
    const second = (await messages.next()).value as Message;
    expect(await second.text()).toBe("next");
    expect(await outcome(first.bytes())).toBe("cancelled");
  });

  it("does not go on to the next message before the one that is being read was taken", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "a")).send(says.last(0, "b")).send(says.last(0, "next"));
    const messages = subscription[Symbol.asyncIterator]();
    const first = (await messages.next()).value as Message;
    const reader = first.readable.getReader();
    let isThere = false;
    const second = messages.next().then(({ value }) => {
      isThere = true;
      return value as Message;
    });
    await settle();
    expect(isThere).toBe(false);
    await reader.read();
    await reader.cancel();
    expect(await (await second).text()).toBe("next");
  });

  it("keeps several publishers' messages apart, and gives what began first", async () => {
    const { subscription, far } = await subscribed();
    const joined: unknown[] = [];
    subscription.on("joined", ({ number }) => joined.push(number));
    subscription.on("left", ({ number }, error) => joined.push([number, error?.code]));
    far.send(says.joined(0)).send(says.joined(1)).send(says.part(0, "a1"));
    far.send(says.last(1, "whole")).send(says.part(1, "b1")).send(says.last(0, "a2")).send(says.last(1, "b2"));
    far.send(says.left(0, 12)).send(says.left(1, 0)).send(says.end(0));
    const { got, end } = collect(subscription);
    expect(await end).toBe("ok");
    expect(got).toEqual(["a1a2", "whole", "b1b2"]);
    expect(joined).toEqual([0, 1, [0, "gone"], [1, undefined]]);
  });

  it("gives whole ones in the order in which they were, and no trace of those that were cut", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.joined(1)).send(says.part(0, "a1")).send(says.last(1, "b"));
    far.send(says.last(0, "a2")).send(says.part(1, "never")).send(says.cut(1)).send(says.skipped(1, 4));
    far.send(says.last(1, "c")).send(says.part(0, "lost")).send(says.left(0, 14)).send(says.end(0));
    const got: unknown[] = [];
    for await (const { data, from, number } of subscription.whole()) {
      got.push([new TextDecoder().decode(data), from.number, number]);
    }
    expect(got).toEqual([
      ["b", 1, 0],
      ["a1a2", 0, 0],
      ["c", 1, 6],
    ]);
    expect(subscription.skipped).toBe(4);
  });

  it("tells what was skipped, where it is missing", async () => {
    const { subscription, far } = await subscribed();
    const told: unknown[] = [];
    subscription.on("skipped", (messages, from) => told.push([messages, from.number]));
    far.send(says.joined(0)).send(says.last(0, "a")).send(says.skipped(0, 5)).send(says.last(0, "b"));
    const messages = subscription[Symbol.asyncIterator]();
    const first = (await messages.next()).value as Message;
    expect([first.number, subscription.skipped]).toEqual([0, 0]);
    const second = (await messages.next()).value as Message;
    expect([second.number, subscription.skipped]).toEqual([6, 5]);
    expect(told).toEqual([[5, 0]]);
  });
});

describe("a message that is cut", () => {
  it("errors with `cancelled` where its publisher took it back, and the next one comes", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "half"));
    const { got, end } = collect(subscription);
    await settle();
    far.send(says.cut(0)).send(says.last(0, "next")).send(says.end(0));
    expect([await end, got]).toEqual(["ok", ["(cancelled)", "next"]]);
  });

  it("is not given at all where nobody has got it", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "half")).send(says.cut(0)).send(says.last(0, "next")).send(says.end(0));
    const { got, end } = collect(subscription);
    // The first began and was given before it was cut.
    expect(await end).toBe("ok");
    expect(got.at(-1)).toBe("next");
  });

  it.each([
    ["its publisher's page died", says.left(0, 14), says.end(14), "lost"],
    [
      "its publisher said why",
      says.left(0, 15, "the sender pressed Cancel"),
      says.end(15, "the sender pressed Cancel"),
      "cancelled",
    ],
    ["a code of the program's", says.left(0, 4001, "no"), says.end(4001, "no"), "4001"],
  ])("errors where %s, and so does the subscription", async (_, left, end, code) => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.last(0, "whole")).send(says.part(0, "half"));
    const codes: string[] = [];
    subscription.on("error", (error) => codes.push(error.code));
    const closed = outcome(subscription.closed);
    const { got, end: ended } = collect(subscription);
    await settle();
    far.send(left).send(end).finish();
    expect((await ended).startsWith(code)).toBe(true);
    expect(got).toEqual(["whole", `(${code})`]);
    expect([await closed, codes]).toEqual([code, [code]]);
    expect(subscription.reason).toBeUndefined();
  });

  it("errors where the stream ends without a word: `lost`", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "half")).finish();
    const { got, end } = collect(subscription);
    expect((await end).slice(0, 4)).toBe("lost");
    expect(got).toEqual(["(lost)"]);
  });

  it("errors where our connection breaks: `lost`", async () => {
    const { subscription, far, peer } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "half"));
    const { got, end } = collect(subscription);
    await settle();
    peer.cut();
    expect((await end).slice(0, 4)).toBe("lost");
    expect(got).toEqual(["(lost)"]);
  });

  it("errors `lagging` where the proxy cut us off, behind what came before", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.last(0, "whole")).send(says.part(0, "half"));
    await settle();
    far.reset(18);
    const { got, end } = collect(subscription);
    expect(await end).toBe("lagging: we took too little for too long, and the channel went on without us");
    expect(got).toEqual(["whole", "(lagging)"]);
    expect(await outcome(subscription.closed)).toBe("lagging");
  });
});

it("a message whose reading was begun and left alone holds the next one up, until the proxy cuts us off", async () => {
  const { subscription, far } = await subscribed();
  far.send(says.joined(0)).send(says.last(0, "left alone")).send(says.last(0, "next"));
  const messages = subscription[Symbol.asyncIterator]();
  (await messages.next()).value?.readable.getReader();
  const next = messages.next();
  await settle();
  far.reset(18);
  expect(await (await next).value?.text()).toBe("next");
  expect(await outcome(messages.next())).toBe("lagging");
});

describe("leaving a channel", () => {
  it("by the end of the loop", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.last(0, "one")).send(says.last(0, "two"));
    for await (const message of subscription) {
      expect(await message.text()).toBe("one");
      break;
    }
    await subscription.closed;
    await until("the reset", () => far.resetCode !== undefined);
  });

  it("by `cancel`, while a message is being read and the next one waited for", async () => {
    const { subscription, far } = await subscribed();
    far.send(says.joined(0)).send(says.part(0, "half"));
    const messages = subscription[Symbol.asyncIterator]();
    const { value } = await messages.next();
    const whole = (value as Message).bytes();
    await settle();
    const next = messages.next();
    subscription.cancel();
    expect(await outcome(whole)).toBe("cancelled");
    expect((await next).done).toBe(true);
    await until("the reset", () => far.resetCode !== undefined);
  });

  it("by the signal, which throws `cancelled` in the loop; one that has aborted refuses at once", async () => {
    const leaving = new AbortController();
    const { subscription, far } = await subscribed({ signal: leaving.signal });
    far.send(says.joined(0));
    const { end } = collect(subscription);
    await settle();
    leaving.abort();
    expect((await end).slice(0, 9)).toBe("cancelled");
    const late = Channel(dial().mdm).subscribe("NAME", { signal: leaving.signal });
    expect(await outcome(late.opened)).toBe("cancelled");
    expect((await collect(late).end).slice(0, 9)).toBe("cancelled");
  });

  it("is refused where nobody publishes", async () => {
    const { mdm, peer } = dial();
    const subscription = Channel(mdm).subscribe("NAME");
    (await peer.opened("/channel/subscribe/NAME")).frame({ error: { code: "not_found", message: "nobody publishes" } });
    expect(await outcome(subscription.opened)).toBe("not_found");
    expect(await collect(subscription).end).toBe("not_found: nobody publishes");
    expect(await outcome(subscription.closed)).toBe("not_found");
  });
});

it.each([
  ["a type that is none", Uint8Array.of(8)],
  ["a publisher that has not joined", says.last(1, "x")],
  ["an empty PART", says.part(0, "")],
  ["a part that is too long", says.part(0, new Uint8Array(65_537)).subarray(0, 6)],
  ["an integer that is too long", Uint8Array.of(3, ...new Uint8Array(8).fill(0x80))],
  ["an integer that is too large", Uint8Array.of(3, ...new Uint8Array(7).fill(0xff), 0x10)],
  ["a JOINED that is no JSON", says.joined(1).fill(0x7b, -4)],
])("what is no record ends the subscription: %s", async (_, bytes) => {
  const { subscription, far } = await subscribed();
  far.send(says.joined(0)).send(bytes);
  expect((await collect(subscription).end).slice(0, 11)).toBe("bad_request");
  await until("the reset", () => far.resetCode !== undefined);
});

it("more than 64 MiB of messages beside the one that is read is `limit`, not memory", async () => {
  const { subscription, far } = await subscribed();
  far.send(says.joined(0)).send(says.joined(1)).send(says.part(0, "slow"));
  const { value } = await subscription[Symbol.asyncIterator]().next();
  const whole = outcome((value as Message).bytes());
  const part = says.last(1, new Uint8Array(64 * KIB));
  for (let sent = 0; sent <= 1024; sent++) {
    far.send(part);
    if (sent % 64 === 0) await settle();
  }
  expect(await whole).toBe("limit");
});
