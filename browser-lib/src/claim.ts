// A name that a server holds, over one session after the other: the lease proves each time that it is the same server.

import { stayAwake } from "./awake.ts";
import { StreamError } from "./error.ts";
import { frame, readNotes } from "./framing.ts";
import { randomHex } from "./hex.ts";
import type { Inside } from "./inside.ts";
import { Keep } from "./keep.ts";
import type { Opening } from "./opening.ts";
import type { Session } from "./session.ts";
import type { Stream } from "./stream.ts";

/** What proves whose name it is: a secret of its holder's. */
export interface Lease {
  /** As the proxy made it. */
  readonly proof: object;
  /** The attempt of the claim that was made last. */
  readonly attempt: number;
}

/** Where a server is found by HTTP: scheme and port are the proxy's. */
export interface HttpPlace {
  readonly host?: string;
  readonly path?: string;
}

/** What a claim asks for. */
export interface ClaimRequest {
  /** Waits in line for a name that somebody else holds, instead of being refused. */
  standby?: boolean | undefined;
  /** A lease of ours, to take the name over from whoever holds it by the same lease; `false`: none, the name is free as soon as the connection breaks. */
  lease?: Lease | boolean | undefined;
  /** `"tab"` keeps the name over a reload: the lease lies in the tab's `sessionStorage` while no page is there. A closed tab's name is free only after the grace. */
  persist?: "tab" | undefined;
}

export interface ClaimHooks {
  /** The notes that each control stream begins with. */
  notes(): [note: string, value?: number][];
  /** What clients may need. */
  readonly capabilities?: string[] | undefined;
  /** Whoever comes by HTTP is let in. */
  readonly http?: boolean | undefined;
  take(opening: Opening): void;
  /** The name is ours: for the first time, or again after it was suspended. */
  held(id: string | undefined, http: HttpPlace | undefined): void;
  /** The connection is gone, and the name kept for us. */
  suspended(): void;
  /** The name is no longer ours, or never was. */
  over(error: StreamError | undefined): void;
}

export class Claim {
  readonly #inside: Inside;
  readonly #prefix: string;
  readonly #segment: string;
  readonly #request: ClaimRequest;
  readonly #hooks: ClaimHooks;
  readonly #instance = randomHex(16);
  readonly #keep: Keep | undefined;
  #proof: object | undefined;
  #place: HttpPlace | undefined;
  /** Rises with each claim: of two that show one lease the higher one has the name. */
  #attempt = -1;
  /** The newest control stream, its session, and the one by which the name is held. */
  #control: Stream | undefined;
  #session: Session | undefined;
  #held: Stream | undefined;
  /** What was told of it last. */
  #told: "nothing" | "held" | "suspended" = "nothing";
  #isEnding = false;
  #isOver = false;
  #unlock = (): void => {};
  readonly #leave = (): void => this.end();

  /** Asks for the name at `{prefix}/listen/{segment}`. */
  constructor(inside: Inside, prefix: string, segment: string, request: ClaimRequest, hooks: ClaimHooks) {
    this.#inside = inside;
    this.#prefix = prefix;
    this.#segment = segment;
    this.#request = request;
    this.#hooks = hooks;
    if (request.persist)
      this.#keep = new Keep(`browser-stream-server ${inside.target} ${prefix}/${segment}`, () => this.lease);
    const given = typeof request.lease === "object" ? request.lease : (this.#keep?.take() as Lease | undefined);
    if (given) {
      this.#proof = given.proof;
      this.#attempt = given.attempt;
    }
    inside.leaving.add(this.#leave);
    globalThis.addEventListener?.("pagehide", this.#hide);
    void this.#hold(inside.session);
  }

  /** What another claim can have the name by. */
  get lease(): Lease | undefined {
    return this.#proof && { proof: this.#proof, attempt: this.#attempt };
  }

  note(note: string, value?: number): void {
    if (this.#isEnding || this.#isOver) return;
    for (const control of new Set([this.#control, this.#held])) control?.write(frame({ note, value }));
  }

  /** Gives the name up. */
  end(): void {
    this.#isEnding = true;
    this.#held?.end();
    this.#control?.end();
  }

  /** Gives up the wait for the name. A name that was given to us meanwhile is given back; what was not asked for yet is never asked for. */
  abandon(error: StreamError): void {
    const control = this.#control;
    this.#finish(error);
    if (this.#session?.isOpen) control?.end();
    else control?.reset();
  }

  /** A page that goes for good lets go of the name, or has it kept by the tab; one that may come back has its lease. */
  readonly #hide = ({ persisted }: PageTransitionEvent): void => {
    if (!persisted && !this.#keep) this.end();
  };

  /** One control stream from its open to its end, and on to the next session's. */
  async #hold(session: Session): Promise<void> {
    const path = `${this.#prefix}/accept/${this.#segment}`;
    const { take } = this.#hooks;
    let control: Stream;
    try {
      control = this.#ask(session);
    } catch (thrown) {
      return this.#finish(StreamError.from(thrown));
    }
    const next = this.#inside.after(session);
    // A lease moves as soon as there is somewhere to go to: the old session may live on.
    next.then(
      (session) => {
        if (this.#proof && this.#control === control && !this.#isOver) void this.#hold(session);
      },
      () => {},
    );
    let error: StreamError | undefined;
    try {
      // Before the reply: it could be overtaken. A name that this page serves already is another server's.
      if (!session.routes.has(path)) session.routes.set(path, take);
      await control.opened;
      session.routes.set(path, take);
      this.#gotIt(control);
      await readNotes(control.readable, (note) => {
        if (note === "superseded") error = new StreamError(note);
      });
      control.end();
    } catch (thrown) {
      error = StreamError.from(thrown);
      control.reset();
    }
    if (session.routes.get(path) === take) session.routes.delete(path);
    await this.#ended(control, error, error !== undefined && session.leavesOver(error) ? next : undefined);
  }

  #ask(session: Session): Stream {
    const { standby, lease = true } = this.#request;
    const control = session.open({
      path: `${this.#prefix}/listen/${this.#segment}`,
      fields: {
        capabilities: this.#hooks.capabilities,
        instance: this.#instance,
        attempt: ++this.#attempt,
        lease: this.#proof ?? lease,
        standby,
        http: this.#hooks.http,
      },
      patience: Infinity,
      replied: ({ lease, http }) => {
        this.#place = http as HttpPlace | undefined;
        if (typeof lease === "object" && lease !== null) this.#proof = lease;
      },
    });
    this.#control = control;
    this.#session = session;
    for (const [note, value] of this.#hooks.notes()) control.write(frame({ note, value }));
    if (this.#isEnding) control.end();
    return control;
  }

  #gotIt(control: Stream): void {
    if (this.#isOver) return;
    this.#held = control;
    if (this.#told === "held") return;
    if (this.#told === "nothing") this.#unlock = stayAwake();
    this.#told = "held";
    this.#hooks.held(control.id, this.#place);
  }

  /** Goes on with the next session, where there is one to wait for. */
  async #ended(control: Stream, error: StreamError | undefined, next: Promise<Session> | undefined): Promise<void> {
    if (this.#isOver) return;
    if (next && this.#held === control) {
      this.#held = undefined;
      this.#told = "suspended";
      if (!this.#inside.isOver) this.#hooks.suspended();
    }
    if (this.#control !== control) return;
    if (!next) return this.#finish(this.#isEnding ? undefined : error);
    try {
      const session = await next;
      if (this.#control === control && !this.#isOver) void this.#hold(session);
    } catch {
      this.#finish(error);
    }
  }

  #finish(error: StreamError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inside.leaving.delete(this.#leave);
    globalThis.removeEventListener?.("pagehide", this.#hide);
    this.#keep?.stop();
    this.#unlock();
    this.#hooks.over(error);
  }
}
