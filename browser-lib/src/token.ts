// Who we are to a proxy that asks, and where the token for that comes from.

import { frame } from "./framing.ts";
import { later } from "./later.ts";

const LIBRARY = "browser-stream-server-js/0.1.0";
/** Why a proxy cannot judge a token, or has no room for who shows it. */
const UNJUDGED = ["busy", "timeout", "internal", "limit"];
/** How long it takes until a source that failed is asked again. */
const ASK_AGAIN_MS = 10_000;

/** A token, or who gives one that holds now; nothing is for a proxy that asks for none. */
export type Token = string | undefined | (() => string | undefined | Promise<string | undefined>);

export class Tokens {
  #source: Token;
  /** The newest token, which question it answers, and how many were asked. */
  #token: string | undefined;
  #answered = 0;
  #asked = 0;
  /** The open of the session stream, with the newest token in it (PROTOCOL.md, section 7). It is there when the first token is. */
  hello!: Uint8Array;
  /** The proxy wanted another token, and has taken none since. */
  isRefused = false;

  /** Throws `bad_request` if the token is too long. */
  constructor(source: Token) {
    this.#source = source;
    if (!this.isLive) this.#say(source as string | undefined);
  }

  /** Whether somebody can be asked for another. */
  get isLive(): boolean {
    return typeof this.#source === "function";
  }

  /**
   * The token of now, from another source if one is given, to be shown from now on. Rejects with what the source throws. An answer that comes when a later
   * question has its own is older than that, and gives way to it.
   */
  async take(source = this.#source): Promise<string | undefined> {
    this.#source = source;
    const question = ++this.#asked;
    const token = typeof source === "function" ? await source() : source;
    if (question > this.#answered) {
      this.#say(token);
      this.#answered = question;
    }
    return this.#token;
  }

  /** Has a new one shown; where the source fails, the console says so, and it is asked again as long as there is a connection to show it on. */
  insist(mdm: { renew(): Promise<void> }, session: { readonly isOpen: boolean }): void {
    const again = (error: unknown) => {
      console.error(error);
      later(() => session.isOpen && this.insist(mdm, session), ASK_AGAIN_MS);
    };
    if (this.isLive) mdm.renew().catch(again);
  }

  /** The proxy refused what was shown, with this code: whether that may pass, for it only cannot judge now, or the source has another, which is asked once. */
  mayPass(code: string): boolean {
    const may = UNJUDGED.includes(code) || (this.isLive && !this.isRefused);
    this.isRefused = true;
    return may;
  }

  #say(token: string | undefined): void {
    this.hello = frame({ path: "/session", token, library: LIBRARY, capabilities: [] });
    this.#token = token;
  }
}
