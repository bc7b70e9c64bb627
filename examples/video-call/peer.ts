// One of the others in the call: what comes from that person, by whichever way it comes.

import type { Member } from "browser-stream-server/room";
import { Ear } from "./ear.ts";
import { Pair, type PairHooks, type Way } from "./pair.ts";
import { type Person, personOf } from "./person.ts";
import type { Reception } from "./reception.ts";
import { Meter, type Totals, type Traffic } from "./traffic.ts";

export interface PeerHooks extends Omit<PairHooks, "isScreen"> {
  /** Takes up what comes through the proxy. */
  receive(problem: (text: string) => void): Reception;
  /** What comes through the proxy is not wanted any more. */
  received(): void;
  /** Bytes that we sent through the proxy, to all who watch there. */
  sentThroughProxy(): number;
}

export class Peer {
  readonly member: Member;
  readonly pair: Pair;
  readonly ear: Ear;
  /** What is wrong with the way through the proxy. */
  problem = "";
  readonly #hooks: PeerHooks;
  readonly #meter = new Meter();
  #traffic: Traffic | undefined;
  #reception: Reception | undefined;
  #isClosed = false;

  constructor(member: Member, isPolite: boolean, context: AudioContext, hooks: PeerHooks) {
    this.member = member;
    this.#hooks = hooks;
    this.ear = new Ear(context);
    this.pair = new Pair(isPolite, {
      ...hooks,
      isScreen: (stream) => stream !== "" && stream === this.person.screenStream,
      changed: () => {
        // The first time it is told before there is a pair.
        queueMicrotask(() => this.#follow());
      },
    });
  }

  get person(): Person {
    return personOf(this.member.profile);
  }

  get way(): Way {
    return this.pair.way;
  }

  /** What goes now; nothing while that is not known. */
  get traffic(): Traffic | undefined {
    return this.#meter.isFresh(performance.now()) ? this.#traffic : undefined;
  }

  /** What its camera's tile shows: a stream with its sound, or what is painted. */
  get camera(): MediaStream | HTMLCanvasElement | undefined {
    return this.#picture("camera");
  }

  /** The same of its screen, which has no sound. */
  get screen(): MediaStream | HTMLCanvasElement | undefined {
    return this.#picture("screen");
  }

  /** Looks at what went since the last look. */
  async measure(): Promise<void> {
    const through = this.#reception?.totals;
    const totals = through ? this.#through(through) : await this.pair.totals();
    this.#traffic = this.#meter.read(totals, performance.now());
  }

  /** The channel's counts are right without a word of that person's, as long as it is there. */
  #through(totals: Totals): Totals {
    const heard = this.member.live ? performance.now() : totals.heard;
    return { ...totals, sent: this.#hooks.sentThroughProxy(), heard };
  }

  close(): void {
    this.#isClosed = true;
    this.pair.close();
    this.ear.listen(undefined);
    this.#reception?.close();
    this.#reception = undefined;
  }

  #picture(source: "camera" | "screen"): MediaStream | HTMLCanvasElement | undefined {
    if (this.way === "proxy") return this.#reception?.canvases[source];
    return this.pair[source];
  }

  /** What comes through the proxy is taken while there is no direct way. */
  #follow(): void {
    if (this.#isClosed) return;
    if (this.way === "proxy") {
      this.#reception ??= this.#hooks.receive((text) => {
        this.problem = text;
        this.#hooks.changed();
      });
    } else if (this.#reception) {
      this.#reception.close();
      this.#reception = undefined;
      this.problem = "";
      this.#hooks.received();
    }
    this.ear.listen(this.#reception?.output ?? this.pair.camera.getAudioTracks()[0]);
    this.#hooks.changed();
  }
}
