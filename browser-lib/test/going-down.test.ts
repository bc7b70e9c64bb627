import { describe, expect, it, vi } from "vitest";
import { holdClock } from "./clock.ts";
import { outcome, settle, until } from "./peer.ts";
import { greet, page, record, up } from "./up.ts";

holdClock();

describe("a proxy that goes down", () => {
  it("threat_20_is_come_back_to_when_it_said_not_sooner, whatever wakes the page", async () => {
    const { happen } = page();
    const { mdm, peer, dials, redialed } = await up();
    const seen = record(mdm);
    peer.to("/session").frame({ note: "drain", value: { after_ms: 3000 } });
    await until("the note", () => mdm.state === "waiting");
    happen("online");
    mdm.reconnect();
    await vi.advanceTimersByTimeAsync(1000);
    // The old connection is closed earlier: that changes nothing.
    peer.cut(1012);
    await vi.advanceTimersByTimeAsync(1999);
    expect(dials).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    await greet((await redialed(2)).peer);
    await settle();
    expect(seen).toEqual(["waiting", [1, 3000, "lost"], "connecting", "open", "open!"]);
  });

  it("threat_20_keeps_the_streams_it_has, gets no new ones, and is left when the last one ended", async () => {
    const { mdm, peer, redialed } = await up();
    const stream = mdm.createStream(undefined, { path: "/old" });
    const far = (await peer.opened("/old")).frame({});
    await stream.opened;
    peer.to("/session").frame({ note: "drain", value: { after_ms: 100 } });
    await until("the note", () => mdm.state === "waiting");
    const early = mdm.createStream(undefined, { path: "/new" });
    early.end("early");
    await vi.advanceTimersByTimeAsync(100);
    const next = await redialed(2);
    expect((await next.peer.opened("/new")).text).toBe("early");
    await until("both", () => mdm.state === "open");
    stream.end("to the end");
    far.finish();
    expect(await outcome(stream.closed)).toBe("ok");
    await until("the close", () => peer.closedWith);
    expect([peer.closedWith?.code, peer.goAway, far.text]).toEqual([1000, 0, "to the end"]);
    expect([mdm.state, next.peer.closedWith]).toEqual(["open", undefined]);
  });

  it("that takes no more streams is followed when it closes; what is opened meanwhile waits", async () => {
    const { mdm, peer, dials, redialed } = await up();
    peer.core.goAway(0);
    peer.pump();
    await until("the GO_AWAY", () => mdm.state === "waiting");
    const stream = mdm.createStream();
    expect(dials).toHaveLength(1);
    peer.cut(1012);
    (await (await redialed(2)).peer.opened("/")).frame({});
    expect(await outcome(stream.opened)).toBe("ok");
  });
});
