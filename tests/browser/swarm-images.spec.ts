/** `swarmImages`: which images of a page are fetched when, what the page notices of it, and that no image is missing that its origin has. The swarm behind it is made up. */

import { expect, type Page, test } from "./fixture.ts";

/** A picture of one point. */
const POINT = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

/** A page of these images over a swarm that answers when it is told to: `kept.wanted` says what was asked for and in which order, `kept.happened` what the page noticed. */
async function show(page: Page, html: string, options: { atOnce?: number } = {}): Promise<void> {
  await page.route("**/origin/*", (route) => {
    const isThere = !route.request().url().includes("missing");
    return isThere ? route.fulfill({ contentType: "image/png", body: POINT }) : route.fulfill({ status: 404 });
  });
  await page.evaluate(
    async ({ html, options, point }) => {
      const { swarmImages } = await import("/browser-stream-server-swarm.js");
      const blob = new Blob([Uint8Array.from(atob(point), (letter) => letter.charCodeAt(0))]);
      const sources = {
        peers: blob.size,
        direct: 0,
        proxy: blob.size,
        origin: 0,
        kept: 0,
        pieces: ["proxy"],
        perPeer: {},
      };
      [kept.wanted, kept.happened, kept.answers, kept.aborted] = [[], [], new Map(), []];
      document.body.innerHTML = html;
      const far = document.getElementById("far");
      if (far) far.style.blockSize = "9000px";
      const hear = (event: Event) => kept.happened.push(`${event.type} ${(event.target as Element).id}`);
      for (const type of ["load", "error"]) document.body.addEventListener(type, hear, true);
      const swarm = {
        fetch: (id: string, { origin, signal }: { origin?: string; signal: AbortSignal }) => {
          kept.wanted.push(id);
          kept.origin = origin;
          const { promise, resolve, reject } = Promise.withResolvers();
          kept.answers.set(id, (what: Blob | undefined = blob) => resolve(what));
          kept.refuse = (id: string) => kept.answers.get(id) && reject(new bss.StreamError("not_found"));
          signal.addEventListener("abort", () => {
            kept.aborted.push(id);
            reject(new bss.StreamError("cancelled"));
          });
          return { blob: () => promise, sources };
        },
      };
      // biome-ignore lint/suspicious/noExplicitAny: only what it calls
      kept.images = swarmImages(swarm as any, undefined, options);
      kept.images.on("image", ({ id }: { id: string }) => kept.happened.push(`image ${id}`));
      kept.images.on("failed", ({ id, error }: { id: string; error: { code: string } }) =>
        kept.happened.push(`failed ${id} ${error.code}`),
      );
    },
    { html, options, point: POINT.toString("base64") },
  );
}

const wanted = (page: Page) => page.evaluate(() => kept.wanted);
const happened = (page: Page) => page.evaluate(() => kept.happened);
const give = (page: Page, id: string) => page.evaluate((id) => kept.answers.get(id)(), id);
const image = (id: string, more = "") =>
  `<img id="${id}" data-swarm="${id}" data-src="/origin/${id}" alt="${id}" width="100" height="100" ${more}>`;

test("what is seen comes first, then the rest, and what is lazy when somebody is about to see it", async ({ tab }) => {
  const page = await tab();
  await show(page, `${image("a")}<p id="far"></p>${image("c", "loading=lazy")}${image("d")}${image("e")}`, {
    atOnce: 1,
  });
  await expect.poll(() => wanted(page)).toEqual(["a"]);
  await give(page, "a");
  await expect.poll(() => wanted(page), "one at a time").toEqual(["a", "d"]);
  await page.evaluate(async () => {
    document.getElementById("e")?.scrollIntoView({ block: "end" });
    // What is seen is told with a picture of the page, to all who want to know it at once.
    await new Promise<void>((resolve) => {
      const seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && resolve(), {
        rootMargin: "75% 0px",
      });
      seen.observe(document.getElementById("c") as Element);
    });
  });
  await give(page, "d");
  await expect.poll(() => wanted(page), "in the order of the page among those that are near").toEqual(["a", "d", "c"]);
  await give(page, "c");
  await expect.poll(() => wanted(page)).toEqual(["a", "d", "c", "e"]);
  await give(page, "e");
  await page.evaluate(() => kept.images.done);
});

test("an image that is lazy and far away holds nobody up", async ({ tab }) => {
  const page = await tab();
  await show(page, `${image("a")}<p id="far"></p>`);
  await page.evaluate(() => {
    const lazy = new Image();
    Object.assign(lazy, { id: "z", loading: "lazy", alt: "z" });
    Object.assign(lazy.dataset, { swarm: "z", src: "/origin/z" });
    document.body.append(lazy);
  });
  await expect.poll(() => wanted(page)).toEqual(["a"]);
  await give(page, "a");
  await page.evaluate(() => kept.images.done);
  expect(await wanted(page)).toEqual(["a"]);
});

test("an image loads once, keeps its text and size, and its address is let go of", async ({ tab }) => {
  const page = await tab();
  await page.evaluate(() => {
    const [create, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
    kept.live = new Set();
    URL.createObjectURL = (blob) => {
      const url = create.call(URL, blob);
      kept.live.add(url);
      return url;
    };
    URL.revokeObjectURL = (url) => {
      kept.live.delete(url);
      revoke.call(URL, url);
    };
  });
  await show(page, image("a"));
  await expect.poll(() => wanted(page)).toEqual(["a"]);
  expect(await page.evaluate(() => kept.origin)).toBe(new URL("/origin/a", page.url()).href);
  await give(page, "a");
  await expect.poll(() => happened(page)).toEqual(["load a", "image a"]);
  const img = page.getByAltText("a");
  expect(await img.evaluate((img: HTMLImageElement) => [img.naturalWidth, img.width, img.height])).toEqual([
    1, 100, 100,
  ]);
  expect(await page.evaluate(() => kept.live.size)).toBe(0);
});

test("threat_25_an_image_that_nobody_can_give_or_that_is_none_is_left_to_its_origin", async ({ tab }) => {
  const page = await tab();
  await show(page, image("a") + image("b") + image("missing"));
  await expect.poll(() => wanted(page)).toEqual(["a", "b", "missing"]);
  await page.evaluate(() => {
    kept.answers.get("a")(Promise.reject(new bss.StreamError("not_found")));
    kept.answers.get("b")(new Blob(["no image"]));
    kept.answers.get("missing")(Promise.reject(new bss.StreamError("lost")));
  });
  await expect
    .poll(async () => (await happened(page)).toSorted())
    .toEqual(["error missing", "failed a not_found", "failed b internal", "failed missing lost", "load a", "load b"]);
  await page.evaluate(() => kept.images.done);

  // What came to nothing is tried again, and what is shown is not.
  await page.evaluate(() => {
    [kept.wanted, kept.happened] = [[], []];
    kept.images.retry();
  });
  await expect.poll(() => wanted(page)).toEqual(["missing"]);
  await give(page, "missing");
  await expect.poll(() => happened(page)).toEqual(["load missing", "image missing"]);
});

test("images that come later are taken, those that go are given up, and another id is another image", async ({
  tab,
}) => {
  const page = await tab();
  await show(page, image("a"));
  await expect.poll(() => wanted(page)).toEqual(["a"]);
  await page.evaluate((html) => document.body.insertAdjacentHTML("beforeend", html), `<p>${image("b")}</p>`);
  await expect.poll(() => wanted(page)).toEqual(["a", "b"]);
  await page.evaluate(() => document.getElementById("a")?.remove());
  await expect.poll(() => page.evaluate(() => kept.aborted)).toEqual(["a"]);
  await give(page, "b");
  await expect.poll(() => happened(page)).toEqual(["load b", "image b"]);
  await page.evaluate(() => {
    (document.getElementById("b") as HTMLElement).dataset.swarm = "c";
  });
  await expect.poll(() => wanted(page)).toEqual(["a", "b", "c"]);
  await give(page, "c");
  await expect.poll(() => happened(page)).toEqual(["load b", "image b", "load b", "image c"]);
});

test("an image that the browser chooses or has loaded already is left alone, and one that is on its way is taken over", async ({
  tab,
}) => {
  const page = await tab();
  const chosen = `<img id="chosen" data-swarm="chosen" data-src="/origin/chosen" srcset="/origin/large 2x, /origin/small 1x" alt="x">`;
  await show(page, chosen);
  await expect.poll(() => happened(page)).toEqual(["load chosen"]);
  await page.evaluate(async () => {
    const early = Object.assign(new Image(), { id: "early", src: "/origin/early" });
    await new Promise((resolve) => early.addEventListener("load", resolve));
    early.dataset.swarm = "early";
    const plain = Object.assign(new Image(), { id: "plain", src: "/origin/plain" });
    plain.dataset.swarm = "plain";
    document.body.append(early, plain);
  });
  await expect.poll(() => wanted(page)).toEqual(["plain"]);
  await give(page, "plain");
  await expect.poll(() => happened(page)).toEqual(["load chosen", "load plain", "image plain"]);
});

test("who closes it leaves what did not come yet to its origin", async ({ tab }) => {
  const page = await tab();
  await show(page, image("a") + image("b"), { atOnce: 1 });
  await expect.poll(() => wanted(page)).toEqual(["a"]);
  await page.evaluate(() => {
    kept.images.close();
    return kept.images.done;
  });
  await expect.poll(async () => (await happened(page)).toSorted()).toEqual(["load a", "load b"]);
  expect(await page.evaluate(() => kept.aborted)).toEqual(["a"]);
});

test("an id that is none, or of something else than the origin has, is told once with what to do", async ({ tab }) => {
  const page = await tab();
  const warned: string[] = [];
  page.on("console", (said) => said.type() === "warning" && warned.push(said.text()));
  await page.route("**/origin/*", (route) => route.fulfill({ contentType: "image/png", body: POINT }));
  const codes = await page.evaluate(
    async ({ html }) => {
      const { swarmImages } = await import("/browser-stream-server-swarm.js");
      document.body.innerHTML = html;
      kept.mdm = bss.MuxDemux();
      const images = swarmImages(kept.mdm, undefined, { swarm: { store: "memory" } });
      const codes: string[] = [];
      images.on("failed", ({ img, error }) => codes.push(`${img.alt} ${error.code}`));
      await images.done;
      for (const img of document.images) if (!img.complete) await new Promise((resolve) => (img.onload = resolve));
      return [...codes.sort(), ...Array.from(document.images, ({ naturalWidth }) => naturalWidth)];
    },
    { html: image("xyz") + image("ab".repeat(32)).replaceAll('alt="abab', 'alt="stale abab') },
  );
  expect(codes).toEqual([`stale ${"ab".repeat(32)} tampered`, "xyz bad_request", 1, 1]);
  expect(warned).toHaveLength(1);
  expect(warned[0]).toContain("bss seed PAGE.html");
});
