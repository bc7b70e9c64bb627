import { describe, expect, it } from "vitest";
import { StreamClient, StreamServer } from "../src/index.ts";
import { dial } from "./peer.ts";

/** Calls as a program without types may write them. */
type Free = (...args: unknown[]) => { connect: Free; listen: Free };
const client = StreamClient as unknown as Free;
const server = StreamServer as unknown as Free;

describe("what can be no option is refused at once, in words", () => {
  const { mdm } = dial();
  const serves = () => {};
  it.each<[string, () => unknown, string]>([
    ["a client of a URL", () => client("ws://proxy.test/mux"), "the first argument is a MuxDemux"],
    ["a client of nothing", () => client(), "the first argument is a MuxDemux"],
    ["a server of a handler", () => server(serves), "the first argument is a MuxDemux"],
    ["a server's options that are a text", () => server(mdm, "x", serves), "options are an object"],
    ["a client's that are one", () => client(mdm, "/team"), "options are an object"],
    ["a prefix without a slash", () => client(mdm, { prefix: "team" }), "a prefix is a path"],
    ["a prefix with one too many", () => server(mdm, { prefix: "/team/" }), "a prefix is a path"],
    ["no clients", () => server(mdm, { clientsMax: 0 }), "clientsMax is a whole number from 1"],
    ["clients in words", () => server(mdm, { clientsMax: "9" }), "clientsMax is a whole number from 1"],
    ["endless clients", () => server(mdm, { clientsMax: Infinity }), "clientsMax is a whole number from 1"],
    ["a wait in words", () => client(mdm).connect("N", { wait: "5" }), "wait is a number of milliseconds from 0"],
    ["an endless wait", () => client(mdm).connect("N", { wait: Infinity }), "wait is a number of milliseconds"],
    ["a wait before now", () => client(mdm).connect("N", { wait: -1 }), "wait is a number of milliseconds from 0"],
    ["another persistence", () => server(mdm).listen("N", { persist: "forever" }), 'persist is "tab"'],
  ])("%s", (_, call, rule) => {
    expect(call).toThrow(`bad_request: ${rule}`);
  });

  it("what is left open, or given as undefined, and what nobody knows is none of these", () => {
    const unknown = { prefix: undefined, clientsMax: undefined, persist: undefined, wait: undefined, colour: "red" };
    client(mdm, unknown).connect("N", unknown);
    server(mdm, unknown, undefined).listen("N", unknown);
    client(mdm, { prefix: "/team/a" }).connect("N", { wait: 0 });
  });
});
