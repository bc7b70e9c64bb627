// All pictures of the call: one for each person, ourselves among them, and one for each screen.

import type { Call } from "./call.ts";
import type { Capture } from "./capture.ts";
import type { Ear } from "./ear.ts";
import { Notice } from "./notice.ts";
import { element } from "./page.ts";
import type { Peer } from "./peer.ts";
import { initialsOf, type Person } from "./person.ts";
import { type Picture, Tile } from "./tile.ts";
import { bits, sayTraffic } from "./traffic.ts";

const SELF = "self";
const WAYS = { connecting: "connecting", direct: "direct", proxy: "via proxy" };

export class Stage {
  readonly #capture: Capture;
  readonly #ownEar: Ear;
  readonly #notice = new Notice();
  readonly #people = new Map<string, Tile>();
  readonly #screens = new Map<string, Tile>();
  readonly #own = { camera: new MediaStream(), screen: new MediaStream() };

  constructor(capture: Capture, ownEar: Ear) {
    this.#capture = capture;
    this.#ownEar = ownEar;
  }

  show(call: Call): void {
    const people: [string, Picture][] = [[SELF, this.#self(call)]];
    const screens: [string, Picture][] = [];
    if (call.me.screen) screens.push([SELF, this.#ownScreen()]);
    for (const [id, peer] of call.peers) {
      people.push([id, personPicture(peer)]);
      if (peer.person.screen) screens.push([id, screenPicture(peer)]);
    }
    settle(this.#people, element("people"), people);
    settle(this.#screens, element("screens"), screens);
    const wide = Math.ceil(Math.sqrt(people.length));
    const place = element("people");
    const flat = people.length > 3 ? Math.ceil(people.length / 2) : people.length;
    place.style.cssText = `--wide: ${wide}; --narrow: ${people.length > 2 ? 2 : 1}; --flat: ${flat}`;
    place.toggleAttribute("data-in-twos", wide === 2);
    this.#notice.show(people.length, call.me.camera || call.me.screen, call.up);
  }

  /** Shows who speaks now. */
  listen(call: Call): void {
    for (const [id, tile] of this.#people) {
      tile.isSpeaking = id === SELF ? this.#ownEar.hearsSpeech : (call.peers.get(id)?.ear.hearsSpeech ?? false);
    }
  }

  close(): void {
    for (const [tiles, place] of [[this.#people, "people"] as const, [this.#screens, "screens"] as const]) {
      settle(tiles, element(place), []);
    }
  }

  #self(call: Call): Picture {
    const { me, watchers } = call;
    const captions = states(me);
    if (watchers > 0) captions.push(`to ${watchers} via proxy`);
    return {
      name: `${me.name} (you)`,
      initials: initialsOf(me.name),
      captions,
      traffic: call.peers.size > 0 ? `↑ ${bits(call.up)} to all` : "Nobody else is here yet",
      shown: only(this.#own.camera, this.#capture.tracks.camera),
      hasPicture: me.camera,
      isOwn: true,
      facts: { kind: "person", id: SELF },
    };
  }

  #ownScreen(): Picture {
    return {
      name: "Your screen",
      initials: "",
      captions: ["everybody sees it"],
      traffic: "",
      shown: only(this.#own.screen, this.#capture.tracks.screen),
      hasPicture: true,
      isOwn: true,
      facts: { kind: "screen", id: SELF },
    };
  }
}

function personPicture(peer: Peer): Picture {
  const { person, way, member, traffic, problem } = peer;
  const captions = [WAYS[way], ...states(person)];
  if (!member.live) captions.push("reconnecting");
  if (problem) captions.push(problem);
  return {
    name: person.name,
    initials: initialsOf(person.name),
    captions,
    traffic: traffic ? sayTraffic(traffic) : "",
    shown: peer.camera,
    hasPicture: person.camera && way !== "connecting",
    isOwn: false,
    facts: { kind: "person", id: member.id, way, frames: `${traffic?.frames ?? 0}` },
  };
}

function screenPicture({ person, way, member, screen }: Peer): Picture {
  return {
    name: `${person.name}: screen`,
    initials: "",
    captions: [WAYS[way]],
    traffic: "",
    shown: screen,
    hasPicture: true,
    isOwn: false,
    facts: { kind: "screen", id: member.id, way },
  };
}

function states({ camera, microphone, screen }: Person): string[] {
  return [...(microphone ? [] : ["muted"]), ...(camera ? [] : ["camera off"]), ...(screen ? ["sharing"] : [])];
}

/** The stream, with that track in it and no other. */
function only(stream: MediaStream, track: MediaStreamTrack | undefined): MediaStream {
  for (const other of stream.getTracks()) if (other !== track) stream.removeTrack(other);
  if (track) stream.addTrack(track);
  return stream;
}

/** Makes the tiles those of the pictures; one that stays is the same element. */
function settle(tiles: Map<string, Tile>, place: HTMLElement, pictures: readonly [string, Picture][]): void {
  const left = new Set(tiles.keys());
  for (const [id, picture] of pictures) {
    left.delete(id);
    let tile = tiles.get(id);
    if (!tile) {
      tile = new Tile();
      tiles.set(id, tile);
      place.append(tile.root);
    }
    tile.show(picture);
  }
  for (const id of left) {
    tiles.get(id)?.remove();
    tiles.delete(id);
  }
}
