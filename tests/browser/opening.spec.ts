/** How a stream begins: names, ids, meta, and who gets a name. */

import { expect, serveEcho, test, tryConnect } from "./fixture.ts";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("every client has an id of its own, and both sides know it by that", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    await bss.StreamServer(bss.MuxDemux(), (stream) => t.say(stream.writable, stream.id as string)).listen(name)
      .listening;
  }, name);
  const pairs = await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    return await Promise.all(
      Array.from({ length: 100 }, async () => {
        const stream = bss.StreamClient(mdm).connect(name);
        await stream.opened;
        const told = await t.text(stream.readable);
        await stream.writable.close();
        return [stream.id, told];
      }),
    );
  }, name);
  for (const [own, told] of pairs) {
    expect(own).toBe(told);
    expect(own).toMatch(UUID_V4);
  }
  expect(new Set(pairs.map(([own]) => own)).size).toBe(100);
});

test("meta reaches the server as it was given", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    await bss
      .StreamServer(bss.MuxDemux(), (stream) => t.say(stream.writable, JSON.stringify({ meta: stream.meta })))
      .listen(name).listening;
  }, name);
  const metas = [{ file: "hello.txt", deep: [1, { two: "日本" }] }, "text", 7.5, true, null, [], {}];
  const told = await client.evaluate(
    async ({ name, metas }) => {
      const mdm = bss.MuxDemux();
      return await Promise.all(
        [...metas, undefined].map(async (meta) => {
          const stream = bss.StreamClient(mdm).connect(name, meta === undefined ? {} : { meta });
          return JSON.parse(await t.text(stream.readable));
        }),
      );
    },
    { name, metas },
  );
  expect(told).toEqual([...metas.map((meta) => ({ meta })), {}]);
});

test("a page opens a stream with meta by its path, and takes what no server took", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    mdm.on("stream", (stream, meta) => {
      kept.path = stream.path;
      kept.meta = meta;
      stream.readable.pipeTo(stream.writable);
    });
    await mdm.createStream(undefined, { path: `/browser-server/listen/${name}` }).opened;
  }, name);
  const echoed = await client.evaluate(async (name) => {
    const stream = bss.MuxDemux().createStream({ plain: true }, { path: `/browser-server/connect/${name}` });
    await t.say(stream.writable, "over a bare stream");
    return await t.text(stream.readable);
  }, name);
  expect(echoed).toBe("over a bare stream");
  expect(await server.evaluate(() => [kept.path, kept.meta])).toEqual([
    `/browser-server/accept/${name}`,
    { plain: true },
  ]);
});

test("a page without a listener refuses a stream as not_found", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    await bss.MuxDemux().createStream(undefined, { path: `/browser-server/listen/${name}` }).opened;
  }, name);
  // The proxy lets no server say not_found in place of it: a server that has no server for its own name is broken.
  expect(await tryConnect(client, name)).toMatchObject({ ok: false, code: "internal" });
});

test("accept sees the open before the client is let in", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await server.evaluate(async (name) => {
    const accept = (open: { meta?: unknown }) => (open.meta === "please" ? true : "forbidden");
    await bss.StreamServer(bss.MuxDemux(), { accept }, () => {}).listen(name).listening;
  }, name);
  const codes = await client.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const ask = (meta: string) => t.outcome(bss.StreamClient(mdm).connect(name, { meta }).opened);
    return [(await ask("please")).ok, (await ask("now")).code];
  }, name);
  expect(codes).toEqual([true, "forbidden"]);
});

test("one tab serves two names, and one name is free again when its server ends", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  const said = await server.evaluate(async (name) => {
    const mdm = bss.MuxDemux();
    const serve = (word: string) => bss.StreamServer(mdm, (stream) => t.say(stream.writable, word));
    const [one, two] = [serve("one"), serve("two")];
    await Promise.all([one.listen(`${name}-1`).listening, two.listen(`${name}-2`).listening]);
    const ask = (which: string) => t.text(bss.StreamClient(mdm).connect(which).readable);
    const both = await Promise.all([ask(`${name}-1`), ask(`${name}-2`)]);
    one.end();
    return both;
  }, name);
  expect(said).toEqual(["one", "two"]);
  await expect
    .poll(async () => {
      try {
        await serveEcho(client, `${name}-1`);
        return "claimed";
      } catch {
        return "taken";
      }
    })
    .toBe("claimed");
});

test("threat_01_of_two_claims_that_race_exactly_one_wins", async ({ tab, name }) => {
  const pages = await Promise.all([tab(), tab(), tab()]);
  for (let round = 0; round < 10; round++) {
    const outcomes = await Promise.all(
      pages.map((page) =>
        page.evaluate(async (name) => {
          kept.mdm ??= bss.MuxDemux();
          return (await t.outcome(bss.StreamServer(kept.mdm, () => {}).listen(name).listening)).code;
        }, `${name}-${round}`),
      ),
    );
    expect(outcomes.sort()).toEqual(["", "name_taken", "name_taken"]);
  }
});

test("threat_05_strange_but_valid_names_reach_exactly_their_server", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  // `a%2Fb` is a name of its own: what looks encoded is not decoded twice.
  const names = [
    "constructor",
    "toString",
    "__proto__",
    "hasOwnProperty",
    "a/b",
    "a%2Fb",
    "日本",
    "%2e%2e",
    "a b",
    "...",
  ];
  names.push("?x=1&y", "x".repeat(128), "é", "ß", "🙂", "<b>&amp;</b>", "\\", "'\"", `${name}:*`);
  const wrong = await server.evaluate(async (names) => {
    const mdm = bss.MuxDemux();
    const failed: string[] = [];
    for (const one of names) {
      const outcome = await t.outcome(
        bss.StreamServer(mdm, (stream) => t.say(stream.writable, `served ${one}`)).listen(one).listening,
      );
      if (!outcome.ok) failed.push(`${one}: ${outcome.code}`);
    }
    return failed;
  }, names);
  expect(wrong).toEqual([]);
  const said = await client.evaluate(async (names) => {
    const mdm = bss.MuxDemux();
    return await Promise.all(names.map((one) => t.text(bss.StreamClient(mdm).connect(one).readable)));
  }, names);
  expect(said).toEqual(names.map((one) => `served ${one}`));
});

test("threat_05_the_nfc_and_the_nfd_form_are_one_name", async ({ tab, name }) => {
  const [server, client] = await Promise.all([tab(), tab()]);
  await serveEcho(server, `${name}-\u00e9`);
  expect(await tryConnect(client, `${name}-e\u0301`)).toMatchObject({ ok: true });
});

test("threat_05_names_that_are_none_are_bad_request_for_listen_and_connect", async ({ tab }) => {
  const page = await tab();
  const names = ["", ".", "..", "x".repeat(129), "日".repeat(43), "a\u0000", "a\nb", "\u007f", "a\u202eb", "a\u200bb"];
  // What stands behind a # is a key.
  names.push("\u2066a", "\ufeff", "a\u200d", "a#b", "#", "?x=1#y");
  const codes = await page.evaluate(async (names) => {
    const mdm = bss.MuxDemux();
    const attempt = async (make: () => PromiseLike<unknown>) => {
      try {
        return (await t.outcome(make())).code;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const all = names.map(async (one) => [
      await attempt(() => bss.StreamServer(mdm, () => {}).listen(one).listening),
      await attempt(() => bss.StreamClient(mdm).connect(one).opened),
    ]);
    return await Promise.all(all);
  }, names);
  expect(codes).toEqual(names.map(() => ["bad_request", "bad_request"]));
});
