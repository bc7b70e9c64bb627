/** Peers that break the rules, frame by frame, against the real proxy with real tabs beside them. */

import { ACK, DATA, FIN, frame, GO_AWAY, MuxPeer, message, PING, RST, SYN, WINDOW } from "../harness/mux-peer.mjs";
import { expect, type Page, serveEcho, test, tryConnect } from "./fixture.ts";

const KIB = 1024;
/** The number of the code `limit`. */
const LIMIT = 8;
const listen = (name: string) => ({ path: `/browser-server/listen/${name}` });
const connect = (name: string) => ({ path: `/browser-server/connect/${name}` });
/** Answers to an open are DATA frames; so a frame that says a stream is over is one of these two. */
const over = (id: number) => (f: { id: number; flags: number }) => f.id === id && (f.flags & (RST | FIN)) !== 0;

/** A stream from one tab to another that has to go on, whatever a third does. */
async function witness(server: Page, client: Page, name: string) {
  await serveEcho(server, name);
  await client.evaluate(async (name) => {
    kept.mdm = bss.MuxDemux();
    kept.stream = bss.StreamClient(kept.mdm).connect(name);
    await kept.stream.opened;
  }, name);
  return async () => {
    const [sent, received] = await client.evaluate(() =>
      Promise.all([t.send(kept.stream.writable, 1, 1 << 20), t.receive(kept.stream.readable)]),
    );
    expect(received).toEqual(sent);
  };
}

/** What each kind of broken peer sends; `id` is a stream of its own to an echo. */
const violations: Record<string, (peer: MuxPeer, id: number) => void> = {
  window_violated: (peer, id) => {
    for (let i = 0; i < 6; i++) peer.send(DATA, 0, id, new Uint8Array(64 * KIB));
  },
  first_frame_over_the_window: (peer) => peer.send(DATA, SYN, 101, new Uint8Array(257 * KIB)),
  credit_overflow: (peer, id) => {
    peer.send(WINDOW, 0, id, 0xffff_ffff);
    peer.send(WINDOW, 0, id, 0xffff_ffff);
  },
  wrong_parity: (peer) => peer.send(WINDOW, SYN, 102),
  id_reuse: (peer, id) => peer.send(WINDOW, SYN, id),
  stream_zero: (peer) => peer.send(DATA, SYN, 0, new Uint8Array(4)),
  unknown_type: (peer) => peer.send(7, 0, 0),
  unknown_version: (peer) => peer.raw(Buffer.concat([Buffer.from([1]), frame(PING, SYN, 0, 1).subarray(1)])),
  data_after_its_own_finish: (peer, id) => {
    peer.send(DATA, FIN, id, new Uint8Array(0));
    peer.send(DATA, 0, id, new Uint8Array(1));
  },
};

test("threat_07_every_violation_of_the_mux_ends_that_session_only", async ({ tab, name, realProxy }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const goesOn = await witness(server, client, name);
  // It takes its open and then reads nothing, so that its clients' windows stay used.
  const sink = await MuxPeer.dial(realProxy.mux);
  await sink.listen(`${name}-sink`);
  for (const [kind, violate] of Object.entries(violations)) {
    const peer = await MuxPeer.dial(realProxy.mux);
    const id = peer.open(connect(`${name}-sink`));
    const far = await sink.accept();
    sink.send(DATA, 0, far.id, message({}));
    await peer.message(id);
    violate(peer, id);
    const away = await peer.frame(`GO_AWAY for ${kind}`, (f) => f.type === GO_AWAY);
    expect(away.length, kind).toBe(1);
    expect(await peer.closed, kind).toBe(1002);
    await sink.frame(`the sink to hear that ${kind} is over`, over(far.id));
  }
  await sink.close();
  await goesOn();
});

test("threat_07_what_is_merely_useless_is_dropped_without_an_answer", async ({ tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const peer = await MuxPeer.dial(realProxy.mux);
  peer.send(WINDOW, ACK, 77, 0);
  peer.send(DATA, 0, 79, new Uint8Array(100));
  peer.send(WINDOW, RST, 81, 4001);
  peer.send(WINDOW, 0, 83, 1000);
  peer.send(PING, ACK, 0, 99);
  const id = peer.open(connect(name), Buffer.from("still here"));
  await peer.message(id);
  const echo = await peer.frame("the echo", (f) => f.id === id && f.type === DATA && f.length > 0);
  expect(echo.body.toString()).toBe("still here");
  for (const dead of [77, 79, 81, 83]) expect(peer.has((f) => f.id === dead)).toBe(false);
  await peer.close();
});

test("threat_08_the_1025th_stream_of_a_session_is_refused_and_the_session_lives", async ({ tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const peer = await MuxPeer.dial(realProxy.mux);
  const ids = Array.from({ length: 1024 }, () => peer.open(connect(name)));
  for (const id of ids) expect(await peer.message(id)).toHaveProperty("id");
  const extra = peer.open(connect(name));
  // Refused without reading its open: the code is in the reset.
  const refusal = await peer.frame("the refusal", (f) => f.id === extra && (f.flags & RST) !== 0);
  expect(refusal.length).toBe(LIMIT);
  // One leaves, and the next is let in.
  peer.send(WINDOW, RST, ids[0] as number);
  const next = peer.open(connect(name), Buffer.from("in"));
  expect(await peer.message(next)).toHaveProperty("id");
  const echo = await peer.frame("the echo", (f) => f.id === next && f.type === DATA && f.length > 0);
  expect(echo.body.toString()).toBe("in");
  await peer.close();
});

test("threat_08_a_tab_that_opens_too_many_streams_hears_limit_and_keeps_the_others", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, name);
  const result = await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const streams = Array.from({ length: 1100 }, () => bss.StreamClient(mdm).connect(name));
    const codes = await Promise.all(streams.map(async (stream) => (await t.outcome(stream.opened)).code));
    const live = streams.filter((_, i) => codes[i] === "");
    const [sent, received] = await Promise.all([
      t.send(live[0]?.writable as WritableStream, 1, 1 << 20),
      t.receive(live[0]?.readable as ReadableStream),
    ]);
    return { live: live.length, refused: [...new Set(codes)].sort(), equal: sent.sha === received.sha };
  }, name);
  // One of the 1,024 is the session's own.
  expect(result).toEqual({ live: 1023, refused: ["", "limit"], equal: true });
});

test("threat_08_a_server_tab_at_its_limit_says_busy_and_stays_up", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const handler = bss.StreamServer(bss.MuxDemux(), { clientsMax: 100 }, (stream) => {
      stream.readable.pipeTo(stream.writable).catch(() => {});
    });
    await handler.listen(name).listening;
  }, name);
  const result = await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const streams = Array.from({ length: 150 }, () => bss.StreamClient(mdm).connect(name));
    const codes = await Promise.all(streams.map(async (stream) => (await t.outcome(stream.opened)).code));
    const live = streams.filter((_, i) => codes[i] === "");
    const [sent, received] = await Promise.all([
      t.send(live[0]?.writable as WritableStream, 1, 1 << 20),
      t.receive(live[0]?.readable as ReadableStream),
    ]);
    return {
      live: live.length,
      busy: codes.filter((code) => code === "busy").length,
      equal: sent.sha === received.sha,
    };
  }, name);
  expect(result).toEqual({ live: 100, busy: 50, equal: true });
});

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

test("threat_11_a_malformed_open_is_bad_request_and_the_session_lives", async ({ tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const path = `"path":"/browser-server/connect/${name}"`;
  const opens: Record<string, string | Uint8Array> = {
    "only the length of an open that is too long": Buffer.from([0x20, 0x01]),
    "the longest length": Buffer.from([0xff, 0xff]),
    empty: message(""),
    "not JSON": message("listen please"),
    "cut JSON": message(`{${path}`),
    "an array": message("[]"),
    "a string": message('"path"'),
    "no path": message("{}"),
    "a path that is a number": message('{"path":7}'),
    "not UTF-8": Buffer.concat([Buffer.from([0, 2]), Buffer.from([0xff, 0xfe])]),
    "bytes behind the object": message(`{${path}} {}`),
    "a key twice": message(`{${path},${path}}`),
    "a key twice in meta": message(`{${path},"meta":{"a":1,"a":2}}`),
    "a key twice in meta, once escaped": message(`{${path},"meta":{"a":1,"\\u0061":2}}`),
    "meta deeper than 16": message(`{${path},"meta":${nested(16)}}`),
    "deeper than the stack": message(`{${path},"meta":${nested(3900)}}`),
    "a wait that is none": message(`{${path},"wait":-1}`),
    "a wait that is a text": message(`{${path},"wait":"long"}`),
  };
  const peer = await MuxPeer.dial(realProxy.mux);
  let next = 1001;
  for (const [kind, bytes] of Object.entries(opens)) {
    const id = next;
    next += 2;
    peer.send(DATA, SYN, id, bytes as Uint8Array);
    expect(await peer.message(id), kind).toMatchObject({ error: { code: "bad_request" } });
    await peer.frame(`the end of the stream with ${kind}`, over(id));
    peer.send(WINDOW, RST, id);
  }
  const good = peer.open({ ...connect(name), meta: JSON.parse(nested(15)), unknown: { fields: "are ignored" } });
  expect(await peer.message(good)).toHaveProperty("id");
  await peer.close();
});

test("threat_11_the_longest_open_is_taken_and_one_byte_more_is_not", async ({ tab, name, realProxy }) => {
  await serveEcho(await tab(), name);
  const peer = await MuxPeer.dial(realProxy.mux);
  const sized = (size: number) => {
    const bare = JSON.stringify({ ...connect(name), meta: "" }).length;
    return { ...connect(name), meta: "m".repeat(size - bare) };
  };
  expect(await peer.message(peer.open(sized(8 * KIB)))).toHaveProperty("id");
  expect(await peer.message(peer.open(sized(8 * KIB + 1)))).toMatchObject({ error: { code: "bad_request" } });
  await peer.close();
});

test("threat_11_an_open_that_never_ends_is_refused_after_a_while", async ({ realProxy }) => {
  const peer = await MuxPeer.dial(realProxy.mux);
  peer.send(DATA, SYN, 1, message({ path: "/browser-server/connect/x" }).subarray(0, 20));
  expect(await peer.message(1)).toMatchObject({ error: { code: "bad_request" } });
  await peer.close();
});

test("threat_11_proto_in_meta_passes_and_writes_no_prototype", async ({ tab, name, realProxy }) => {
  const server = await tab();
  await server.evaluate(async (name) => {
    const told = t.gate<unknown>();
    kept.told = told.passed;
    const handler = bss.StreamServer(bss.MuxDemux(), (stream) => {
      const meta = stream.meta as Record<string, unknown>;
      told.open({
        own: Object.hasOwn(meta, "__proto__"),
        value: JSON.stringify(meta),
        plain: Object.getPrototypeOf(meta) === Object.prototype,
        polluted: "polluted" in {},
        id: typeof stream.id,
      });
    });
    await handler.listen(name).listening;
  }, name);
  const peer = await MuxPeer.dial(realProxy.mux);
  const path = connect(name).path;
  const id = peer.open(`{"path":"${path}","__proto__":{"polluted":1,"id":2},"meta":{"__proto__":{"polluted":1}}}`);
  expect(await peer.message(id)).toHaveProperty("id");
  expect(await server.evaluate(() => kept.told)).toEqual({
    own: true,
    value: '{"__proto__":{"polluted":1}}',
    plain: true,
    polluted: false,
    id: "string",
  });
  await peer.close();
});

test("threat_32_a_server_cannot_forge_the_id_of_its_client", async ({ tab, name, realProxy }) => {
  const client = await tab();
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  const connecting = client.evaluate(async (name) => {
    const stream = bss.StreamClient(bss.MuxDemux()).connect(name);
    await stream.opened;
    return stream.id;
  }, name);
  const { id, open } = await server.accept();
  server.send(DATA, 0, id, message({ id: "forged", capabilities: ["everything"] }));
  expect(await connecting).toBe(open.id);
  expect(open.id).not.toBe("forged");
  await server.close();
});

test("threat_32_a_server_refuses_only_with_the_codes_that_are_its_own", async ({ tab, name, realProxy }) => {
  const client = await tab();
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  const error = (code: unknown, text = "") => message({ error: { code, message: text } });
  const replies: [string, Uint8Array, string][] = [
    ...["busy", "forbidden", "bad_request", "gone"].map((code): [string, Uint8Array, string] => [
      code,
      error(code),
      code,
    ]),
    ...[
      "not_found",
      "name_taken",
      "unauthorized",
      "limit",
      "timeout",
      "lost",
      "superseded",
      "draining",
      "__proto__",
      "",
    ].map((code): [string, Uint8Array, string] => [`forged ${code}`, error(code), "internal"]),
    ["an application code", error(4001), "4001"],
    ["the number of one of ours", error(2), "internal"],
    ["a number with a fraction", error(4001.5), "internal"],
    ["a code that is an object", error({}), "internal"],
    ["no code", message({ error: {} }), "internal"],
    ["not JSON", message("come in"), "internal"],
    ["an array", message("[]"), "internal"],
    ["too deep", message(`{"id":${nested(17)}}`), "internal"],
    ["a key twice", message('{"id":"a","id":"b"}'), "internal"],
    ["too long", Buffer.from([0x20, 0x01]), "internal"],
  ];
  for (const [kind, reply, code] of replies) {
    const connecting = tryConnect(client, name);
    const { id } = await server.accept();
    server.send(DATA, 0, id, reply);
    expect((await connecting).code, kind).toBe(code);
  }
  await server.close();
});

test("threat_32_a_server_that_ends_a_stream_instead_of_a_reply", async ({ tab, name, realProxy }) => {
  const client = await tab();
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  const ends: [string, (id: number) => void, string][] = [
    ["a finish", (id) => server.send(DATA, FIN, id, new Uint8Array(0)), "internal"],
    ["a reset", (id) => server.send(WINDOW, RST, id), "busy"],
    ["half a reply and a finish", (id) => server.send(DATA, FIN, id, message({}).subarray(0, 3)), "internal"],
  ];
  for (const [kind, end, code] of ends) {
    const connecting = tryConnect(client, name);
    const { id } = await server.accept();
    end(id);
    expect((await connecting).code, kind).toBe(code);
  }
  await server.close();
});

test("threat_32_a_peer_resets_only_with_the_codes_that_are_its_own", async ({ tab, name, realProxy }) => {
  const client = await tab();
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  // 0, cancelled, gone, busy, limit and 256 and up pass; all else becomes internal.
  const codes: [number, string][] = [
    [0, "cancelled"],
    [15, "cancelled"],
    [12, "gone"],
    [9, "busy"],
    [8, "limit"],
    [256, "256"],
    [4001, "4001"],
    [0xffff_ffff, "4294967295"],
    [14, "lost"],
    [5, "forbidden"],
    [13, "superseded"],
    [16, "draining"],
    [200, "unknown"],
  ];
  for (const [number, text] of codes) {
    const ended = client.evaluate(async (name) => {
      kept.mdm ??= bss.MuxDemux();
      const stream = bss.StreamClient(kept.mdm).connect(name);
      // A reset takes along what is still queued, the reply included: `opened` tells the code where it was quicker.
      return await t.outcome(stream.opened.then(() => t.receive(stream.readable)));
    }, name);
    const { id } = await server.accept();
    server.send(DATA, 0, id, message({}));
    server.send(WINDOW, RST, id, number);
    const passes = number >= 256 || ["cancelled", "gone", "busy", "limit"].includes(text);
    expect((await ended).code, `${number}`).toBe(passes ? text : "internal");
  }
  await server.close();
});

test("threat_32_a_client_cannot_forge_its_id_its_peer_or_its_path", async ({ tab, name, realProxy }) => {
  const server = await MuxPeer.dial(realProxy.mux);
  await server.listen(name);
  const client = await MuxPeer.dial(realProxy.mux);
  client.open({ ...connect(name), id: "forged", peer: { subject: "admin" }, error: {}, resume: undefined });
  const { open } = await server.accept();
  expect(open.id).not.toBe("forged");
  expect(JSON.stringify(open.peer ?? {})).not.toContain("admin");
  expect(open.path).toBe(`/browser-server/accept/${name}`);
  expect(open).not.toHaveProperty("error");
  // Nobody opens an accept to a server but the proxy.
  const direct = client.open({ path: `/browser-server/accept/${name}`, id: "forged" });
  expect(await client.message(direct)).toMatchObject({ error: { code: "not_found" } });
  await tab();
  await Promise.all([client.close(), server.close()]);
});

test("a claim lives as long as its control stream, and is free at once when that is finished", async ({
  tab,
  name,
  realProxy,
}) => {
  const page = await tab();
  const peer = await MuxPeer.dial(realProxy.mux);
  const control = peer.open(listen(name));
  expect(await peer.message(control)).toHaveProperty("id");
  const second = peer.open(listen(name));
  expect(await peer.message(second)).toMatchObject({ error: { code: "name_taken" } });
  peer.send(DATA, FIN, control, new Uint8Array(0));
  await peer.frame("the proxy's finish of the claim", (f) => f.id === control && (f.flags & FIN) !== 0);
  await serveEcho(page, name);
  await peer.close();
});
