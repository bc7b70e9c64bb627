// Serves under a name: holds the claim and takes its clients' streams.

import { callable } from "./callable.ts";
import { Claim, type ClaimRequest, type HttpPlace, type Lease } from "./claim.ts";
import type { Plain, Received, Text } from "./encoding.ts";
import { StreamError } from "./error.ts";
import { Emitter, report } from "./events.ts";
import type { Inside } from "./inside.ts";
import { type MuxDemux, sessionOf } from "./mux-demux.ts";
import { nameSegment } from "./name.ts";
import type { Opening } from "./opening.ts";
import { demand } from "./options.ts";
import { admit, belongs } from "./resumable/arrivals.ts";
import { type DirectOptions, type Ice, iceOf } from "./resumable/direct.ts";
import type { SealKeys } from "./seal/keys.ts";
import type { Unsealing } from "./seal/server.ts";
import { type Peer, parse, sealing } from "./sealed.ts";
import { settler } from "./settler.ts";
import type { PeerInfo, Stream } from "./stream.ts";
import { prefixOf } from "./stream-client.ts";

/** What is known of a client before it is accepted. */
export interface ClientOpen {
  readonly path: string;
  readonly id: string | undefined;
  readonly meta: unknown;
  /** The proxy's own word about the client. */
  readonly peer: PeerInfo | undefined;
  /** At a sealed server: what the client said for it alone, and its public key if it has one. */
  readonly sealed: Peer | undefined;
}

/** `true` takes the client. `"busy"`, `"forbidden"` (the same as `false`), `"bad_request"`, `"gone"` or a number from 256 is what it is told. */
export type Verdict = boolean | "busy" | "forbidden" | "bad_request" | "gone" | number;

export interface StreamServerOptions {
  prefix?: string | undefined;
  /** Decides about each client. A `StreamError` that it throws is told; anything else is `internal` to the client. */
  accept?: ((open: ClientOpen) => Verdict | Promise<Verdict>) | undefined;
  /** Clients at the same time; the one too many gets `busy`. 10,000 unless stated. */
  clientsMax?: number | undefined;
  /** `false`: clients that the connections of either side are lost to are lost. Else they survive that, if their library can. */
  resume?: boolean | undefined;
  /**
   * Lets streams of clients that say the same go on over a direct connection (WebRTC) when there can be one, and back over the proxy when it breaks. It shows
   * each side the other's network address, once the client was accepted.
   */
  direct?: boolean | DirectOptions | undefined;
  /**
   * Takes sealed streams only, which the proxy cannot read: with these keys, or with new ones for as long as this server lives. Clients connect to `server.address`.
   */
  sealed?: boolean | SealKeys | undefined;
  /** Lets in who comes by HTTP, without a token: each request is a client, whose stream is a connection of HTTP/1.1. `serveHttp` of `browser-stream-server/http` reads them. */
  http?: boolean | undefined;
  /** Makes "data" of the clients' streams give strings. */
  encoding?: "utf8" | undefined;
}

export interface ListenOptions extends ClaimRequest {
  /** Gives up the wait for the name, and ends the server once it listens. */
  signal?: AbortSignal | undefined;
}

/** A name that is held. */
export interface HeldName {
  readonly name: string;
  readonly id: string | undefined;
  /** Of a server that lets in who comes by HTTP: its own host, and its path at the proxy's, as far as the proxy has such. */
  readonly http?: HttpPlace | undefined;
}

export interface StreamServerEvents<D extends Received = Received> {
  /** The name is ours. */
  listening: [held: HeldName];
  /** The connection is gone. The proxy keeps the name for us for 120 s; clients who come meanwhile wait. */
  suspended: [];
  /** The name is ours again, on a new connection. */
  resumed: [held: HeldName];
  /** A client was accepted. */
  stream: [stream: Stream<D>];
  /** The name was refused or lost; `listening` and `closed` reject with the same, an iteration throws it. The console shows it if nobody looks at any of them. */
  error: [error: StreamError];
  /** The name is no longer ours. */
  close: [];
}

const CLIENTS_MAX = 10_000;

class Server<D extends Received = Received> extends Emitter<StreamServerEvents<D>> implements AsyncIterable<Stream<D>> {
  readonly #listening = settler<HeldName>();
  readonly #closed = settler();
  /** Somebody looks at how the claim goes. */
  #isWatched = false;
  readonly #inside: Inside;
  readonly #options: StreamServerOptions;
  readonly #prefix: string;
  readonly #most: number;
  readonly #ice: Ice | undefined;
  readonly #seal: Promise<Unsealing> | undefined;
  readonly #live = new Set<Opening>();
  #clients = 0;
  #isListening = false;
  #claim: Claim | undefined;
  #isEnding = false;
  #isOver = false;
  #isPaused = false;
  #error: StreamError | undefined;
  /** Accepted clients that an iteration has yet to take, and iterations that wait for one. */
  readonly #untaken = new Set<Stream<D>>();
  #waiting: (() => void)[] = [];
  #iterations = 0;
  /** The last iteration was left: no other is expected. */
  #isLeft = false;

  /** A server over `mdm`; `listen` gives it its name. Throws `bad_request` for what is no MuxDemux, and for options that cannot be. */
  constructor(
    mdm: MuxDemux<D>,
    options: StreamServerOptions | ((stream: Stream<D>) => unknown) = {},
    callback?: (stream: Stream<D>) => unknown,
  ) {
    super();
    const onStream = typeof options === "function" ? options : callback;
    this.#inside = sessionOf(mdm);
    this.#options = typeof options === "function" ? {} : { ...options };
    this.#options.encoding ??= this.#inside.encoding;
    this.#prefix = prefixOf(options as StreamServerOptions);
    const { clientsMax = CLIENTS_MAX } = this.#options;
    demand(Number.isInteger(clientsMax) && clientsMax > 0, "clientsMax is a whole number from 1");
    this.#most = clientsMax;
    this.#ice = iceOf(this.#options.direct);
    const { sealed } = this.#options;
    if (sealed) this.#seal = sealing().then(({ Unsealing }) => Unsealing.with(this.#inside.resumables, sealed));
    // Clients and `address` are told.
    this.#seal?.catch(() => {});
    if (onStream) this.on("stream", (stream) => serve(stream, onStream));
  }

  /** Resolves when the name is ours; rejects `name_taken`, `bad_request`, `limit`, … */
  get listening(): Promise<HeldName> {
    this.#isWatched = true;
    return this.#listening.promise;
  }

  /** Resolves when the name was given up or released; rejects with what it was refused or lost for. */
  get closed(): Promise<void> {
    this.#isWatched = true;
    return this.#closed.promise;
  }

  /** What clients connect to, when the name is ours: `NAME#key` of a sealed server, else the name. Rejects as `listening` does. */
  get address(): Promise<string> {
    return this.listening.then(async ({ name }) => (await this.#seal)?.keys.address(name) ?? name);
  }

  /** How many clients there are now. */
  get clients(): number {
    return this.#clients;
  }

  /** What proves that the name is ours. Another `listen` with it takes the name over. A secret: who has it has the name. */
  get lease(): Lease | undefined {
    return this.#claim?.lease;
  }

  /**
   * Asks for the name and returns the server at once; `listening` tells the outcome. Without a connection the claim waits for one, and after each drop
   * the name is asked for again.
   *
   * Throws `bad_request` for what can be no name, and for an address `NAME#key`: the keys are an option of the server's.
   */
  listen(name: string, { signal, ...request }: ListenOptions = {}): this {
    demand(!this.#claim, "this server has a name already");
    demand((request.persist ?? "tab") === "tab", 'persist is "tab"');
    demand(parse(name)[1] === undefined, "a # is for addresses, NAME#key: listen to NAME");
    const segment = nameSegment(name);
    const normal = name.normalize("NFC");
    this.#claim = new Claim(this.#inside, this.#prefix, segment, request, {
      notes: () => {
        const most: [string, number] = ["clients_max", this.#most];
        return this.#isPaused ? [most, ["pause"]] : [most];
      },
      capabilities: this.#seal && ["seal"],
      http: this.#options.http,
      take: (opening) => void this.#take(opening, normal),
      held: (id, http) => this.#held(http ? { name: normal, id, http } : { name: normal, id }),
      suspended: () => this.emit("suspended"),
      over: (error) => this.#over(error),
    });
    if (signal) this.#obey(signal, this.#claim);
    return this;
  }

  /** Lets new clients wait, for as long as the proxy is willing to. Also before `listen`. */
  pause(): this {
    this.#isPaused = true;
    this.#claim?.note("pause");
    return this;
  }

  /** Takes clients again. */
  resume(): this {
    this.#isPaused = false;
    this.#claim?.note("resume");
    return this;
  }

  /**
   * Gives the name up: no new clients. Live ones finish, over the connections that they have (they come back under the name), or with `now` are reset
   * `gone`. Resolves when the name is free.
   */
  end({ now = false }: { now?: boolean } = {}): Promise<void> {
    this.#isEnding = true;
    if (now) for (const opening of this.#live) opening.abandon(new StreamError("gone"));
    this.#claim?.end();
    return this.#claim ? this.closed : Promise.resolve();
  }

  /**
   * The clients as they come, until the name is given up; throws what it was refused or lost for. Streams that a callback or listener took, or that
   * ended meanwhile, are not among them. After the loop was left new clients are refused `busy`, unless there is another loop or a listener.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Stream<D>, void, undefined> {
    this.#isWatched = true;
    this.#isLeft = false;
    this.#iterations++;
    try {
      while (true) {
        const [stream] = this.#untaken;
        if (stream) {
          this.#untaken.delete(stream);
          yield stream;
        } else if (this.#error) throw this.#error;
        else if (this.#isOver) return;
        else await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    } finally {
      this.#isLeft = --this.#iterations === 0;
    }
  }

  #held(held: HeldName): void {
    const isFirst = !this.#isListening;
    this.#isListening = true;
    this.#listening.resolve(held);
    this.emit(isFirst ? "listening" : "resumed", held);
  }

  #over(error: StreamError | undefined): void {
    this.#error = error;
    this.#isOver = true;
    this.#listening.reject(error ?? new StreamError("cancelled"));
    if (error) {
      this.#closed.reject(error);
      // A page that looks nowhere else would wonder why nobody comes.
      if (!this.emit("error", error) && !this.#isWatched && !this.#inside.isOver) console.error(error);
    } else this.#closed.resolve();
    this.emit("close");
    this.#wakeIterations();
  }

  async #take(opening: Opening, name: string): Promise<void> {
    const isNew = this.#admit(opening, name);
    if (!(isNew instanceof Promise ? await isNew : isNew)) return;
    // Whatever came before: nobody gets a plain stream here.
    if (this.#seal && !opening.sealed) return opening.refuse(new StreamError("forbidden"));
    if (this.#isEnding || this.#isOver) return opening.refuse(new StreamError("gone"));
    const isIgnored = this.#isLeft && this.listenerCount("stream") === 0;
    if (isIgnored || this.#live.size >= this.#most) return opening.refuse(new StreamError("busy"));
    this.#live.add(opening);
    const forget = () => this.#live.delete(opening);
    opening.closed.then(forget, forget);
    const refusal = this.#options.accept ? await this.#judge(opening, this.#options.accept) : undefined;
    if (opening.isOver) return;
    if (refusal) return opening.refuse(refusal);
    this.#clients++;
    const stream = opening.accept({ encoding: this.#options.encoding }) as Stream<D>;
    const leave = () => {
      this.#clients--;
      this.#untaken.delete(stream);
    };
    opening.closed.then(leave, leave);
    if (this.emit("stream", stream)) return;
    this.#untaken.add(stream);
    this.#wakeIterations();
  }

  /** Whether it is a new client. */
  #admit(opening: Opening, name: string): boolean | Promise<boolean> {
    const { resumables } = this.#inside;
    if (belongs(resumables, opening, name, this.#ice)) return false;
    const admits = () => admit(resumables, opening, name, this.#options.resume !== false, this.#ice);
    if (!this.#seal) return admits();
    return this.#seal
      .then((seal) => seal.take(opening, name, admits))
      .catch((error) => {
        opening.refuse(StreamError.from(error));
        return false;
      });
  }

  /** The error to refuse the client with, if any. */
  async #judge(
    { path, id, meta, peer, sealed }: Opening,
    accept: NonNullable<StreamServerOptions["accept"]>,
  ): Promise<StreamError | undefined> {
    try {
      const verdict = await accept({ path, id, meta, peer, sealed: sealed?.peer });
      if (verdict === true) return undefined;
      return new StreamError(verdict === false ? "forbidden" : verdict);
    } catch (error) {
      if (error instanceof StreamError) return error;
      report(error);
      return new StreamError("internal", "the server failed to decide");
    }
  }

  #obey(signal: AbortSignal, claim: Claim): void {
    const give = (): void => {
      this.#isWatched = true;
      if (this.#isListening) void this.end();
      else claim.abandon(new StreamError("cancelled"));
    };
    if (signal.aborted) return give();
    signal.addEventListener("abort", give, { once: true });
    const forget = () => signal.removeEventListener("abort", give);
    this.#closed.promise.then(forget, forget);
  }

  #wakeIterations(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Serves under a name, with or without `new`. */
export type StreamServer<D extends Received = Received> = Server<D>;
export const StreamServer: StreamServerClass = /* @__PURE__ */ callable(Server) as StreamServerClass;

interface StreamServerClass {
  new <D extends Received>(
    mdm: MuxDemux<D>,
    options?: (StreamServerOptions & Plain) | ((stream: Stream<D>) => unknown),
    onStream?: (stream: Stream<D>) => unknown,
  ): Server<D>;
  new (
    mdm: MuxDemux,
    options: StreamServerOptions & Text,
    onStream?: (stream: Stream<string>) => unknown,
  ): Server<string>;
  new (mdm: MuxDemux, options?: StreamServerOptions, onStream?: (stream: Stream) => unknown): Server;
  <D extends Received>(
    mdm: MuxDemux<D>,
    options?: (StreamServerOptions & Plain) | ((stream: Stream<D>) => unknown),
    onStream?: (stream: Stream<D>) => unknown,
  ): Server<D>;
  (mdm: MuxDemux, options: StreamServerOptions & Text, onStream?: (stream: Stream<string>) => unknown): Server<string>;
  (mdm: MuxDemux, options?: StreamServerOptions, onStream?: (stream: Stream) => unknown): Server;
  readonly prototype: Server;
}

/**
 * Calls the server's own callback. Where it fails its client is reset `internal`, instead of waiting for ever; the error goes where uncaught ones go, unless
 * it is what ended the stream: no client ends a program in Node by going away, or by sending what is no value.
 */
function serve<D extends Received>(stream: Stream<D>, onStream: (stream: Stream<D>) => unknown): void {
  const failed = (error: unknown) => {
    stream.destroy(new StreamError("internal", "the server's own code failed"));
    stream.closed.then(
      () => report(error),
      (end: unknown) => end === error || report(error),
    );
  };
  try {
    const serving = onStream(stream);
    if (serving instanceof Promise) serving.catch(failed);
  } catch (error) {
    failed(error);
  }
}
