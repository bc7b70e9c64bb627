// A member's place in a room, over one session after the other: what each side said and the other one has not got is said again, once.

import { stayAwake } from "../awake.ts";
import { malformed } from "../decoder.ts";
import { StreamError } from "../error.ts";
import type { Inside } from "../inside.ts";
import { later, type Timer } from "../later.ts";
import { nameSegment } from "../name.ts";
import { type Session, WRITE_TURNS } from "../session.ts";
import { settler } from "../settler.ts";
import { Line, silent, type Terms } from "./line.ts";
import { type Item, Outbox } from "./outbox.ts";
import { END, EVENT, GOT, got, isCounted, LOST, leave, MEMBER, MOVED, type Said } from "./records.ts";

/** We have a seat: for the first time, or again. */
export interface Seated {
  readonly terms: Terms;
  /** It is another one, or in another room: nobody there has anything of ours. */
  readonly isAnew: boolean;
  /** The proxy's program moved us there. */
  readonly moved: string | undefined;
  /** It was gone for a while. */
  readonly wasSuspended: boolean;
  /** The room as it is; nothing where what we know is right. */
  readonly snapshot: Extract<Said, { type: typeof MEMBER }>[] | undefined;
}

export interface SeatHooks {
  /** What joining says besides the seat. */
  joining(): object;
  /** What waits is sent behind this call. */
  seated(seated: Seated): void;
  heard(said: Said): void;
  /** So many of the proxy's records were left out. */
  lost(count: number): void;
  /** The proxy has more of what we said. */
  acknowledged(): void;
  suspended(): void;
  over(error: StreamError | undefined): void;
}

/** We say what came after so many records, so many bytes, or so many milliseconds. */
const GOT_RECORDS = 64;
const GOT_BYTES = 128 * 1024;
const GOT_MS = 500;

export class Seat {
  readonly outbox = new Outbox();
  readonly #inside: Inside;
  readonly #prefix: string;
  readonly #hooks: SeatHooks;
  readonly #over = settler();
  #name: string;
  #id: string | undefined;
  #secret = "";
  /** Counted records of the proxy's that came. */
  #received = 0;
  /** What came and was not acknowledged. */
  #due = 0;
  #dueBytes = 0;
  #timer: Timer | undefined;
  /** The newest stream, and the one before it where it may live. */
  #line: Line | undefined;
  #before: Line | undefined;
  #moved: string | undefined;
  /** The seat is another one than the one that we sat on. */
  #isAnew = false;
  #hasSat = false;
  /** Why the proxy reset us last, where it keeps the seat: it had no room for what waited. */
  #behind: StreamError | undefined;
  #isSuspended = false;
  #isLeaving = false;
  #isOver = false;
  /** Set as long as we have the seat. */
  #sleep: (() => void) | undefined;
  readonly #depart = (): void => void this.leave(true, "");

  /** Joins at `{prefix}/join/{name}`. */
  constructor(inside: Inside, prefix: string, name: string, hooks: SeatHooks) {
    this.#inside = inside;
    this.#prefix = prefix;
    this.#name = name;
    this.#hooks = hooks;
    inside.leaving.add(this.#depart);
    globalThis.addEventListener?.("pagehide", this.#hide);
    queueMicrotask(() => void this.#hold(inside.session));
  }

  /** Whether what is said leaves at once. */
  get isLive(): boolean {
    return this.#line?.isReady === true;
  }

  /** Says it, now or when there is a connection. */
  send(item: Item): void {
    this.outbox.push(item);
    if (this.#line?.isReady) this.#line.write(item.record);
  }

  /** Says what is worth nothing later; whether it left. */
  sendNow(record: Uint8Array): boolean {
    const line = this.#line;
    if (!line?.isReady || line.isFull) return false;
    line.write(record);
    return true;
  }

  /** Gives the seat up, behind what was said. Resolves when the proxy knows, or will not hear it any more. */
  leave(isWholePeer: boolean, text: string): Promise<void> {
    const line = this.#line;
    if (this.#isLeaving || this.#isOver) return this.#over.promise;
    this.#isLeaving = true;
    if (this.#id === undefined) this.#finish();
    else {
      const record = leave(isWholePeer, text);
      this.send({ record, anew: () => record });
      if (line?.isReady) line.close();
    }
    return this.#over.promise;
  }

  /** A page that goes for good leaves; one that may come back has its seat. */
  readonly #hide = ({ persisted }: PageTransitionEvent): void => {
    if (!persisted) void this.leave(true, "");
  };

  /** One stream after the other, to the end. */
  async #hold(first: Session): Promise<void> {
    let session = first;
    try {
      while (!this.#isOver) {
        const line = this.#open(session);
        const error = await this.#run(line).then(
          () => undefined,
          (thrown) => StreamError.from(thrown),
        );
        line.begun.resolve();
        if (this.#line !== line || this.#isOver) return;
        // Whoever said goodbye does not come back to say it again.
        if (line.isClosing && this.#isLeaving && !this.#moved) return this.#finish();
        // The proxy had no room for what waits for us, and keeps the seat.
        const isBehind = error?.code === "lagging" || (error?.code === "limit" && line.isReady);
        if (error || !this.#moved) this.#suspend();
        this.#behind = isBehind ? error : undefined;
        if (isBehind || (this.#moved && !error)) session = this.#inside.session;
        else if (error && session.leavesOver(error)) session = await this.#inside.after(session);
        else throw error ?? silent();
      }
    } catch (thrown) {
      this.#finish(this.#isLeaving ? undefined : StreamError.from(thrown));
    }
  }

  #open(session: Session): Line {
    const seat = this.#id && { id: this.#id, secret: this.#secret, got: this.#moved ? 0 : this.#received };
    const path = `${this.#prefix}/join/${nameSegment(this.#moved ?? this.#name)}`;
    const line = new Line(session, path, { ...this.#hooks.joining(), seat: seat || undefined });
    if (this.#line?.isReady) this.#before = this.#line;
    this.#line = line;
    // What came over the one before is said with the seat.
    this.#forget();
    void this.#follow(session, line);
    return line;
  }

  /** Goes over to the next session as soon as that is up, although this one lives. */
  async #follow(session: Session, line: Line): Promise<void> {
    let next = session;
    try {
      do {
        next = await this.#inside.after(next);
        await next.hello?.opened.catch(ignore);
        if (this.#line !== line || this.#isOver || this.#isLeaving) return;
      } while (!next.isOpen);
      // Of two joins with one seat that are under way the wrong one may win.
      await line.begun.promise;
      if (line.isReady && this.#line === line && !this.#isOver && !this.#isLeaving) void this.#hold(next);
    } catch {
      // There will be none: the stream's end tells.
    }
  }

  async #run(line: Line): Promise<void> {
    const terms = await line.terms();
    if (this.#line !== line || this.#isOver) return;
    this.#before?.stream.reset();
    this.#before = undefined;
    if (!terms.isResumed && this.#isLeaving) return this.#finish();
    // Then it was not for want of room: what we said was too much.
    if (!terms.isResumed && this.#behind?.code === "limit") throw this.#behind;
    this.#behind = undefined;
    this.#id = terms.id;
    this.#secret = terms.secret;
    this.#sleep ??= stayAwake();
    this.#isAnew ||= !terms.isResumed || this.#moved !== undefined;
    if (this.#isAnew) this.#received = 0;
    else this.outbox.acknowledge(terms.got);
    const snapshot: Seated["snapshot"] = [];
    if (terms.members === 0) await this.#seated(line, terms, undefined);
    for await (const said of line.records(terms.eventBytesMax)) {
      if (this.#line !== line || this.#isOver) return;
      if (said.type === MEMBER && !line.isReady) {
        if (snapshot.push(said) === terms.members) await this.#seated(line, terms, snapshot);
      } else if (line.isReady || said.type === MOVED || said.type === END) this.#hear(line, said);
      else throw malformed("a record in front of the members");
      if (said.type === MOVED || this.#isOver) return;
    }
  }

  /** The room is known: tells, and sends what waits. A line that breaks before is as if it had not been. */
  async #seated(line: Line, terms: Terms, snapshot: Seated["snapshot"]): Promise<void> {
    const [isAnew, moved, wasSuspended] = [this.#isAnew, this.#moved, this.#isSuspended];
    this.#name = moved ?? this.#name;
    this.#moved = undefined;
    this.#isAnew = this.#isSuspended = false;
    this.#hasSat = true;
    this.#received += terms.lost;
    this.#hooks.seated({ terms, isAnew, moved, wasSuspended, snapshot });
    // A listener may have left.
    if (this.#isOver) return;
    line.isReady = true;
    line.begun.resolve();
    for (const { record } of this.outbox.items) line.write(record);
    if (this.#isLeaving) line.close();
    // Who waits for `joined` listens before the first event comes.
    for (let turn = 0; turn < WRITE_TURNS; turn++) await null;
  }

  #hear(line: Line, said: Said): void {
    if (isCounted(said)) {
      this.#received++;
      this.#receipt(line, said.type === EVENT ? said.body.length : 0);
    }
    switch (said.type) {
      case GOT:
        this.outbox.acknowledge(said.count);
        return this.#hooks.acknowledged();
      case LOST:
        this.#received += said.count;
        return this.#hooks.lost(said.count);
      case MOVED:
        this.#moved = said.name;
        line.isReady = false;
        return line.close();
      case END:
        line.close();
        return this.#finish(said.code === 0 ? undefined : new StreamError(said.code, said.text));
      default:
        this.#hooks.heard(said);
    }
  }

  /** Something came: the proxy is told, not of each alone. */
  #receipt(line: Line, bytes: number): void {
    this.#dueBytes += bytes;
    if (++this.#due >= GOT_RECORDS || this.#dueBytes >= GOT_BYTES) this.#acknowledge(line);
    else this.#timer ??= later(() => this.#acknowledge(line), GOT_MS);
  }

  #acknowledge(line: Line): void {
    this.#forget();
    if (this.#line === line && !line.isClosing) line.write(got(this.#received));
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = this.#dueBytes = 0;
  }

  #suspend(): void {
    this.#forget();
    if (this.#line) this.#line.isReady = false;
    if (!this.#hasSat || this.#isSuspended) return;
    this.#isSuspended = true;
    if (!this.#inside.isOver) this.#hooks.suspended();
  }

  #finish(error?: StreamError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#forget();
    this.#sleep?.();
    this.#inside.leaving.delete(this.#depart);
    globalThis.removeEventListener?.("pagehide", this.#hide);
    if (this.#line) this.#line.isReady = false;
    if (!this.#line?.isClosing) this.#line?.stream.reset();
    this.#before?.stream.reset();
    this.#hooks.over(error);
    this.#over.resolve();
  }
}

function ignore(): void {}
