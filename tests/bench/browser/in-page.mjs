/** The page's side of every transfer: one self-contained function, because its text is sent into the page. */

/** Puts `bench` on the global object. Each transfer gives milliseconds. */
export function install() {
  const CHUNK = 64 * 1024;
  /** How much a bare sender lets the WebSocket hold: it does not run dry between two looks, which a page's timers put 4 ms apart. */
  const AHEAD = 4 * 1024 * 1024;

  /** Dials the bare relay and says what is wanted. @param {string} url @param {object} wish @returns {Promise<WebSocket>} */
  function open(url, wish) {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    return new Promise((resolve, reject) => {
      socket.onopen = () => {
        socket.send(new TextEncoder().encode(JSON.stringify(wish)));
        resolve(socket);
      };
      socket.onerror = () => reject(new Error(`no WebSocket at ${url}`));
    });
  }

  /** Until `total` bytes came over a bare WebSocket. @param {string} url @param {number} total */
  async function bareDown(url, total) {
    const socket = await open(url, { down: total });
    const start = performance.now();
    let left = total;
    await new Promise((resolve) => {
      socket.onmessage = (event) => {
        left -= event.data.byteLength;
        if (left <= 0) resolve(undefined);
      };
    });
    const took = performance.now() - start;
    socket.close();
    return took;
  }

  /** Until the far end has `total` bytes that were sent over a bare WebSocket. @param {string} url @param {number} total */
  async function bareUp(url, total) {
    const socket = await open(url, { up: total });
    const chunk = new Uint8Array(CHUNK);
    const all = new Promise((resolve) => {
      socket.onmessage = resolve;
    });
    const start = performance.now();
    for (let left = total; left > 0; ) {
      for (; left > 0 && socket.bufferedAmount < AHEAD; left -= CHUNK) socket.send(chunk);
      await new Promise((resolve) => setTimeout(resolve));
    }
    await all;
    const took = performance.now() - start;
    socket.close();
    return took;
  }

  /** @type {Map<string, any>} */
  const sessions = new Map();

  /**
   * A stream over the one session that this page has with that proxy; a fragment of its URL says what carries that.
   *
   * @param {string} url @param {string} name @param {object} meta @param {boolean} resume
   */
  async function connect(url, name, meta, resume = true) {
    const { bss } = globalThis;
    const carrier = /** @type {import("browser-stream-server").Carrier} */ (new URL(url).hash.slice(1));
    if (!sessions.has(url)) sessions.set(url, bss.MuxDemux(url, carrier ? { carriers: [carrier] } : {}));
    const sealed = name.startsWith("sealed-");
    const stream = bss.StreamClient(sessions.get(url)).connect(name, { meta, resume, sealed });
    await stream.opened;
    return stream;
  }

  /**
   * Until `total` bytes were read from a stream, counted from when `skip` of them were.
   *
   * @param {string} url @param {number} total @param {string} name @param {number} skip @param {boolean} resume
   */
  async function oursDown(url, total, name, skip = 0, resume = true) {
    const stream = await connect(url, name, { down: total }, resume);
    let start = performance.now();
    const reader = stream.readable.getReader();
    for (let count = 0; count < total; ) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`${count} bytes came`);
      if (count < skip && count + value.length >= skip) start = performance.now();
      count += value.length;
    }
    const took = performance.now() - start;
    await stream.writable.close();
    return took;
  }

  /**
   * Until the far end has read `total` bytes that were written to a stream, counted from when `skip` of them had left.
   *
   * @param {string} url @param {number} total @param {string} name @param {number} skip @param {boolean} resume
   */
  async function oursUp(url, total, name, skip = 0, resume = true) {
    const stream = await connect(url, name, {}, resume);
    const chunk = new Uint8Array(CHUNK);
    const writer = stream.writable.getWriter();
    let start = performance.now();
    for (let count = 0; count < total; count += CHUNK) {
      if (count === skip) start = performance.now();
      await writer.ready;
      writer.write(chunk);
    }
    await writer.close();
    const arrived = await new Response(stream.readable).text();
    if (Number(arrived) !== total) throw new Error(`${arrived} bytes arrived`);
    return performance.now() - start;
  }

  /**
   * Milliseconds of each ping-pong of 64 bytes beside a stream of the same session that moves all it can one way, once `fill` ms have passed and
   * for `span` more.
   *
   * @param {string} url @param {string} name @param {"Down" | "Up"} way @param {number} fill @param {number} span
   */
  async function pings(url, name, way, fill, span) {
    const bulk = await connect(url, name, way === "Down" ? { down: Number.MAX_SAFE_INTEGER } : {});
    const echo = await connect(url, name, { echo: true });
    const moving = (way === "Down" ? drink(bulk) : pour(bulk)).catch(() => {});
    const [reader, writer] = [echo.readable.getReader(), echo.writable.getWriter()];
    const times = [];
    for (const end = performance.now() + fill + span; performance.now() < end; ) {
      const start = performance.now();
      writer.write(new Uint8Array(64));
      for (let got = 0; got < 64; ) got += (await reader.read()).value?.length ?? Number.NaN;
      if (start > end - span) times.push(performance.now() - start);
    }
    bulk.reset();
    echo.reset();
    await moving;
    return times;
  }

  /** @param {any} stream */
  async function drink(stream) {
    for await (const _ of stream);
  }

  /** @param {any} stream */
  async function pour(stream) {
    const writer = stream.writable.getWriter();
    const chunk = new Uint8Array(CHUNK);
    for (;;) {
      await writer.ready;
      writer.write(chunk).catch(() => {});
    }
  }

  /** How often a chain of timers of 10 ms ran in a second, over `ms` of the clock. @param {number} ms */
  function ticks(ms) {
    const start = performance.now();
    let count = 0;
    return new Promise((resolve) => {
      const tick = () => {
        const passed = performance.now() - start;
        if (passed >= ms) resolve((count * 1000) / passed);
        else setTimeout(tick, 10);
        count++;
      };
      setTimeout(tick, 10);
    });
  }

  Object.assign(globalThis, { bench: { bareDown, bareUp, oursDown, oursUp, pings, ticks } });
}
