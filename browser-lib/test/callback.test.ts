// A server's callback that fails.

import { expect, it } from "vitest";
import { settle, until } from "./peer.ts";
import { connect, serve } from "./serving.ts";

/** Catches what would end this process until it is asked what there was. */
function catchFaults(): () => unknown[] {
  const faults: unknown[] = [];
  const before = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", (error) => faults.push(error));
  return () => {
    process.removeAllListeners("uncaughtException");
    for (const listener of before) process.on("uncaughtException", listener);
    return faults;
  };
}

it("a callback that throws resets its client and disturbs no other", async () => {
  const faults = catchFaults();
  let number = 0;
  const { peer } = await serve({}, (stream) => {
    number += 1;
    if (number === 2) throw new Error("mine");
    if (number === 3) return Promise.reject(new Error("mine, later"));
    return stream.write("hello");
  });
  const [fine, thrown, rejected] = [connect(peer), connect(peer), connect(peer)];
  await until("the one", () => fine.text === "hello");
  await until("the others", () => thrown.resetCode === 17 && rejected.resetCode === 17);
  await settle();
  expect(faults()).toHaveLength(2);
});

it("a callback that ends with what its client did to the stream is no fault of ours, as a program's own error is", async () => {
  const faults = catchFaults();
  const mine = new Error("mine, of the client's end");
  const done: unknown[] = [];
  const { peer } = await serve({}, async (stream) => {
    try {
      if (stream.meta === "values") for await (const _ of stream.values()) await stream.closed;
      for await (const _ of stream) if (stream.meta === "wrong") throw mine;
    } finally {
      done.push(stream.meta);
    }
  });
  connect(peer, { meta: "reset" }).reset(4001);
  connect(peer, { meta: "values" }).send("\0\0\0\u0001?");
  await until("their ends", () => done.length === 2);
  connect(peer, { meta: "wrong" }).send("anything");
  await until("its end", () => done.length === 3);
  await settle();
  expect(faults()).toEqual([mine]);
});
