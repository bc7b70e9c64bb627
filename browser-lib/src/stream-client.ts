// Connects to servers by name.

import { callable } from "./callable.ts";
import type { Plain, Received, Text } from "./encoding.ts";
import type { Inside } from "./inside.ts";
import { type MuxDemux, sessionOf } from "./mux-demux.ts";
import { nameSegment } from "./name.ts";
import { demand } from "./options.ts";
import { type DirectOptions, type Ice, iceOf } from "./resumable/direct.ts";
import { open } from "./resumable/opener.ts";
import { connectSealed, parse, type SealedConnect } from "./sealed.ts";
import { type Sendable, type Sending, type SendOptions, sendOver } from "./send.ts";
import type { Stream, StreamOptions } from "./stream.ts";
import { Watch } from "./watch.ts";

/** Where servers live, unless another prefix is given. */
const PREFIX = "/browser-server";

/** How long the proxy waits for a name, and for the server's answer. */
const WAIT_MS = 2_000;
const ANSWER_MS = 15_000;

export interface StreamClientOptions {
  prefix?: string | undefined;
  /**
   * Lets streams to servers that say the same go on over a direct connection (WebRTC) when there can be one, and back over the proxy when it breaks. It shows
   * each side the other's network address.
   */
  direct?: boolean | DirectOptions | undefined;
}

export interface ConnectOptions extends StreamOptions {
  /** Any JSON for the server: its `stream.meta`. */
  meta?: unknown;
  /** How long to wait for a name that nobody serves yet, in milliseconds: 0 to 15,000, 2,000 unless stated. */
  wait?: number | undefined;
  /** `false`: the stream is lost with the connection of either side. Else it survives that, if the server's library can. */
  resume?: boolean | undefined;
  /**
   * Seals the stream, end to end: the proxy cannot read, alter or cut it. An address `NAME#key` does so by itself. For a name alone, the key that its server
   * tells first is remembered, and another is refused `key_changed`.
   */
  sealed?: boolean | SealedConnect | undefined;
}

class Client<D extends Received = Received> {
  readonly #inside: Inside;
  readonly #prefix: string;
  readonly #ice: Ice | undefined;

  /** Connects over `mdm` to servers under `prefix`. Throws `bad_request` for what is none, and what `RTCPeerConnection` throws for the servers of `direct`. */
  constructor(mdm: MuxDemux<D>, options: StreamClientOptions = {}) {
    this.#inside = sessionOf(mdm);
    this.#prefix = prefixOf(options);
    this.#ice = iceOf(options.direct);
  }

  /**
   * Connects to the server of that name. The stream can be written at once; `opened` resolves when the server accepted it.
   *
   * Throws `bad_request` for what can be no name, and no `wait`. The stream fails with `not_found`, `busy`, `timeout`, `unresponsive`, `forbidden`, or a code
   * of the server's own; one to an address `NAME#key`, which is sealed, also with `bad_request` where the key is not whole, `key_changed` where the server has another, and `tampered`.
   */
  connect(name: string, options?: ConnectOptions & Plain): Stream<D>;
  connect(name: string, options: ConnectOptions & Text): Stream<string>;
  connect(name: string, options?: ConnectOptions): Stream<D | string>;
  connect(name: string, options: ConnectOptions = {}): Stream<D | string> {
    const { session, encoding, resumables } = this.#inside;
    const { wait, resume, sealed, ...rest } = options;
    const [plain, key] = parse(name);
    demand(wait === undefined || (wait >= 0 && Number.isFinite(wait)), "wait is a number of milliseconds from 0");
    const path = `${this.#prefix}/connect/${nameSegment(plain)}`;
    const patience = ANSWER_MS + (wait ?? WAIT_MS);
    const request = { ...rest, encoding: rest.encoding ?? encoding, path, fields: { wait }, patience };
    const normal = plain.normalize("NFC");
    const resumes = resume !== false;
    let stream: Stream;
    if (key !== undefined || sealed) {
      const how = { inside: this.#inside, name: normal, key, sealed: Object(sealed), request, resumes, ice: this.#ice };
      stream = connectSealed(how);
    } else stream = resumes ? open(resumables, normal, request, this.#ice) : session.open(request);
    return stream as Stream<D>;
  }

  /**
   * Sends `data` to the server of that name over a stream of its own, which it returns at once: as {@link connect}, then `stream.send`, whose promise is
   * the stream's `sent`.
   *
   * Throws `TypeError` for what cannot be sent, before anything is opened.
   */
  send(
    name: string,
    data: Sendable,
    meta?: unknown,
    options: Omit<ConnectOptions, "meta"> & SendOptions = {},
  ): Sending {
    return sendOver(data, options, () => this.connect(name, { ...options, meta }));
  }

  /**
   * Watches a name, or that of an address: {@link Watch} tells when somebody begins to serve under it, is away, and is gone. It goes on over drops of the connection, until it is
   * closed or `signal` aborts.
   *
   * Throws `bad_request` for what can be no name.
   */
  watch(name: string, { signal }: { signal?: AbortSignal | undefined } = {}): Watch {
    return new Watch(this.#inside, `${this.#prefix}/watch/${nameSegment(parse(name)[0])}`, signal);
  }
}

/** Where the servers live that are meant. Throws `bad_request` where that is no path. */
export function prefixOf(options: { prefix?: string | undefined }): string {
  demand(Object(options) === options, "options are an object");
  const { prefix = PREFIX } = options;
  demand(/^(\/[^/]+)*$/.test(prefix), "a prefix is a path, as /team");
  return prefix;
}

/** Connects to servers by name, with or without `new`. */
export type StreamClient<D extends Received = Received> = Client<D>;
export const StreamClient: StreamClientClass = /* @__PURE__ */ callable(Client) as StreamClientClass;

interface StreamClientClass {
  new <D extends Received>(mdm: MuxDemux<D>, options?: StreamClientOptions): Client<D>;
  <D extends Received>(mdm: MuxDemux<D>, options?: StreamClientOptions): Client<D>;
  readonly prototype: Client;
}
