// The way to channels.

import { callable } from "../callable.ts";
import type { Inside } from "../inside.ts";
import { type MuxDemux, sessionOf } from "../mux-demux.ts";
import { nameSegment } from "../name.ts";
import { demand } from "../options.ts";
import { prefixOf } from "../stream-client.ts";
import { Publication, type PublishOptions } from "./publication.ts";
import { Subscription } from "./subscription.ts";

/** Where channels are, unless another prefix is given. */
const PREFIX = "/channel";
/** How long the proxy waits for a name, and how long its answer may take. */
const WAIT_MS = 2_000;
const ANSWER_MS = 15_000;

export interface ChannelOptions {
  prefix?: string | undefined;
}

export interface SubscribeOptions {
  /** Leaves the channel when it aborts: iterations throw `cancelled`. */
  signal?: AbortSignal | undefined;
  /** How long to wait for a name under which nobody publishes yet, in milliseconds: 0 to 15,000, 2,000 unless stated. */
  wait?: number | undefined;
}

class Channels {
  readonly #inside: Inside;
  readonly #prefix: string;

  /** Channels over `mdm`, under `prefix`. Throws `bad_request` for what is none. */
  constructor(mdm: MuxDemux, options: ChannelOptions = {}) {
    this.#inside = sessionOf(mdm);
    this.#prefix = prefixOf({ prefix: PREFIX, ...options });
  }

  /**
   * Publishes under that name. Messages may be sent at once; `opened` resolves when the proxy took the publication, which fails `name_taken` where somebody else publishes and
   * not both said `publishers: "many"`, and `limit`. It does not survive the connection: it ends `lost`, at every reader too.
   *
   * Throws `bad_request` for what can be no name and no option.
   */
  publish(name: string, options: PublishOptions = {}): Publication {
    return new Publication(this.#inside.session, `${this.#prefix}/publish/${nameSegment(name)}`, options);
  }

  /**
   * Reads what is published under that name, from the next message on (or the kept ones, by `replay`). Fails `not_found` where nobody publishes within `wait`.
   *
   * Throws `bad_request` for what can be no name, and no `wait`.
   */
  subscribe(name: string, { signal, wait }: SubscribeOptions = {}): Subscription {
    demand(wait === undefined || (wait >= 0 && Number.isFinite(wait)), "wait is a number of milliseconds from 0");
    const path = `${this.#prefix}/subscribe/${nameSegment(name)}`;
    const patience = ANSWER_MS + (wait ?? WAIT_MS);
    return new Subscription(this.#inside.session.open({ path, fields: { wait }, patience }), signal);
  }
}

/** One sends, many read: with or without `new`. */
export type Channel = Channels;
export const Channel: ChannelClass = /* @__PURE__ */ callable(Channels) as ChannelClass;

interface ChannelClass {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the connection's streams give, a channel gives bytes
  new (mdm: MuxDemux<any>, options?: ChannelOptions): Channels;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  (mdm: MuxDemux<any>, options?: ChannelOptions): Channels;
  readonly prototype: Channels;
}
