// Agrees on a connection by what is called perfect negotiation: both sides may offer at any time, and of two offers that cross the polite side's gives way.

/** Says something to the other side's {@link Negotiation.hear}. */
export type Say = (note: string, value: unknown) => void;

/** An honest side says a few of the first kind, and as many of the second as it has addresses. */
const NOTES_MAX = 200;
/** We open no media, whatever the other side offers. */
const MEDIA = /^m=(?!application )/m;

export class Negotiation {
  readonly #pc: RTCPeerConnection;
  readonly #isPolite: boolean;
  readonly #say: Say;
  readonly #failed: () => void;
  #isOffering = false;
  #ignores = false;
  #notes = 0;
  /** What came is done in order. */
  #done: Promise<void> = Promise.resolve();

  /** Offers when the connection needs it. `failed`: this side cannot follow the other. */
  constructor(pc: RTCPeerConnection, isPolite: boolean, say: Say, failed: () => void) {
    this.#pc = pc;
    this.#isPolite = isPolite;
    this.#say = say;
    this.#failed = failed;
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
    if (++this.#notes > NOTES_MAX) return this.#failed();
    this.#done = this.#done.then(() => this.#take(note, value)).catch(this.#failed);
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
    if (MEDIA.test(`${sdp}`)) throw new TypeError("media were offered");
    const isOffer = type === "offer";
    const collides = isOffer && (this.#isOffering || this.#pc.signalingState !== "stable");
    this.#ignores = collides && !this.#isPolite;
    if (this.#ignores) return;
    await this.#pc.setRemoteDescription({ type, sdp: `${sdp}` });
    if (isOffer) await this.#describe();
  }

  async #describe(): Promise<void> {
    await this.#pc.setLocalDescription();
    const { type, sdp } = this.#pc.localDescription as RTCSessionDescription;
    this.#say("description", { type, sdp });
  }
}
