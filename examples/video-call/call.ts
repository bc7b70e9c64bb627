// A call: the room that all are in, and a pair with each of the others.

import { type MuxDemux, StreamError } from "browser-stream-server";
import { iceServers } from "browser-stream-server/negotiation";
import { type JoinedRoom, type Member, type Reason, Room } from "browser-stream-server/room";
import { Broadcast } from "./broadcast.ts";
import type { Capture } from "./capture.ts";
import type { Source } from "./chunk.ts";
import { bitsEach } from "./crowd.ts";
import type { Message } from "./line.ts";
import { Peer } from "./peer.ts";
import { type Person, personOf } from "./person.ts";
import { Reception } from "./reception.ts";

export interface CallHooks {
  /** Anything that is shown is another. */
  changed(): void;
  /** Somebody said that. */
  heard(person: Person, text: string): void;
  /** Somebody came, or went. */
  news(text: string): void;
  /** The call is over, and not because we left: why. */
  over(why: string): void;
}

export interface CallOptions {
  readonly mdm: MuxDemux;
  /** What the call is called. */
  readonly name: string;
  readonly capture: Capture;
  readonly context: AudioContext;
  /** What we are called. */
  readonly nickname: string;
  /** Nothing goes directly. */
  readonly isRelayOnly: boolean;
}

/** How long somebody may take to say where it sends. */
const ANSWER_MS = 5000;
/** Logins for TURN servers are good for longer. */
const SERVERS_MS = 30 * 60_000;
const SOURCES: readonly Source[] = ["microphone", "camera", "screen"];

export class Call {
  /** The others. */
  readonly peers = new Map<string, Peer>();
  readonly #options: CallOptions;
  readonly #hooks: CallHooks;
  readonly #room: JoinedRoom;
  readonly #broadcast: Broadcast;
  readonly #streams = { camera: new MediaStream(), screen: new MediaStream() };
  readonly #refreshing: ReturnType<typeof setInterval>;
  #servers: RTCIceServer[];
  #isRelayOnly: boolean;
  #isOver = false;

  /** Joins; rejects with why that is not possible. */
  static async join(options: CallOptions, hooks: CallHooks): Promise<Call> {
    const call = new Call(options, hooks, await iceServers(options.mdm));
    await call.#room.joined;
    call.#meetAll();
    return call;
  }

  private constructor(options: CallOptions, hooks: CallHooks, servers: RTCIceServer[]) {
    const { mdm, name, capture, context, isRelayOnly } = options;
    this.#options = options;
    this.#hooks = hooks;
    this.#servers = servers;
    this.#isRelayOnly = isRelayOnly;
    this.#broadcast = new Broadcast(mdm, context, name, capture.tracks);
    this.#room = Room(mdm).join(`call-${name}`, { as: this.me });
    this.#refreshing = setInterval(async () => {
      this.#servers = await iceServers(mdm);
    }, SERVERS_MS);
    this.#listen();
  }

  /** What we say of ourselves. */
  get me(): Person {
    const { capture, nickname } = this.#options;
    const said = { name: nickname, screenStream: this.#streams.screen.id };
    return personOf({ ...said, ...Object.fromEntries(SOURCES.map((source) => [source, capture.isOn(source)])) });
  }

  /** How many of the others have our picture through the proxy. */
  get watchers(): number {
    return this.#broadcast.watchers;
  }

  /** All bits per second that leave now. */
  get up(): number {
    const others = [...this.peers.values()];
    const direct = others
      .filter(({ way }) => way === "direct")
      .reduce((sum, { traffic }) => sum + (traffic?.up ?? 0), 0);
    return direct + (others.find(({ way }) => way === "proxy")?.traffic?.up ?? 0);
  }

  /** A source of ours is on, off, or another. */
  captured(source: Source, isNew: boolean): void {
    if (this.#isOver) return;
    this.#room.profile = this.me;
    if (!isNew) return;
    for (const { pair } of this.peers.values()) pair.send(source);
    this.#broadcast.changed(source);
  }

  get isRelayOnly(): boolean {
    return this.#isRelayOnly;
  }

  /** From now on nothing goes directly, or it may. */
  set isRelayOnly(isOnly: boolean) {
    if (isOnly === this.#isRelayOnly) return;
    this.#isRelayOnly = isOnly;
    for (const { pair } of this.peers.values()) pair.again();
  }

  /** Says something to everybody. */
  say(text: string): void {
    const message = { id: crypto.getRandomValues(new Uint32Array(4)).join("-"), text };
    for (const { pair } of this.peers.values()) pair.line.say(message);
  }

  async measure(): Promise<void> {
    await Promise.all([...this.peers.values()].map((peer) => peer.measure()));
  }

  async leave(): Promise<void> {
    this.#close();
    await this.#room.leave();
  }

  #listen(): void {
    const room = this.#room;
    room.on("join", (member) => this.#meet(member, true));
    room.on("leave", (member, reason) => this.#part(member, reason));
    room.on("profile", () => this.#hooks.changed());
    room.on("live", () => this.#hooks.changed());
    // Another member than before: the others meet us anew.
    room.on("lost", (count) => {
      if (count === undefined) this.#meetAnew();
    });
    room.on("resumed", () => this.#meetAll());
    room.on("moved", () => this.#meetAnew());
    // Somebody may say something before we have met.
    const from = (act: (peer: Peer, ...said: unknown[]) => unknown) => {
      return (member: Member | undefined, ...said: unknown[]) => {
        if (member) this.#meet(member, false);
        const peer = this.peers.get(member?.id ?? "");
        return peer && act(peer, ...said);
      };
    };
    room.on(
      "signal",
      from(({ pair }, attempt, note, value) => pair.hear(attempt, note, value)),
    );
    room.on(
      "say",
      from(({ pair }, message) => pair.line.hear(message)),
    );
    room.on(
      "watch",
      from(({ member }) => this.#broadcast.admit(member.id)),
    );
    room.on(
      "unwatch",
      from(({ member }) => this.#broadcast.dismiss(member.id)),
    );
    room.on(
      "key",
      from((_, source) => this.#broadcast.key(source as Source)),
    );
    room.closed.then(
      () => this.#end("The call was closed."),
      (error) => this.#end(`The call is over: ${StreamError.from(error).detail}.`),
    );
  }

  #meetAll(): void {
    for (const member of this.#room.members.values()) this.#meet(member, false);
    this.#hooks.changed();
  }

  #meet(member: Member, isNews: boolean): void {
    const { id } = this.#room;
    if (this.#isOver || !id || member.id === id || this.peers.has(member.id)) return;
    const { capture, context, mdm } = this.#options;
    const to = () => this.#room.to(member.id);
    const peer: Peer = new Peer(member, id < member.id, context, {
      tracks: capture.tracks,
      streams: this.#streams,
      config: () => ({
        iceServers: this.#servers,
        bundlePolicy: "max-bundle",
        ...(this.#isRelayOnly ? { iceTransportPolicy: "relay" } : {}),
      }),
      signal: (attempt, note, value) => this.#tell(() => to().emit("signal", attempt, note, value)),
      heard: ({ text }: Message) => this.#hooks.heard(peer.person, text),
      throughRoom: (message) => this.#tell(() => to().emit("say", message)),
      changed: () => this.#hooks.changed(),
      receive: (problem) =>
        new Reception(mdm, context, {
          ask: async () => String(await to().timeout(ANSWER_MS).emitWithAck("watch")),
          key: (source) => this.#tell(() => to().volatile.emit("key", source)),
          problem,
        }),
      received: () => this.#tell(() => to().emit("unwatch")),
      sentThroughProxy: () => this.#broadcast.sent,
    });
    this.peers.set(member.id, peer);
    this.#share();
    if (isNews) this.#hooks.news(`${peer.person.name} joined`);
    this.#hooks.changed();
  }

  #part({ id }: Member, { code }: Reason): void {
    const peer = this.peers.get(id);
    if (!peer) return;
    this.peers.delete(id);
    peer.close();
    this.#broadcast.dismiss(id);
    this.#share();
    this.#hooks.news(`${peer.person.name} ${code === "lost" ? "lost the connection" : "left"}`);
    this.#hooks.changed();
  }

  #partAll(): void {
    for (const [id, peer] of this.peers) {
      this.peers.delete(id);
      peer.close();
      this.#broadcast.dismiss(id);
    }
  }

  #meetAnew(): void {
    this.#partAll();
    this.#meetAll();
  }

  /** All copies of our camera share our upload. */
  #share(): void {
    for (const { pair } of this.peers.values()) pair.limit(bitsEach(this.peers.size + 1));
  }

  /** Where the room is over, or far too much waits, nothing can be said; both are told elsewhere. */
  #tell(emit: () => boolean): void {
    try {
      if (!this.#isOver) emit();
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
    }
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#close();
    this.#hooks.over(why);
  }

  #close(): void {
    this.#isOver = true;
    clearInterval(this.#refreshing);
    this.#partAll();
    this.#broadcast.close();
  }
}
