// One room that this page is in: what is said there, how far one's own messages have come, and what is not read yet.

import { StreamError } from "browser-stream-server";
import { AckError, type JoinedRoom, type Member, type Room } from "browser-stream-server/room";
import { offer } from "../token.ts";
import type { Author, Bubble } from "./bubble.ts";
import { ANSWER_MS, Delivery, isTooMuch, membersOf, type Named } from "./delivery.ts";
import { Log } from "./log.ts";
import { hueOf, nameOf, type Profile, pageOf } from "./nickname.ts";
import { together } from "./page.ts";
import { notePresence } from "./presence.ts";
import { RETURN_MS, Returning } from "./returning.ts";
import { Typing } from "./typing.ts";
import { isId, type Picture, readSaid, type Said } from "./wire.ts";

/** So many messages are known by their ids. */
const KNOWN_MAX = 500;

interface Sent {
  readonly said: Said;
  readonly delivery: Delivery;
  readonly bubble: Bubble;
}

export class Conversation {
  readonly room: JoinedRoom;
  readonly log: Log;
  readonly typing: Typing;
  readonly isPublic: boolean;
  name: string;
  state: "joining" | "here" | "ended" = "joining";
  /** Why it ended, for people. */
  why = "";
  unread = 0;
  /** What is written here and not sent. */
  draft = "";
  readonly #changed: () => void;
  readonly #returning: Returning;
  /** What came: a writer whose seat is gone says again what may not have arrived. */
  readonly #taken = new Set<string>();
  readonly #sent = new Map<string, Sent>();
  /** The newest that was read of each writer and not told it. */
  readonly #unseen = new Map<string, string>();
  /** The newest of each writer that is not read. */
  readonly #unread = new Map<string, string>();
  /** What is written while there is no connection, and what the library takes no more of for now. */
  readonly #held = new Set<Sent>();
  /** What was said again to whom, and is not answered. */
  readonly #offered = new Set<string>();
  #isAway = false;
  /** The library took not all that is to be said again. */
  #isBehind = false;
  /** Much waits to go out: what is not urgent waits for "drain". */
  #isFull = false;
  /** The last that went wrong: if it is over behind that, it is why. */
  #error: StreamError | undefined;

  /** `changed` is told of all that is seen outside of the log. */
  constructor(rooms: Room, name: string, profile: Profile, isPublic: boolean, changed: () => void) {
    this.name = name;
    this.isPublic = isPublic;
    this.#changed = changed;
    this.room = rooms.join(name, { as: profile, public: isPublic });
    this.log = new Log(name, changed);
    this.typing = new Typing(this.room, changed);
    this.#returning = new Returning(this.room, {
      anew: (pages) => this.#anew(pages),
      over: (names) => this.#over(names),
    });
    this.#follow();
    notePresence(this.room, this.log, this.#returning);
    this.room.joined.then(
      () => {
        if (this.state !== "joining") return;
        this.state = "here";
        this.#connection();
      },
      (error) => this.#end(StreamError.from(error)),
    );
  }

  get others(): Member[] {
    return [...this.room.members.values()].filter((member) => member !== this.room.me);
  }

  nameOf(member: Member): string {
    return nameOf(member, this.room.members.values());
  }

  /** Sends it to everybody, and follows how far it comes. */
  say(text: string, picture?: Picture): void {
    const said: Said = { id: crypto.randomUUID(), text, at: Date.now(), ...(picture && { picture }) };
    this.log.undivide();
    const bubble = this.log.message(said, this.#me(), () => void this.#deliver(sent));
    const sent: Sent = { said, delivery: new Delivery(this.#returning.absent), bubble };
    this.#sent.set(said.id, sent);
    for (const id of [...this.#sent.keys()].slice(0, -KNOWN_MAX)) this.#sent.delete(id);
    this.log.toEnd();
    this.typing.sent();
    void this.#deliver(sent);
  }

  /** What came is read now; its writers are told. */
  read(): void {
    for (const [writer, id] of this.#unread) this.#unseen.set(writer, id);
    this.#unread.clear();
    this.unread = 0;
    this.#tellSeen();
  }

  /** Tells the others, and is out. */
  leave(): void {
    this.state = "ended";
    this.#release(false);
    void this.room.leave();
  }

  async #deliver(sent: Sent, isFirst = false): Promise<void> {
    const { said, delivery, bubble } = sent;
    const named = (member: Member): Named => ({ page: pageOf(member), name: this.nameOf(member) });
    delivery.begin(!this.room.live, new Map(this.others.map((member) => [pageOf(member), this.nameOf(member)])));
    bubble.show(delivery);
    if ((this.#held.size > 0 || this.#isAway || this.#isBehind) && !isFirst) return void this.#held.add(sent);
    try {
      const answers = await this.room.timeout(ANSWER_MS).emitWithAck("message", said);
      delivery.answered(membersOf(answers).map(named));
    } catch (error) {
      // Where nothing else waits, and it is too much all the same, it always is.
      if (isTooMuch(error) && !isFirst) return void this.#held.add(sent);
      delivery.refused(error, named);
      // What was on its way to somebody who came back at another node of a cluster is lost.
      if (error instanceof AckError && error.code === "lost") {
        delivery.expect(error.missing.filter(({ id }) => this.room.members.has(id)).map(pageOf));
      }
      // The time for this answer is over; for who came back it is not.
      for (const member of this.others) this.#offer(member);
    }
    bubble.show(delivery);
  }

  /** What was held goes, in its order, behind what is said again. `isEmpty`: nothing else waits. */
  #release(isEmpty: boolean): void {
    this.#isAway = this.#isBehind = this.#isFull = false;
    const offered = this.others.filter((member) => this.#offer(member));
    const held = [...this.#held];
    this.#held.clear();
    held.forEach((sent, at) => void this.#deliver(sent, isEmpty && at === 0 && offered.length === 0));
    this.#tellSeen();
  }

  /** The seat is another one: who was here, and is or comes back, is told what it may not have. */
  #anew(pages: ReadonlySet<string>): void {
    this.#offered.clear();
    for (const { delivery } of this.#sent.values()) delivery.expect(pages);
    queueMicrotask(() => this.#release(false));
  }

  /** Says again to somebody what it does not have, in its order. Whether there was something. */
  #offer(member: Member): boolean {
    const page = pageOf(member);
    const keyOf = ({ id }: Said) => `${member.id} ${id}`;
    const due = [...this.#sent.values()].filter(
      (sent) => sent.delivery.lacks(page) && !this.#held.has(sent) && !this.#offered.has(keyOf(sent.said)),
    );
    for (const { said, delivery, bubble } of due) {
      const key = keyOf(said);
      this.#offered.add(key);
      const offer = this.room.to(member.id).timeout(RETURN_MS).emitWithAck("message", said);
      offer.then(
        () => {
          delivery.took(page);
          bubble.show(delivery);
        },
        (error) => {
          this.#offered.delete(key);
          this.#isBehind ||= isTooMuch(error);
        },
      );
    }
    return due.length > 0;
  }

  /** Who is not back now is a stranger later. */
  #over(names: readonly string[]): void {
    if (names.length > 0) this.log.notice(`${together(names)} did not come back`);
    for (const { delivery, bubble } of this.#sent.values()) {
      delivery.over();
      bubble.show(delivery);
    }
  }

  #follow(): void {
    const { room } = this;
    room.on("message", (from, value) => {
      const said = readSaid(value);
      // The answer is the reason: the writer reads that it was not taken.
      if (!said || !from) throw new StreamError("bad_request", "this is no message of a chat");
      this.#take(from, said);
      return true;
    });
    room.on("seen", (from, id) => {
      if (!from || !isId(id) || !this.#sent.has(id)) return;
      for (const [one, { delivery, bubble }] of this.#sent) {
        if (delivery.seenBy(pageOf(from), one !== id)) bubble.show(delivery);
        if (one === id) break;
      }
    });
    room.on("join", (member) => {
      this.#offer(member);
      this.#tellSeen();
    });
    for (const event of ["join", "leave", "live", "profile"] as const) room.on(event, this.#changed);
    room.on("drain", () => !this.#isAway && this.#release(true));
    room.on("suspended", () => {
      this.#isAway = true;
      this.#connection();
    });
    room.on("resumed", () => {
      // Whether the seat is another one is told behind this.
      queueMicrotask(() => this.#release(false));
      this.#connection();
    });
    room.on("moved", (name) => {
      this.log.notice(`The proxy’s program moved you to “${name}”`);
      this.name = name;
      this.#changed();
    });
    room.on("error", (error) => {
      this.#error = error;
    });
    room.on("close", () => this.#end(this.#error));
  }

  #take(from: Member, said: Said): void {
    if (this.#taken.has(said.id)) return;
    this.#taken.add(said.id);
    for (const id of [...this.#taken].slice(0, -KNOWN_MAX)) this.#taken.delete(id);
    this.typing.forget(from);
    const isRead = !this.log.view.hidden && this.log.isAtEnd && !document.hidden;
    if (!isRead && this.unread === 0) this.log.divide();
    const page = pageOf(from);
    this.log.message(said, { id: page, name: this.nameOf(from), hue: hueOf(page), isMe: false });
    this.#unread.set(page, said.id);
    this.unread++;
    if (isRead) this.read();
    this.#changed();
  }

  #tellSeen(): void {
    const { absent } = this.#returning;
    for (const [page, id] of this.#unseen) {
      if (this.#isFull || this.#isAway) return;
      if (absent.has(page)) continue;
      this.#unseen.delete(page);
      const writer = this.others.find((member) => pageOf(member) === page);
      if (writer) this.#isFull = !this.room.to(writer.id).emit("seen", id);
    }
  }

  /** It went, or is back: what waits says so. */
  #connection(): void {
    for (const { delivery, bubble } of this.#sent.values()) {
      delivery.isOffline = !this.room.live;
      bubble.show(delivery);
    }
    this.#changed();
  }

  #end(error?: StreamError): void {
    if (this.state === "ended") return;
    this.why = explain(error, this.state === "here");
    offer(error);
    this.state = "ended";
    this.#release(false);
    this.#over([]);
    this.#changed();
  }

  #me(): Author {
    const { me } = this.room;
    return { id: "me", name: me ? this.nameOf(me) : "You", hue: hueOf(me ? pageOf(me) : ""), isMe: true };
  }
}

/** What happened and what to do, in the user's words. */
function explain(error: StreamError | undefined, wasIn: boolean): string {
  const what = wasIn ? "You are not in this room any more" : "You could not go in";
  if (!error) return `${what}.`;
  return ADVICE[error.code] ?? `${what}: ${error.detail || error.code}.`;
}

const ADVICE: Readonly<Record<string, string>> = {
  bad_request: "The proxy does not take this name for a room. Choose another.",
  limit: "There is no room for you here now: too many people, or too many rooms. Try again later.",
  superseded: "Another page has taken this seat over.",
  closed: "The connection was given up. Load this page again.",
  not_found: "This proxy has no rooms. It is older than this page, or has them switched off.",
};
