// One direct connection: an RTCPeerConnection with one ordered data channel and our mux over it, from the attempt until it is over.

import { StreamError } from "../error.ts";
import { Negotiation, type Say } from "../negotiation/negotiation.ts";
import type { Opening } from "../opening.ts";
import type { Ice, Kit } from "../resumable/direct.ts";
import type { Resumables } from "../resumable/resumables.ts";
import type { Session } from "../session.ts";
import { ChannelTransport } from "./channel.ts";
import { Pulse } from "./pulse.ts";

/** A connection that can be made is made in a fraction of it; browsers themselves give up after 15 s, or never. */
const CONNECT_MS = 3000;
/** Silence until the other side is asked, and until it is gone: browsers notice after 15 s, or never. */
const QUIET_MS = 1000;
const DEAD_MS = 2000;
/** A connection that nothing rides on is closed. */
const IDLE_MS = 30_000;
/** Whoever leaves has said so over the proxy, too: what rides on it so long after that is not waited for. */
const LEAVE_MS = 3000;
/** Streams that the other side may open at once, twice as many as a proxy lets anybody have, and each half second beyond. */
const OPENS_MAX = 2048;
const OPENS_MORE = 64;
/** An honest side says a few descriptions, and as many candidates as it has addresses. */
const NOTES_MAX = 200;
/** What closes the channel needs to get there. */
const LINGER_MS = 1000;

/** Where carriers are opened to. */
export const PATH = "/direct";
/** We judge ourselves whether the other side is there. */
const PATIENT = { silenceMax: Infinity, pingTimeout: Infinity };

export interface LinkHooks {
  say: Say;
  /** Streams may be opened. */
  up(): void;
  /** It is over. Whatever rode on it has ended `lost`. */
  over(): void;
}

export class Link {
  readonly session: Session;
  /** Whether it was ever open, and for how long. */
  isUp = false;
  upMs = 0;
  /** It ended in silence, which cost whoever rode on it. */
  wasSilent = false;
  isOver = false;
  /** Server: the proxy's word for whose it is. */
  client: unknown;
  readonly #hooks: LinkHooks;
  readonly #pc: RTCPeerConnection;
  readonly #negotiation: Negotiation;
  readonly #pulse: Pulse;
  #age = 0;
  #silence = 0;
  #idle = 0;
  #opens = 0;
  /** How long it may go on yet. */
  #left = Infinity;
  #isAsked = false;
  /** Asked once more, because the clock was late. */
  #isAskedAgain = false;

  /** The client's side opens the mux's odd streams, and is the polite one. Throws where there can be no connection. */
  constructor(all: Resumables, kit: Kit, side: "client" | "server", ice: Ice, hooks: LinkHooks) {
    this.#hooks = hooks;
    const pc = new RTCPeerConnection(ice);
    this.#pc = pc;
    this.#negotiation = new Negotiation(pc, {
      isPolite: side === "client",
      say: hooks.say,
      failed: () => this.end(),
      media: false,
      notesMax: NOTES_MAX,
    });
    const transport = new ChannelTransport(pc.createDataChannel("bss", { negotiated: true, id: 0 }));
    const nothing = () => {};
    const take = (opening: Opening): void => {
      if (opening.path === PATH && opening.joins) kit.welcome(all, opening, undefined, "direct");
      else opening.refuse(new StreamError("not_found"));
    };
    this.session = new kit.Session(
      {
        open: () => this.#up(),
        missed: () => this.end(),
        close: () => this.end(true),
        error: nothing,
        opening: take,
        opened: () => {
          if (++this.#opens > OPENS_MAX) queueMicrotask(() => this.end());
        },
        goAway: () => this.retire(),
        isBusy: () => false,
        leaving: nothing,
      },
      false,
      side === "client" ? "opener" : "acceptor",
      PATIENT,
    );
    this.session.dial(transport);
    const hear = transport.onmessage;
    transport.onmessage = (bytes) => {
      this.#silence = 0;
      this.#isAsked = this.#isAskedAgain = false;
      hear(bytes);
    };
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === "failed" || pc.connectionState === "closed") this.end();
      else if (pc.connectionState === "disconnected") this.ask();
    };
    this.#pulse = new Pulse((ms) => this.#beat(ms));
  }

  hear(note: string, value: unknown): void {
    if (!this.isOver) this.#negotiation.hear(note, value);
  }

  /** Asks the other side for a sign of life now. */
  ask(): void {
    this.#isAsked = this.isUp;
    this.session.probe();
  }

  /** Takes no more streams, and is over with the last, or soon. */
  retire(): void {
    this.#left = Math.min(this.#left, LEAVE_MS);
    if (this.isUp) this.session.retire();
    else this.end();
  }

  /** Ends it at once, or so that what was sent arrives. */
  end(gently = false): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#pulse.stop();
    this.session.end({ code: 1006, reason: "" });
    if (gently) setTimeout(() => this.#pc.close(), LINGER_MS);
    else this.#pc.close();
    this.#hooks.over();
  }

  #up(): void {
    this.isUp = true;
    this.#hooks.up();
  }

  #beat(ms: number): void {
    this.#age += ms;
    if (!this.isUp) {
      if (this.#age >= CONNECT_MS) this.end();
      return;
    }
    this.upMs += ms;
    this.#silence += ms;
    this.#opens = Math.max(0, this.#opens - OPENS_MORE);
    this.#left -= ms;
    if (this.#left <= 0) return this.end();
    // Held up while it waited for an answer, which may be lost by now: it is given the time for another, once.
    if (ms === 0 && this.#isAsked && !this.#isAskedAgain) {
      this.#isAskedAgain = true;
      this.#silence = QUIET_MS;
      this.ask();
    }
    this.#idle = this.session.stats().streams > 0 ? 0 : this.#idle + ms;
    if (this.#silence >= DEAD_MS && this.#isAsked) {
      this.wasSilent = true;
      this.end();
    } else if (this.#idle >= IDLE_MS) this.retire();
    else if (this.#silence >= QUIET_MS && !this.#isAsked) this.ask();
  }
}
