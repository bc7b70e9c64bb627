// The sender: files under a code, everybody who looks at them, and what is on its way to whom.

import { type MuxDemux, type Stream, StreamServer, type Values } from "browser-stream-server";
import type { SealKeys } from "browser-stream-server/seal";
import { dial } from "../token.ts";
import { placeOf } from "./code.ts";
import { randomHex } from "./digest.ts";
import type { Offered } from "./pieces.ts";
import { judge, type Receiver, Receivers } from "./receivers.ts";
import { Start } from "./start.ts";
import { Transfer } from "./transfer.ts";
import { type Ask, type Bye, CODES, FILES_MAX, type List, type Listed, PIECE, readAsk, wellFormed } from "./wire.ts";

const CLIENTS_MAX = 1_000;
/** How long everybody has to read the goodbye. */
const BYE_MS = 1_000;

export class Sharing {
  readonly code: string;
  readonly mdm: MuxDemux;
  readonly receivers = new Receivers();
  /** Of the link, to be kept for the page after this one. */
  secret: string | undefined;
  #keys: SealKeys | undefined;
  readonly #prefix: string | undefined;
  readonly #changed: () => void;
  readonly #offered = new Map<string, Offered>();
  readonly #known: Listed[];
  readonly #lists = new Set<Values<List | Bye>>();
  readonly #start: Start;
  #server: StreamServer | undefined;

  /** Shares nothing yet. `known` are files of the page before this one, whose ids they get when they are chosen again. */
  constructor(code: string, known: Listed[], { prefix }: { prefix?: string }, changed: () => void) {
    this.code = code;
    this.mdm = dial();
    this.#prefix = prefix;
    this.#known = known;
    this.#changed = changed;
    this.#start = new Start(this.mdm);
    this.mdm.on("state", changed);
  }

  get files(): Listed[] {
    return [...this.#offered.values()].map(({ listed }) => listed);
  }

  /** What was shared before the page was reloaded, and was not chosen again. */
  get missing(): Listed[] {
    return this.#known.filter(({ id }) => !this.#offered.has(id));
  }

  get waits(): boolean {
    return this.#start.waits;
  }

  /** With these keys streams are sealed, end to end; they are in the link. */
  async sealWith(keys: SealKeys): Promise<void> {
    this.#keys = keys;
    this.secret = await keys.export();
  }

  /** Takes the name. Resolves when it is ours; rejects with why not, later too. */
  async listen(): Promise<Promise<void>> {
    const place = await placeOf(this.code);
    const sealed = this.#keys ?? true;
    const options = { prefix: this.#prefix, clientsMax: CLIENTS_MAX, accept: judge(place), sealed };
    this.#server = StreamServer(this.mdm, options, (stream) => this.#serve(stream));
    this.#start.name = place.name;
    // After a crash the name is kept for the page that crashed: it is waited for.
    this.#server.listen(place.name, { persist: "tab", standby: true });
    await this.#server.listening;
    return this.#server.closed;
  }

  /** Adds files to the list. Gives how many were too many. */
  add(files: File[]): number {
    const some = files.slice(0, FILES_MAX - this.#offered.size);
    for (const file of some) {
      const { size, type, lastModified: modified } = file;
      const name = wellFormed(file.name);
      const same = this.missing.find(
        (known) => known.name === name && known.size === size && known.modified === modified,
      );
      const id = same?.id ?? randomHex(8);
      this.#offered.set(id, { file, listed: { id, name, size, type, modified } });
    }
    this.#tellList();
    return files.length - some.length;
  }

  /** Takes a file off the list, and from whoever is getting it. */
  remove(id: string): void {
    this.#offered.delete(id);
    for (const { transfers } of this.receivers.all) transfers.get(id)?.cancel();
    this.#tellList();
  }

  /** Lets everybody wait until {@link startAll}, or nobody. */
  setWaits(waits: boolean): void {
    this.#start.setWaits(waits);
    this.#tellList();
  }

  startAll(): void {
    this.#start.all();
    this.#tellList();
  }

  /** Says goodbye to everybody and gives the name up. */
  async stop(): Promise<void> {
    for (const transfer of this.receivers.transfers) transfer.cancel();
    const bye = { type: "bye", reason: "The sender stopped sharing." } as const;
    const goodbyes = [...this.#lists].map((list) => list.end(bye).closed);
    // One that does not read shall not hold the others up.
    await Promise.race([Promise.allSettled(goodbyes), new Promise((resolve) => setTimeout(resolve, BYE_MS))]);
    await this.#server?.end().catch(() => {}); // Lost is given up, too.
    this.mdm.close();
  }

  #serve(stream: Stream): void {
    const ask = readAsk(stream.sealed?.meta);
    if (!ask) return stream.reset();
    const receiver = this.receivers.of(ask);
    if (ask.do === "list") void this.#list(stream, receiver);
    else void this.#get(stream, receiver, ask);
  }

  async #list(stream: Stream, receiver: Receiver): Promise<void> {
    const values = stream.values<List | Bye>();
    this.#lists.add(values);
    receiver.looks++;
    this.#changed();
    try {
      await values.send(this.#listNow());
      for await (const _ of values); // The receiver has nothing to say; its end is its going.
      values.end();
    } catch {
      // It went away without a word.
    }
    this.#lists.delete(values);
    receiver.looks--;
    this.receivers.left(receiver);
    this.#changed();
  }

  async #get(stream: Stream, receiver: Receiver, ask: Ask): Promise<void> {
    const offered = this.#offered.get(ask.file ?? "");
    if (!offered) return stream.error("There is no such file.", CODES.noSuchFile);
    const transfer = new Transfer(stream, offered, ask, this.#changed);
    receiver.transfers.get(offered.listed.id)?.cancel();
    receiver.transfers.set(offered.listed.id, transfer);
    await transfer.run(this.#start.of(transfer));
  }

  #listNow(): List {
    return { type: "files", piece: PIECE, waits: this.waits, files: this.files };
  }

  #tellList(): void {
    for (const values of this.#lists) values.send(this.#listNow()).catch(() => {}); // Its own loop tells.
    this.#changed();
  }
}
