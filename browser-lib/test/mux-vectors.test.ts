import { describe, expect, it } from "vitest";
import { Connection } from "../src/mux/connection.ts";
import { Outbound, u32, Violation } from "../src/mux/frame.ts";
import { fromHex, toHex, vectors } from "./vectors.ts";

type Id = number;
type Event = [kind: string, ...rest: (string | number)[]];

interface Step {
  receive?: string;
  zeros?: number;
  events?: Event[];
  violation?: string;
  open?: Id | null;
  send?: [Id, string];
  send_zeros?: [Id, number];
  finish?: Id;
  reset?: [Id, number];
  reset_behind?: [Id, number];
  grant?: [Id, number];
  consumed?: [Id, number];
  ping?: number;
  go_away?: number;
  transmit?: string;
  transmit_summary?: [number, number, Id, number][];
  live?: number;
}

interface Script {
  name: string;
  role: "opener" | "acceptor";
  steps: Step[];
}

/** One connection under a script; what it hears is written down as the vectors have it. */
class Play {
  readonly #core: Connection<Id>;
  readonly #maxPart: number;
  #events: Event[] = [];
  #unansweredPing = false;

  constructor(role: Script["role"], maxPart: number) {
    this.#maxPart = maxPart;
    const note = (...event: Event) => void this.#events.push(event);
    this.#core = new Connection<Id>(
      role,
      {
        opened: (id) => {
          note("opened", id);
          return id;
        },
        data: (id, bytes) => this.#data(id, toHex(bytes)),
        finished: (id) => note("finished", id),
        reset: (id, code) => note("reset", id, code),
        credit: (id) => note("credit", id),
        ended: () => {},
        sent: () => {},
        pong: () => {
          this.#unansweredPing = false;
          note("pong");
        },
        goAway: (code) => note("goaway", code),
      },
      0,
    );
  }

  step(step: Step): void {
    if (step.receive !== undefined) this.#receive(step);
    if (step.open !== undefined)
      expect(this.#core.takesStreams ? this.#core.open(step.open ?? 0) : null).toBe(step.open);
    if (step.send) this.#core.send(step.send[0], fromHex(step.send[1]));
    if (step.send_zeros) this.#core.send(step.send_zeros[0], new Uint8Array(step.send_zeros[1]));
    if (step.finish !== undefined) this.#core.finish(step.finish);
    if (step.reset) this.#core.reset(...step.reset);
    if (step.reset_behind) this.#core.resetBehind(...step.reset_behind);
    if (step.grant) this.#core.grant(...step.grant);
    if (step.consumed) this.#core.consumed(...step.consumed);
    if (step.ping !== undefined) this.#ping(step.ping);
    if (step.go_away !== undefined) this.#core.goAway(step.go_away);
    if (step.transmit !== undefined) expect(toHex(this.#transmit())).toBe(step.transmit);
    if (step.transmit_summary) expect(summary(this.#transmit())).toEqual(step.transmit_summary);
    if (step.live !== undefined) expect(this.#core.size).toBe(step.live);
  }

  #receive(step: Step): void {
    this.#events = [];
    const head = fromHex(step.receive ?? "");
    const input = new Uint8Array(head.length + (step.zeros ?? 0));
    input.set(head);
    let violation: string | undefined;
    try {
      for (let at = 0; at < input.length; at += this.#maxPart) {
        this.#core.receive(input.subarray(at, at + this.#maxPart), 0);
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      violation = error.kind;
    }
    expect(this.#events).toEqual(joined(step.events ?? []));
    expect(violation).toBe(step.violation);
  }

  #data(id: Id, hex: string): void {
    const last = this.#events.at(-1);
    if (last?.[0] === "data" && last[1] === id) last[2] = `${last[2]}${hex}`;
    else this.#events.push(["data", id, hex]);
  }

  /** Rust's core has one ping under way at most; here a session has one behind every 256 KiB, and asks for no more than that. */
  #ping(token: number): void {
    if (this.#unansweredPing) return;
    this.#unansweredPing = true;
    expect(this.#core.ping(0)).toBe(token);
  }

  #transmit(): Uint8Array {
    const out = new Outbound(8 * 1024 * 1024);
    this.#core.transmit(out);
    return out.bytes.subarray(0, out.length);
  }
}

/** Zero bytes spelled out, and parts of the same data put together. */
function joined(events: Event[]): Event[] {
  const all: Event[] = [];
  for (const [kind, ...rest] of events) {
    const [id, value] = rest;
    const event: Event = kind === "zeros" ? ["data", id ?? 0, "00".repeat(Number(value))] : [kind, ...rest];
    const last = all.at(-1);
    if (event[0] === "data" && last?.[0] === "data" && last[1] === event[1]) last[2] = `${last[2]}${event[2]}`;
    else all.push(event);
  }
  return all;
}

function summary(bytes: Uint8Array): [number, number, Id, number][] {
  const frames: [number, number, Id, number][] = [];
  for (let at = 0; at < bytes.length; ) {
    const [kind = 0, length] = [bytes[at + 1], u32(bytes, at + 8)];
    frames.push([kind, ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0), u32(bytes, at + 4), length]);
    at += 12 + (kind === 0 ? length : 0);
  }
  return frames;
}

function replay(script: Script, maxPart: number): void {
  const play = new Play(script.role, maxPart);
  for (const step of script.steps) play.step(step);
}

const scripts = vectors<Script[]>("mux");

describe("the scripts that Rust plays, too", () => {
  it.each(scripts)("$name", (script) => replay(script, Number.POSITIVE_INFINITY));
});

describe("the same scripts, one byte at a time", () => {
  const short = scripts.filter(({ steps }) => steps.every(({ zeros = 0 }) => zeros < 100_000));
  it.each(short)("$name", (script) => replay(script, 1));
});
