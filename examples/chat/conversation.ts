// One room that this page is in: what is said there, how far one's own messages have come, and what is not read yet.

import { StreamError } from "browser-stream-server";
import type { JoinedRoom, Member, Room } from "browser-stream-server/room";
import type { Author, Bubble } from "./bubble.ts";
import { ANSWER_MS, Delivery, idsOf, isTooMuch } from "./delivery.ts";
import { Log } from "./log.ts";
import { hueOf, nameOf, type Profile } from "./nickname.ts";
import { notePresence } from "./presence.ts";
import { Typing } from "./typing.ts";
import { isId, type Picture, readSaid, type Said } from "./wire.ts";

/** So many messages are known by their ids. */
const KNOWN_MAX = 500;

interface Sent {
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
  /** What came: a writer whose seat is gone says again what may not have arrived. */
  readonly #taken = new Set<string>();
  readonly #sent = new Map<string, Sent>();
  /** The newest that was read of each writer and not told it. */
  readonly #unseen = new Map<string, string>();
  /** The newest of each writer that is not read. */
  readonly #unread = new Map<string, string>();
  /** What the library takes no more of for now. */
  readonly #held: { readonly said: Said; readonly sent: Sent }[] = [];
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
    this.#follow();
    notePresence(this.room, this.log);
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
    const said: Said = { id: crypto.randomUUID(), text, ...(picture && { picture }) };
    const asked = new Map(this.others.map((member) => [member.id, this.nameOf(member)]));
    this.log.undivide();
    const bubble = this.log.message(said, this.#me(), () => void this.#deliver(said, sent));
    const sent = { delivery: new Delivery(asked), bubble };
    this.#sent.set(said.id, sent);
    for (const id of [...this.#sent.keys()].slice(0, -KNOWN_MAX)) this.#sent.delete(id);
    this.log.toEnd();
    this.typing.sent();
    void this.#deliver(said, sent);
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
    void this.room.leave();
  }

  async #deliver(said: Said, sent: Sent, isFirst = false): Promise<void> {
    const { delivery, bubble } = sent;
    const nameOf = (id: string) => this.#nameById(id);
    delivery.begin(!this.room.live);
    bubble.show(delivery);
    if (this.#held.length > 0 && !isFirst) return void this.#held.push({ said, sent });
    try {
      const answers = await this.room.timeout(ANSWER_MS).emitWithAck("message", said);
      delivery.answered(idsOf(answers), nameOf);
    } catch (error) {
      // Where nothing else waits, and it is too much all the same, it always is.
      if (isTooMuch(error) && !isFirst) return void this.#held.push({ said, sent });
      delivery.refused(error, nameOf);
    }
    bubble.show(delivery);
  }

  /** What waited has left: what was held goes, in its order. */
  #drained(): void {
    this.#isFull = false;
    const held = this.#held.splice(0);
    held.forEach(({ said, sent }, at) => void this.#deliver(said, sent, at === 0));
    this.#tellSeen();
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
        if (delivery.seenBy(from.id)) bubble.show(delivery);
        if (one === id) break;
      }
    });
    for (const event of ["join", "leave", "live", "profile"] as const) room.on(event, this.#changed);
    room.on("drain", () => this.#drained());
    room.on("suspended", () => this.#connection());
    room.on("resumed", () => this.#connection());
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
    this.log.message(said, { id: from.id, name: this.nameOf(from), hue: hueOf(from.id), isMe: false });
    this.#unread.set(from.id, said.id);
    this.unread++;
    if (isRead) this.read();
    this.#changed();
  }

  #tellSeen(): void {
    for (const [writer, id] of this.#unseen) {
      if (this.#isFull) return;
      this.#unseen.delete(writer);
      if (this.room.members.has(writer)) this.#isFull = !this.room.to(writer).emit("seen", id);
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
    this.state = "ended";
    this.#changed();
  }

  #me(): Author {
    const { me } = this.room;
    return { id: "me", name: me ? this.nameOf(me) : "You", hue: hueOf(me?.id ?? ""), isMe: true };
  }

  #nameById(id: string): string {
    const member = this.room.members.get(id);
    return member ? this.nameOf(member) : "somebody who left";
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
