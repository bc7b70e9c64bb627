// Agrees on a connection by what is called perfect negotiation: both sides may offer at any time, and of two offers that cross the polite side's gives way.

/** Says something to the other side's {@link Negotiation.hear}, in the order of the calls: a note's kind, and what goes with it, which is plain JSON. */
export type Say = (note: string, value: unknown) => void;

/** How a side negotiates. */
export interface NegotiationOptions {
  /** Which offer gives way when two cross: exactly one of the two sides says `true`. */
  isPolite: boolean;
  /** Brings it to the other side. */
  say: Say;
  /** This side cannot follow the other; it may be called more than once. */
  failed(error?: unknown): void;
  /** Whether the other side may offer sound and video; if not, such an offer fails it. */
  media: boolean;
  /** How many notes the other side may say in all before it fails: it says a few for each change, and one for each address that it has. No bound unless stated. */
  notesMax?: number | undefined;
}

const MEDIA = /^m=(?!application )/m;

/**
 * One side of a connection's negotiation. It owns the connection's `onnegotiationneeded` and `onicecandidate`: whatever is added to the connection, a track or a data channel, is agreed upon by itself,
 * and the same at the other side, at the same time, too.
 */
export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #options: NegotiationOptions;
  #isOffering = false;
  #ignores = false;
  #notes = 0;
  /** What came is done in order. */
  #done: Promise<void> = Promise.resolve();

  /** Offers as soon as the connection needs it. */
  constructor(pc: RTCPeerConnection, options: NegotiationOptions) {
    this.#pc = pc;
    this.#options = options;
    const { say, failed } = options;
    pc.onnegotiationneeded = () => {
      this.#isOffering = true;
      const offered = () => {
        this.#isOffering = false;
      };
      void this.#describe().then(offered, failed);
    };
    pc.onicecandidate = ({ candidate }) => {
      if (candidate) say("candidate", candidate.toJSON());
    };
  }

  /** Takes what the other side said; anything else than a description or a candidate is passed over. */
  hear(note: string, value: unknown): void {
    const { failed, notesMax } = this.#options;
    if (notesMax && ++this.#notes > notesMax) return failed();
    this.#done = this.#done.then(() => this.#take(note, value)).catch(failed);
  }

  async #take(note: string, value: unknown): Promise<void> {
    if (note === "description") await this.#described(value as RTCSessionDescriptionInit);
    else if (note === "candidate" && !this.#ignores) await this.#found(value as RTCIceCandidateInit);
  }

  /** An address of a kind that this browser does not know is one less. */
  async #found(candidate: RTCIceCandidateInit): Promise<void> {
    await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  async #described({ type, sdp }: RTCSessionDescriptionInit): Promise<void> {
    if (!this.#options.media && MEDIA.test(`${sdp}`)) throw new TypeError("media were offered");
    const isOffer = type === "offer";
    const collides = isOffer && (this.#isOffering || this.#pc.signalingState !== "stable");
    this.#ignores = collides && !this.#options.isPolite;
    if (this.#ignores) return;
    await this.#pc.setRemoteDescription({ type, sdp: `${sdp}` });
    if (isOffer) await this.#describe();
  }

  async #describe(): Promise<void> {
    await this.#pc.setLocalDescription();
    const { type, sdp } = this.#pc.localDescription as RTCSessionDescription;
    this.#options.say("description", { type, sdp });
  }
}
