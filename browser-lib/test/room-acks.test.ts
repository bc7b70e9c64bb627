import { describe, expect, it, vi } from "vitest";
import { StreamError } from "../src/index.ts";
import { AckError, type Answer, Room } from "../src/room/index.ts";
import { holdClock } from "./clock.ts";
import { dial, settle, until } from "./peer.ts";
import { heard, joined, joining, resume, take, tells } from "./room-peer.ts";

holdClock();

/** What it came to: values by who gave them, or the error with what there is. */
function outcome(promise: Promise<unknown>): Promise<unknown> {
  const words = (answers: readonly Answer[]) => answers.map(({ from, value }) => [from?.id, value]);
  return promise.then(
    (answers) => (Array.isArray(answers) ? words(answers as Answer[]) : answers),
    (error: AckError) => [error.code, words(error.answers), error.missing.map(({ id }) => id)],
  );
}

describe("asking", () => {
  it("resolves to what everybody answered, in the order of the answers", async () => {
    const { room, far } = await joined({}, 2, 3);
    const asked = outcome(room.timeout(500).emitWithAck("vote", "a"));
    await until("it", () => heard(far).length === 1);
    expect(heard(far)).toEqual([{ event: "vote", args: ["a"], ref: 1, timeout: 500 }]);
    far
      .send(tells.asked(1, 2, 3))
      .send(tells.answer(1, 3, "no"))
      .send(tells.answer(1, 2, { yes: true }));
    expect(await asked).toEqual([
      ["m3", "no"],
      ["m2", { yes: true }],
    ]);
  });

  it("of one resolves to its answer, and of nobody to nothing", async () => {
    const { room, far } = await joined({}, 2);
    const one = room.to("m2").emitWithAck("name");
    const nobody = room.except("m2").emitWithAck("name");
    far
      .send(tells.asked(1, 2))
      .send(tells.asked(2))
      .send(tells.answer(1, 2, "two"));
    expect([await one, await nobody]).toEqual(["two", []]);
    await until("both", () => heard(far).length === 2);
    expect(heard(far)[0]).toEqual({ event: "name", args: [], ref: 1, timeout: 10_000, to: [2] });
  });

  it("of the proxy's program, its answer is from nobody", async () => {
    const { room, far } = await joined({}, 2);
    const asked = outcome(room.emitWithAck("history"));
    far
      .send(tells.asked(1, 0, 2))
      .send(tells.answer(1, 2, null))
      .send(tells.answer(1, 0, [1]));
    expect(await asked).toEqual([
      ["m2", null],
      [undefined, [1]],
    ]);
  });

  it("times out with those that came and those that are missing, also before anybody was asked", async () => {
    const { room, far } = await joined({}, 2, 3);
    const asked = outcome(room.timeout(1000).emitWithAck("x"));
    const early = outcome(room.timeout(1000).except("m3").emitWithAck("x"));
    far.send(tells.asked(1, 2, 3)).send(tells.answer(1, 3, "here"));
    await settle();
    await vi.advanceTimersByTimeAsync(1000);
    expect(await asked).toEqual(["timeout", [["m3", "here"]], ["m2"]]);
    expect(await early).toEqual(["timeout", [], ["m2"]]);
    // What comes too late is nobody's.
    far.send(tells.answer(1, 2, "late")).send(tells.asked(2, 2));
    await settle();
    expect(room.live).toBe(true);
  });

  it("rejects with the first refusal once everybody said something: a code of their own, or that they went", async () => {
    const { room, far } = await joined({}, 2, 3, 4);
    const asked = room.emitWithAck("x");
    far.send(tells.asked(1, 2, 3, 4)).send(tells.refusal(1, 3, 4001, "not me"));
    far
      .send(tells.left(2, 14))
      .send(tells.refusal(1, 2, 14))
      .send(tells.answer(1, 4, 4))
      .send(tells.answer(1, 4, 5));
    await expect(asked).rejects.toBeInstanceOf(AckError);
    await expect(asked).rejects.toBeInstanceOf(StreamError);
    await expect(asked).rejects.toMatchObject({ code: "4001", detail: "not me", name: "AckError" });
    expect(await outcome(asked)).toEqual(["4001", [["m4", 4]], ["m3", "m2"]]);
  });

  it("somebody who is not there is `not_found`, whether we know it or the proxy does", async () => {
    const { room, far } = await joined({}, 2);
    expect(await outcome(room.to("nobody").emitWithAck("x"))).toEqual(["not_found", [], []]);
    expect(heard(far)).toEqual([]);
    const asked = outcome(room.to("m2").emitWithAck("x"));
    far.send(tells.asked(2)).send(tells.refusal(2, 2, 2, "nobody of that number is here"));
    expect(await asked).toEqual(["not_found", [], []]);
    const both = outcome(room.to("m2").emitWithAck("x"));
    far.send(tells.refusal(3, 2, 2)).send(tells.asked(3));
    expect(await both).toEqual(["not_found", [], ["m2"]]);
  });

  it("is over when the room is, and what was not sent is not", async () => {
    const { room, far } = await joined({}, 2);
    const asked = outcome(room.emitWithAck("x"));
    far.send(tells.asked(1, 2));
    await settle();
    void room.leave();
    expect(await asked).toEqual(["cancelled", [], ["m2"]]);
    await expect(room.emitWithAck("x")).rejects.toMatchObject({ code: "gone" });
  });

  it("runs its time without a connection; who is back in time is answered, once", async () => {
    const { room, far, peer, redialed } = await joined({}, 2);
    await settle();
    peer.cut();
    await until("suspended", () => !room.live);
    const asked = room.to("m2").timeout(5000).emitWithAck("x");
    const back = resume(await joining((await redialed(2)).peer), 0);
    await until("it", () => heard(back).length === 1);
    back.send(tells.asked(1, 2)).send(tells.answer(1, 2, "ok"));
    expect([await asked, heard(far)]).toEqual(["ok", []]);
  });

  it("before we are in waits for that", async () => {
    const { mdm, peer } = dial();
    const room = Room(mdm).join("NAME");
    const unknown = outcome(room.to("m9").emitWithAck("x"));
    const asked = outcome(room.emitWithAck("x"));
    const far = take(await joining(peer), 2);
    await until("one", () => heard(far).length === 1);
    far.send(tells.asked(2, 2)).send(tells.answer(2, 2, 1));
    expect([await unknown, await asked]).toEqual([["not_found", [], []], [["m2", 1]]]);
  });
});

describe("answering", () => {
  it("is what the first listener gives that gives anything, at once or later", async () => {
    const { room, far } = await joined({}, 2);
    const bytes = Uint8Array.of(1);
    room.on("add", () => {});
    room.on("add", async (_, a, b) => (a as number) + (b as number));
    room.on("add", () => "not asked any more");
    room.on("bytes", () => bytes);
    room.on("nothing", () => {});
    far
      .send(tells.ask(2, 5, "add", 1, 2))
      .send(tells.ask(0, 6, "bytes"))
      .send(tells.ask(2, 7, "nothing"));
    await until("three", () => heard(far).length === 3);
    expect(heard(far)).toContainEqual({ ask: 5, value: 3 });
    expect(heard(far)).toContainEqual({ ask: 6, value: bytes });
    expect(heard(far)).toContainEqual({ ask: 7, value: null });
  });

  it("tells a StreamError that a listener throws, `unsupported` where nobody listens, and `internal` for faults, which the page sees", async () => {
    const faults: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (call: () => void) =>
      Promise.resolve()
        .then(call)
        .catch((error) => faults.push(error)),
    );
    const { room, far } = await joined({}, 2);
    room.onAny(() => "no answer");
    room.on("mine", () => {
      throw new StreamError(4001, "not today");
    });
    room.on("later", () => Promise.reject(new StreamError("busy")));
    room.on("fault", () => {
      throw new Error("a secret of the page's");
    });
    room.on("unsendable", () => new Map());
    for (const [at, event] of ["mine", "later", "fault", "unsendable", "unheard"].entries())
      far.send(tells.ask(2, at, event));
    await until("five", () => heard(far).length === 5);
    const answers = new Map(heard(far).map(({ ask, code, text }) => [ask, [code, text]]));
    expect(answers.get(0)).toEqual([4001, "not today"]);
    expect(answers.get(1)?.[0]).toBe(9);
    expect(answers.get(2)).toEqual([17, "the listener failed"]);
    expect(answers.get(3)?.[0]).toBe(1);
    expect(answers.get(4)).toEqual([7, "nobody listens to that event there"]);
    expect(faults.map(String)).toEqual(["Error: a secret of the page's"]);
  });

  it("to a question of a seat that is gone is not said at the next one", async () => {
    const { room, peer, far, redialed } = await joined({}, 2);
    let give = (_: string) => {};
    room.on(
      "slow",
      () =>
        new Promise((resolve) => {
          give = resolve;
        }),
    );
    far.send(tells.ask(2, 5, "slow"));
    await settle();
    peer.cut();
    const back = take(await joining((await redialed(2)).peer), 2);
    await until("back", () => room.live);
    give("too late");
    await settle();
    expect(heard(back)).toEqual([]);
  });
});
