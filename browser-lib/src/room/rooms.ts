// The way to rooms.

import { callable } from "../callable.ts";
import type { Inside } from "../inside.ts";
import { type MuxDemux, sessionOf } from "../mux-demux.ts";
import { nameSegment } from "../name.ts";
import { demand } from "../options.ts";
import { prefixOf } from "../stream-client.ts";
import { Directory } from "./directory.ts";
import { JoinedRoom, type JoinOptions } from "./room.ts";

/** Where rooms are, unless another prefix is given. */
const PREFIX = "/room";

export interface RoomOptions {
  prefix?: string | undefined;
}

class Rooms {
  readonly #inside: Inside;
  readonly #prefix: string;

  /** Rooms over `mdm`, under `prefix`. Throws `bad_request` for what is none. */
  constructor(mdm: MuxDemux, options: RoomOptions = {}) {
    this.#inside = sessionOf(mdm);
    this.#prefix = prefixOf({ prefix: PREFIX, ...options });
  }

  /**
   * Joins the room of that name, which is there as long as somebody is in it, and returns it at once: listen before anything comes; `joined` tells the outcome. Without a
   * connection it waits for one, and after each drop it takes its seat again.
   *
   * Throws `bad_request` for what can be no name, and no profile.
   */
  join(name: string, options: JoinOptions = {}): JoinedRoom {
    nameSegment(name);
    demand(Object(options) === options, "options are an object");
    return new JoinedRoom(this.#inside, this.#prefix, name.normalize("NFC"), options);
  }

  /** The public rooms and how many are in each, until it is closed or `signal` aborts. It fails `limit` where too many watch. */
  rooms({ signal }: { signal?: AbortSignal | undefined } = {}): Directory {
    return new Directory(this.#inside, `${this.#prefix}/list`, signal);
  }
}

/** Rooms in which members send each other events: with or without `new`. */
export type Room = Rooms;
export const Room: RoomClass = /* @__PURE__ */ callable(Rooms) as RoomClass;

interface RoomClass {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the connection's streams give, rooms have streams of their own
  new (mdm: MuxDemux<any>, options?: RoomOptions): Rooms;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  (mdm: MuxDemux<any>, options?: RoomOptions): Rooms;
  readonly prototype: Rooms;
}
