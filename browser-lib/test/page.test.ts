import { afterEach, describe, expect, it, vi } from "vitest";
import { type Lease, StreamServer } from "../src/index.ts";
import { asked, holding, LISTEN, shown } from "./holding.ts";
import { dial, settle, until } from "./peer.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A tab: its storage, and the events of the page that is in it now. */
function tab(entries: [string, string][] = []) {
  const stored = new Map(entries);
  const load = () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    });
    return (type: string, persisted: boolean) => page.dispatchEvent(Object.assign(new Event(type), { persisted }));
  };
  return { stored, load };
}

describe("a page that goes", () => {
  it("for good lets go of the name", async () => {
    const happen = tab().load();
    const { control } = await holding();
    happen("pagehide", false);
    await until("the finish", () => control.isFinished);
  });

  it("but may come back keeps it", async () => {
    const happen = tab().load();
    const { control, peer, redialed } = await holding();
    happen("pagehide", true);
    await settle();
    expect(control.isFinished).toBe(false);
    peer.cut();
    expect(asked(await (await redialed(2)).peer.opened(LISTEN))).toEqual(shown(1));
  });

  it("has its lease kept by the tab where it wants so, and the next page takes it out", async () => {
    const { stored, load } = tab();
    const happen = load();
    const first = await holding({ persist: "tab" });
    expect(stored.size).toBe(0);
    happen("pagehide", false);
    await settle();
    expect([stored.size, first.control.isFinished]).toEqual([1, false]);

    load();
    const { mdm, peer } = dial();
    StreamServer(mdm).listen("NAME", { persist: "tab" });
    expect(asked(await peer.opened(LISTEN))).toEqual(shown(1));
    expect(stored.size).toBe(0);
  });

  it("threat_33_a_duplicate_of_a_living_tab_has_no_lease", async () => {
    const { stored, load } = tab();
    load();
    await holding({ persist: "tab" });
    // The browser copies the storage as it is.
    tab([...stored]).load();
    const { mdm, peer } = dial();
    StreamServer(mdm).listen("NAME", { persist: "tab" });
    expect(asked(await peer.opened(LISTEN))).toEqual({ attempt: 0, lease: true });
  });

  it("and comes back takes the lease out again", async () => {
    const { stored, load } = tab();
    const happen = load();
    await holding({ persist: "tab" });
    happen("pagehide", true);
    expect(stored.size).toBe(1);
    happen("pageshow", true);
    expect(stored.size).toBe(0);
  });

  it("leaves nothing of a server that is over", async () => {
    const { stored, load } = tab();
    const happen = load();
    const { control, server } = await holding({ persist: "tab" });
    control.frame({ note: "released" }).finish();
    await server.closed;
    happen("pagehide", false);
    expect(stored.size).toBe(0);
  });

  it("works where there is no storage to have", async () => {
    const { load } = tab();
    load();
    Object.defineProperty(globalThis, "sessionStorage", {
      configurable: true,
      get: () => {
        throw new DOMException("blocked", "SecurityError");
      },
    });
    const { server } = await holding({ persist: "tab" });
    expect((server.lease as Lease).attempt).toBe(0);
    Reflect.deleteProperty(globalThis, "sessionStorage");
  });
});
