// The receiver: what is shared under a code, whether the sender is there, and the files that come.

import { type MuxDemux, type Stream, StreamClient, StreamError } from "browser-stream-server";
import { Channel } from "browser-stream-server/channel";
import { dial } from "../token.ts";
import { type Invitation, type Place, placeOf } from "./code.ts";
import type { Bytes } from "./digest.ts";
import { heldOf, isFree } from "./held.ts";
import { Incoming } from "./incoming.ts";
import { type Ask, type Listed, PIECE, readSaid } from "./wire.ts";

/**
 * Nothing is known yet; nobody serves under the code; the list is there; the sender's connection is away, or its page was closed; it stopped; we may not, or
 * do not understand it.
 */
export type Presence = "looking" | "nobody" | "here" | "away" | "gone" | "over" | "refused";

const AGAIN_MS = 1_000;
const WAIT_MS = 10_000;
/** How long a sender that is not to be found after a connection broke may be about to come back. */
const BACK_MS = 120_000;

/** The sender is not there. What came is kept. */
export class Gone extends Error {
  override readonly name = "Gone";
}

export class Exchange {
  readonly mdm: MuxDemux;
  presence: Presence = "looking";
  /** Why it is over or refused. */
  reason = "";
  /** The sender starts everybody together, later. */
  waits = false;
  piece = PIECE;
  readonly files = new Map<string, Incoming>();
  /** What was asked for on the page before this one, by ids. */
  readonly #wanted: Set<string>;
  readonly #client: StreamClient;
  readonly #self: { me: string; as: string };
  readonly #changed: () => void;
  #place: Place = { name: "", key: "" };
  /** Where streams go: with the key of the link, if there is one, else the sender's first answer is believed. */
  #address = "";
  readonly #pins = new Map<string, string>();
  #list: Stream | undefined;
  #wake: (() => void)[] = [];
  /** Our connection broke since the sender was seen last: so may theirs, and who comes back first finds nobody. */
  #isUnsure = false;
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(
    { prefix }: { prefix?: string },
    self: { me: string; as: string },
    changed: () => void,
    wanted: string[] = [],
  ) {
    this.#wanted = new Set(wanted);
    this.mdm = dial();
    this.#client = StreamClient(this.mdm, { prefix });
    this.#self = self;
    this.#changed = changed;
    this.mdm.on("state", (state) => {
      if (state === "waiting") this.#isUnsure = true;
      changed();
    });
  }

  get name(): string {
    return this.#place.name;
  }

  /** What is asked for and not here, for the page after this one. */
  get wanted(): string[] {
    const asked = [...this.files].filter(([, { state, isRunning }]) => state === "waiting" || isRunning);
    return [...this.#wanted, ...asked.map(([id]) => id)];
  }

  /** Looks for the sender, and goes on looking while the page is there. */
  async run({ code, key }: Invitation): Promise<void> {
    this.#place = await placeOf(code);
    this.#address = key ? `${this.name}#${key}` : this.name;
    for await (const state of this.#client.watch(this.name)) {
      if (this.presence === "refused") return;
      if (state === "gone") this.#missed();
      else {
        this.#isUnsure = false;
        if (state === "up") this.#list ? this.#become("here") : void this.#look();
        else if (this.presence !== "over") this.#become("away");
      }
    }
  }

  /** Nobody has the name. */
  #missed(): void {
    if (this.presence === "over") return;
    const mayReturn = this.#isUnsure && (this.presence === "here" || this.presence === "away");
    this.#become(mayReturn ? "away" : this.files.size ? "gone" : "nobody");
    if (mayReturn) this.#patience = setTimeout(() => this.#become("gone"), BACK_MS);
  }

  /** Resolves when the sender is there. Rejects {@link Gone} when it is no more, or when `signal` aborts. */
  async here(signal: AbortSignal): Promise<void> {
    while (this.presence !== "here") {
      signal.throwIfAborted();
      if (this.presence !== "away" && this.presence !== "looking") throw new Gone(this.reason);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }

  get(file: Listed, from: number, have: string | undefined, channel: boolean): Stream {
    const more = have === undefined ? {} : { have };
    return this.#connect({ ...this.#ask("get"), file: file.id, from, sealedChannel: channel, ...more });
  }

  /** The messages of a channel, whole. */
  async *subscribe(name: string, signal: AbortSignal): AsyncGenerator<Bytes, void, undefined> {
    for await (const { data } of Channel(this.mdm).subscribe(name, { signal }).whole()) yield data;
  }

  /** Starts the first that waits, if none is coming. */
  schedule(): void {
    const all = [...this.files.values()];
    if (!all.some(({ isRunning }) => isRunning)) void all.find(({ state }) => state === "waiting")?.run();
  }

  /** All that is said, the key of the code too, the sender alone can read. */
  #connect(meta: object): Stream {
    return this.#client.connect(this.#address, { wait: WAIT_MS, sealed: { meta, pins: this.#pins } });
  }

  #ask(what: Ask["do"]): Ask {
    return { exchange: 1, key: this.#place.key, ...this.#self, do: what };
  }

  /** Follows the list as long as it lasts. */
  async #look(): Promise<void> {
    const stream = this.#connect(this.#ask("list"));
    this.#list = stream;
    try {
      const values = stream.values();
      for await (const value of values) await this.#hear(value);
      values.end();
      if (this.presence === "here") this.#become("away");
    } catch (error) {
      this.#failed(error);
    }
    this.#list = undefined;
    if (this.presence !== "over" && this.presence !== "refused")
      setTimeout(() => this.#list ?? void this.#look(), AGAIN_MS);
  }

  #failed(error: unknown): void {
    const code = error instanceof StreamError ? error.code : "";
    if (code === "tampered" || code === "key_changed") {
      this.reason =
        code === "tampered"
          ? "Somebody between you altered what was said, and nothing of it was taken."
          : "Whoever answers is not the one whose link you have: its key is another.";
      this.#become("refused");
    } else if (code === "forbidden" || code === "bad_request" || !code) {
      this.reason = error instanceof StreamError ? error.detail : String(error);
      this.#become("refused");
    } else if (this.presence === "here") this.#become("away");
  }

  async #hear(value: unknown): Promise<void> {
    const said = readSaid(value);
    if (said?.type === "bye") {
      this.reason = said.reason;
      return this.#become("over");
    }
    if (!said) return;
    const held = await heldOf(this.name);
    this.piece = said.piece;
    this.waits = said.waits;
    for (const file of said.files) {
      const there = this.files.get(file.id);
      const incoming = there ?? new Incoming(file, this, this.#changed);
      this.files.set(file.id, incoming);
      incoming.isListed = true;
      // What was asked for when the page was reloaded goes on by itself.
      const wasAsked = this.#wanted.delete(file.id);
      if (!there && (wasAsked || (held.has(file.id) && (await isFree(file.id))))) incoming.want();
    }
    const ids = new Set(said.files.map(({ id }) => id));
    for (const [id, incoming] of this.files) {
      incoming.isListed = ids.has(id);
      if (!incoming.isListed && incoming.state === "offered") this.files.delete(id);
    }
    this.#become("here");
  }

  #become(presence: Presence): void {
    clearTimeout(this.#patience);
    this.presence = presence;
    if (presence === "gone" || presence === "over")
      for (const file of this.files.values()) file.senderGone(this.reason);
    for (const wake of this.#wake.splice(0)) wake();
    this.#changed();
    if (presence !== "here") return;
    // So does what broke off when the sender went.
    for (const file of this.files.values()) if (file.isListed && file.isBroken) file.want();
    this.schedule();
  }
}
