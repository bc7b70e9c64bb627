// A room that we are in, or are about to be.

import { malformed } from "../decoder.ts";
import { StreamError } from "../error.ts";
import { type Listener, report } from "../events.ts";
import type { Inside } from "../inside.ts";
import { text } from "../resume/record.ts";
import { settler } from "../settler.ts";
import { type Answer, Asks, refusalOf } from "./asks.ts";
import { PROXY, RoomEmitter } from "./emitter.ts";
import { Listeners } from "./listeners.ts";
import { type Difference, type Known, known, type Member, Members, reasonOf } from "./member.ts";
import {
  ANSWER,
  ASKED,
  answer,
  EVENT,
  JOINED,
  LEAVING,
  LEFT,
  LIVE,
  PROFILE,
  profile,
  REFUSED,
  type Said,
  TEXT_MAX,
} from "./records.ts";
import type { AnyListener, PeerListener, RoomEvents } from "./room-events.ts";
import { Seat, type Seated } from "./seat.ts";
import { EVERYBODY, Target } from "./target.ts";
import { decode, profileJson, type Reply, refuse, replyOf } from "./values.ts";

export interface JoinOptions {
  /** What we say of ourselves, any JSON of at most 4,096 bytes: {@link Member.profile} at the others. */
  as?: unknown;
  /** Whether the directory lists the room: the word of who is there first counts. */
  public?: boolean | undefined;
  /** Leaves the room when it aborts. */
  signal?: AbortSignal | undefined;
}

/**
 * A room: its members send each other named events with any values (MessagePack: JSON's, binary, Dates, BigInts), which arrive in each sender's order.
 *
 * Over a drop of the connection we stay a member for the grace (120 s unless the proxy says otherwise): what is emitted meanwhile waits, and what we missed comes when we
 * are back, in order, once; where it was too much (256 events, 1 MiB), or the seat is gone, `lost` tells, and what waited may arrive twice.
 */
export class JoinedRoom {
  readonly #joined = settler();
  readonly #closed = settler();
  readonly #members = new Members();
  readonly #listeners = new Listeners();
  readonly #asks = new Asks();
  readonly #seat: Seat;
  readonly #emitter: RoomEmitter;
  readonly #all: Target;
  #name: string;
  #id: string | undefined;
  #profile: string | undefined;
  /** The profile that the newest join showed. */
  #shown: string | undefined;
  /** Counts our seats: what was asked at one is not answered at another. */
  #seats = 0;

  /** Rooms come from `Room(mdm).join()`. */
  constructor(inside: Inside, prefix: string, name: string, options: JoinOptions) {
    const { as, public: isPublic, signal } = options;
    this.#name = name;
    this.#profile = profileJson(as);
    this.#seat = new Seat(inside, prefix, name, {
      joining: () => {
        this.#shown = this.#profile;
        return { profile: this.#profile === undefined ? undefined : JSON.parse(this.#profile), public: isPublic };
      },
      seated: (seated) => this.#seated(seated),
      heard: (said) => this.#heard(said),
      lost: (count) => this.#tell("lost", count),
      acknowledged: () => this.#drained(),
      suspended: () => {
        this.#mark(false);
        this.#tell("suspended");
      },
      over: (error) => this.#over(error),
    });
    this.#emitter = new RoomEmitter(this.#seat, this.#members, this.#asks);
    this.#all = new Target(this.#emitter, EVERYBODY);
    if (signal) this.#obey(signal);
  }

  /** Resolves when we are a member and know the others; rejects with why we are not: `forbidden`, `limit`, `bad_request`, … */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** Resolves when the room was left, or closed in good order; rejects with what else ended it. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** The room's name; another one when we were `moved`. */
  get name(): string {
    return this.#name;
  }

  /** Our id as a member, once `joined` resolved; another one only where our seat was gone (`lost` without a count). */
  get id(): string | undefined {
    return this.#id;
  }

  /** We among {@link members}. */
  get me(): Member | undefined {
    return this.#members.me;
  }

  /** Whether our connection is there now, so that what is emitted leaves at once. */
  get live(): boolean {
    return this.#seat.isLive;
  }

  /** The most bytes that an event's arguments, or an answer, may have as MessagePack: 1 MiB until the proxy said otherwise. */
  get eventBytesMax(): number {
    return this.#emitter.bytesMax;
  }

  /** Who is in the room, by id, ourselves among them. */
  get members(): ReadonlyMap<string, Member> {
    return this.#members.byId;
  }

  /** What we say of ourselves. Setting it tells the others (`profile`); throws `bad_request` for what is no JSON, and more than 4,096 bytes of it. */
  get profile(): unknown {
    if (this.#members.me) return this.#members.me.profile;
    return this.#profile === undefined ? undefined : JSON.parse(this.#profile);
  }

  set profile(value: unknown) {
    const json = profileJson(value ?? null);
    if (json === undefined) return;
    this.#profile = json;
    if (this.#members.me) this.#members.me.profile = JSON.parse(json);
    const record = profile(new TextEncoder().encode(json));
    // A join shows it, too.
    this.#emitter.say({ record, anew: () => (this.#profile === this.#shown ? undefined : record) });
  }

  /**
   * Sends an event to all others, in the order of the calls. The name has 1 to 128 bytes and is none of {@link RoomEvents}; the arguments are any values. False: more than 256 KiB
   * waits, `drain` tells when not; nothing is lost either way.
   *
   * Throws `bad_request` for what cannot be sent, `limit` for an event of more than {@link eventBytesMax} and where more than 4 MiB wait, `gone` where the room is over.
   */
  emit(event: string, ...args: unknown[]): boolean {
    return this.#all.emit(event, ...args);
  }

  /**
   * Asks all others and resolves to what they answered, in the order of the answers, once everybody did: those too whose connection is away, who are asked when they are back. Rejects with an
   * {@link AckError}: `timeout` after 10 s, or {@link timeout}'s, which run without a connection, too (the event arrives all the same), or what the first one refused with.
   */
  emitWithAck(event: string, ...args: unknown[]): Promise<Answer[]> {
    return this.#all.emitWithAck(event, ...args);
  }

  /** Only those members: see {@link Target.to}. */
  to(id: string): Target<unknown>;
  to(ids: readonly string[]): Target;
  to(ids: string | readonly string[]): Target<unknown> {
    return this.#all.to(ids as string);
  }

  /** All but those: see {@link Target.except}. */
  except(ids: string | readonly string[]): Target {
    return this.#all.except(ids);
  }

  /** Dropped where it cannot go now: see {@link Target.volatile}. */
  get volatile(): Target {
    return this.#all.volatile;
  }

  /** All rooms, with the right: see {@link Target.everywhere}. */
  get everywhere(): Target {
    return this.#all.everywhere;
  }

  /** How long answers may take: see {@link Target.timeout}. */
  timeout(ms: number): Target {
    return this.#all.timeout(ms);
  }

  /**
   * Calls `listener` for an event: of the room's own with what {@link RoomEvents} says, of another name with the member who sent it (nobody: the proxy's program) and the arguments,
   * which are whatever it sent. What a listener gives, or promises, answers who asked: the first that is not undefined; a {@link StreamError} that it throws is told.
   */
  on<E extends keyof RoomEvents>(event: E, listener: Listener<RoomEvents[E]>): this;
  on(event: string, listener: PeerListener): this;
  on(event: string, listener: Listener<never>): this {
    this.#listeners.add(event, listener, false);
    return this;
  }

  /** As {@link on}, for the next time only. */
  once<E extends keyof RoomEvents>(event: E, listener: Listener<RoomEvents[E]>): this;
  once(event: string, listener: PeerListener): this;
  once(event: string, listener: Listener<never>): this {
    this.#listeners.add(event, listener, true);
    return this;
  }

  /** Calls `listener` no more. */
  off<E extends keyof RoomEvents>(event: E, listener: Listener<RoomEvents[E]>): this;
  off(event: string, listener: PeerListener): this;
  off(event: string, listener: Listener<never>): this {
    this.#listeners.remove(event, listener);
    return this;
  }

  /** Calls `listener` for every event of other members, with its name in front; it answers nothing. */
  onAny(listener: AnyListener): this {
    this.#listeners.addAny(listener);
    return this;
  }

  /** Calls it no more. */
  offAny(listener: AnyListener): this {
    this.#listeners.removeAny(listener);
    return this;
  }

  /** Leaves, behind what was emitted; nothing is heard any more. The others hear the reason, of which 1,024 bytes count. Resolves when the proxy knows; without a connection that waits for one. */
  leave(reason = ""): Promise<void> {
    this.#end(new StreamError("cancelled", "this room was left"));
    return this.#seat.leave(false, text(new TextEncoder().encode(reason), TEXT_MAX));
  }

  #drained(): void {
    if (this.#emitter.drains()) this.#tell("drain");
  }

  #seated({ terms, isAnew, moved, wasSuspended, snapshot }: Seated): void {
    const isFirst = this.#id === undefined;
    this.#id = terms.id;
    this.#emitter.bytesMax = terms.eventBytesMax;
    const members = snapshot?.map(({ number, live, who }) => present(number, live, who));
    const difference = members && this.#members.replace(members, terms.id);
    this.#mark(true);
    if (isAnew) {
      this.#seats++;
      this.#seat.outbox.renew();
      const refs = new Set(this.#seat.outbox.items.map(({ ref }) => ref));
      if (!isFirst) this.#asks.renew(refs);
    }
    this.#joined.resolve();
    if (isFirst) return;
    if (moved !== undefined) this.#name = moved;
    if (wasSuspended) this.#tell("resumed");
    // The seat may have been a new one before the connection broke again.
    if (!terms.isResumed || (isAnew && moved === undefined)) this.#tell("lost", undefined);
    else if (terms.lost > 0) this.#tell("lost", terms.lost);
    if (moved !== undefined) this.#tell("moved", moved);
    else if (difference) this.#differ(difference);
    this.#drained();
  }

  /** Tells what happened while nobody told us. */
  #differ({ came, gone, profiles, lives }: Difference): void {
    for (const member of gone) this.#tell("leave", member, reasonOf(0, ""));
    for (const member of came) if (member !== this.#members.me) this.#tell("join", member);
    for (const member of profiles) this.#tell("profile", member);
    for (const member of lives) if (member !== this.#members.me) this.#tell("live", member);
  }

  #heard(said: Said): void {
    switch (said.type) {
      case EVENT:
        return this.#event(said);
      case ANSWER: {
        const { ref, from, code, text, body } = said;
        if (code !== 0) return this.#asks.answered(ref, from, { error: refusalOf(code, text) });
        return this.#asks.answered(ref, from, decode(body));
      }
      case ASKED:
        return this.#asks.asked(said.ref, said.numbers, (number) => this.#members.at(number));
      case JOINED: {
        const member = present(said.number, true, said.who);
        this.#members.add(member);
        return this.#tell("join", member);
      }
      case PROFILE: {
        const member = this.#at(said.number);
        member.profile = said.profile;
        return this.#tell("profile", member);
      }
      case LIVE: {
        const member = this.#at(said.number);
        member.live = said.live;
        return this.#tell("live", member);
      }
      case LEAVING:
        return this.#tell("disconnecting", this.#at(said.number), reasonOf(said.code, said.text), said.rooms);
      case LEFT: {
        const member = this.#at(said.number);
        this.#members.remove(member);
        member.live = false;
        return this.#tell("leave", member, reasonOf(said.code, said.text));
      }
      case REFUSED:
        return this.#tell("error", new StreamError(said.code, said.text));
      default:
        throw malformed("a member twice");
    }
  }

  #event({ from, ask, name, body }: Extract<Said, { type: typeof EVENT }>): void {
    const sender = from === PROXY ? undefined : this.#at(from);
    if (this.#emitter.isOver) return;
    const seat = this.#seats;
    const reply = ({ code, body }: Reply) => {
      if (ask === undefined || this.#emitter.isOver || this.#seats !== seat) return;
      this.#seat.send({ record: answer(ask, code, body), anew: () => undefined });
    };
    const args = decode(body);
    if ("error" in args || !Array.isArray(args.value)) {
      const error = "error" in args ? args.error : new StreamError("bad_request", "what came is no list of arguments");
      this.#tell("error", error);
      return reply(refuse(error));
    }
    const outcomes = this.#listeners.call(name, sender, args.value);
    if (ask !== undefined) void replyOf(outcomes, this.#emitter.bytesMax).then(reply);
    else for (const outcome of outcomes) if ("error" in outcome) report(outcome.error);
  }

  /** A member that the proxy speaks of. */
  #at(number: number): Known {
    const member = this.#members.at(number);
    if (member) return member;
    throw malformed(`something of a member ${number} that there is not`);
  }

  #mark(live: boolean): void {
    if (this.#members.me) this.#members.me.live = live;
  }

  #tell<E extends keyof RoomEvents>(event: E, ...args: RoomEvents[E]): void {
    if (!this.#emitter.isOver || event === "error" || event === "close") this.#listeners.own.emit(event, ...args);
  }

  /** Nothing is emitted or heard from now on. */
  #end(error: StreamError): void {
    this.#emitter.isOver = true;
    this.#joined.reject(error);
    this.#asks.end(error);
  }

  #over(error: StreamError | undefined): void {
    this.#mark(false);
    this.#end(error ?? new StreamError("gone", "this room is over"));
    if (error) this.#closed.reject(error);
    else this.#closed.resolve();
    if (error) this.#tell("error", error);
    this.#tell("close");
  }

  #obey(signal: AbortSignal): void {
    const leave = () => void this.leave();
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave);
    const forget = () => signal.removeEventListener("abort", leave);
    this.#closed.promise.then(forget, forget);
  }
}

/** Throws `bad_request` where it names nobody. */
function present(...said: Parameters<typeof known>): Known {
  const member = known(...said);
  if (member) return member;
  throw malformed("a member without an id");
}
