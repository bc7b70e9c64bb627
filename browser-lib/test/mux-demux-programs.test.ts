// What the programs in mux-demux's README do, over this library: each end of a pair has a mux, and streams go between the two.

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { Duplex as NodeDuplex } from "node:stream";
import { expect, it, vi } from "vitest";
import { type Duplex, MuxDemux, type Stream } from "../src/index.ts";
import { muxes, pair } from "./pair.ts";
import { until } from "./peer.ts";

it("'times': one end writes the time each second, the other prints what comes, with what it is called", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"], now: Date.UTC(2012, 0, 1) });
  const printed: unknown[] = [];
  const [client, server] = muxes({ encoding: "utf8" });
  server.on("stream", (stream, meta) => {
    stream.on("data", (text: string) => printed.push([meta, text]));
  });

  const times = client.createWriteStream("times");
  const clock = setInterval(() => times.write(new Date().toISOString()), 1000);

  for (let second = 1; second <= 3; second++) {
    vi.advanceTimersByTime(1000);
    await until("a line", () => printed.length === second);
  }
  clearInterval(clock);
  times.end();
  await times.closed;
  vi.useRealTimers();
  expect(printed).toEqual([1, 2, 3].map((second) => ["times", `2012-01-01T00:00:0${second}.000Z`]));
});

it("a duplex echo: what is written comes back on the same stream", async () => {
  const [client, server] = muxes({ encoding: "utf8", allowHalfOpen: false });
  server.on("stream", (stream) => stream.pipe(stream));
  const echo = client.createStream("echo");
  const heard: string[] = [];
  echo.on("data", (text: string) => heard.push(text));
  echo.write("hello ");
  echo.end("there");
  await new Promise<void>((resolve) => echo.on("close", resolve));
  expect(heard.join("")).toBe("hello there");
});

it("the accepting end chooses by meta what a stream is for, and reads or writes it", async () => {
  const [client, server] = muxes({ encoding: "utf8" });
  const log: string[] = [];
  server.on("stream", (stream, meta) => {
    const { type, name } = meta as { type: string; name?: string };
    if (type === "log") stream.on("data", (line: string) => log.push(line));
    else if (type === "greet") stream.end(`hello, ${name}`);
    else stream.error(`what is a ${type}?`);
  });
  const read = (stream: Stream): Promise<string> => new Response(stream.readable).text();
  expect(await read(client.createReadStream({ type: "greet", name: "Zoë" }))).toBe("hello, Zoë");
  const lines = client.createWriteStream({ type: "log" });
  lines.end("a line");
  await lines.closed;
  await until("the line", () => log.length === 1);
  expect(log).toEqual(["a line"]);
  await expect(read(client.createReadStream({ type: "riddle" }))).rejects.toThrow("what is a riddle?");
});

it("an error event: the other end of a stream hears what went wrong", async () => {
  const [client, server] = muxes();
  const heard: string[] = [];
  server.on("stream", (stream) => stream.on("error", (error) => heard.push(error.message)));
  const stream = client.createStream("doomed");
  await stream.opened;
  stream.error("the coffee is out");
  await until("the error", () => heard.length === 1);
  expect(heard).toEqual(["internal: the coffee is out"]);
});

it("an error event: a connection that breaks under its streams is an error on each", async () => {
  const [near, far] = pair();
  const client = MuxDemux(near, { role: "client" });
  const server = MuxDemux(far, { role: "server" });
  const heard: string[] = [];
  server.on("stream", (stream, meta) => stream.on("error", ({ code }) => heard.push(`${meta} ${code}`)));
  const streams = ["a", "b"].map((name) => client.createStream(name));
  await Promise.all(streams.map(({ opened }) => opened));
  client.abort();
  await until("both", () => heard.length === 2);
  expect(heard).toEqual(["a lost", "b lost"]);
});

it("close: the mux ends when its streams have", async () => {
  const [client, server] = muxes({ encoding: "utf8" });
  const order: string[] = [];
  server.on("stream", (stream) => stream.on("end", () => order.push("the stream's end")).resume());
  server.on("close", () => order.push("the mux's end"));
  const stream = client.createWriteStream();
  const closed = client.close();
  stream.end("the last");
  await closed;
  await until("both", () => order.length === 2);
  expect(order).toEqual(["the stream's end", "the mux's end"]);
});

it("over a TCP connection of Node's: its sockets are pairs by Duplex.toWeb", async () => {
  const over = (socket: NodeDuplex): Duplex => NodeDuplex.toWeb(socket) as Duplex;
  const heard: string[] = [];
  const listener = createServer((socket) => {
    const mux = MuxDemux(over(socket), { role: "server", encoding: "utf8" });
    mux.on("stream", (stream, meta) => stream.on("data", (text: string) => heard.push(`${meta}: ${text}`)));
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const socket = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const mux = MuxDemux(over(socket), { role: "client" });
  mux.createWriteStream("times").end("noon");
  await mux.close();
  await once(socket, "close");
  expect(heard).toEqual(["times: noon"]);
  listener.close();
});
